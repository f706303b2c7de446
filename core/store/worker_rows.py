"""The workers' own rows: who lives, who waits for work, who was lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from .statements import Statements


class WorkerRows(Statements):
    """The verbs about workers."""

    async def register(self, parameters: Mapping[str, Any]) -> bool:
        """Write the worker's row; False when this worker_id was declared lost. `service_types`: of its registry."""
        types = Jsonb(parameters.get("service_types", {}))
        return bool(await self._rows("register", {**parameters, "service_types": types}))

    async def hold_lock(self, lock_key: int) -> bool:
        """Take the session lock that Postgres drops the instant this process dies."""
        return bool((await self._rows("hold_lock", {"lock_key": lock_key}))[0][0])

    async def heartbeat(self, worker_id: str, running: int, *, draining: bool) -> str | None:
        """Prove that the worker lives and return its state; None when it was declared lost and must stop its jobs."""
        rows = await self._rows("heartbeat", {"worker_id": worker_id, "running": running, "draining": draining})
        return rows[0][0] if rows else None

    async def announce_waiting(self, worker_id: str, *, waiting: bool) -> None:
        """Say whether producers should wake this worker."""
        await self._rows("announce_waiting", {"worker_id": worker_id, "waiting": waiting})

    async def cancel_requests(self, worker_id: str, ids: Sequence[UUID]) -> list[UUID]:
        """Return which of the worker's running jobs a person wants stopped."""
        return [row[0] for row in await self._rows("cancel_requests", {"worker_id": worker_id, "ids": list(ids)})]

    async def held(self, worker_id: str) -> dict[UUID, int]:
        """Return the leases that the database believes the worker holds: id -> lease_seq."""
        return dict(await self._rows("held", {"worker_id": worker_id}))

    async def lose_workers(self, worker_id: str, *, by_lock: bool = True) -> list[str]:
        """Declare dead workers lost (rules in store.sql) and return their ids. `by_lock`: a free lock may prove it."""
        return [row[0] for row in await self._rows("lose_workers", {"worker_id": worker_id, "by_lock": by_lock})]

    async def lately_lost(self) -> list[str]:
        """Return the workers that were declared lost in the last 15 s, by whomever."""
        return [row[0] for row in await self._rows("lately_lost", {})]

    async def leave(self, worker_id: str) -> None:
        """Mark the worker stopped."""
        await self._rows("leave", {"worker_id": worker_id})

    async def alive_workers(self) -> frozenset[str]:
        """Return the ids of the workers that are not known to have ended."""
        return frozenset(row[0] for row in await self._rows("alive_workers", {}))

    async def forget_workers(self) -> None:
        """Delete the rows of workers that ended a week ago."""
        await self._rows("forget_workers", {})
