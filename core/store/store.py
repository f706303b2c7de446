"""The queue's writes: one thin method per verb, same names and order as store.sql. The only door to the hot table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation
from psycopg.types.json import Jsonb

from ..clock import now
from ..errors import Conflict
from ..job import NewJob, Status
from ..lifecycle import CRASH_BUDGET, Settlement, by_plainness
from . import columns
from .callbacks import Caller
from .claims import Claims
from .dependencies import refuse_later_ones, unknown_dependency
from .worker_rows import WorkerRows


@dataclass(frozen=True, slots=True)
class Enqueued:
    """What became of one NewJob: `duplicate` means that its idempotency key already had this job."""

    id: UUID
    status: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change made of one job: cancelled, requested, retried, discarded, already_<status> or not_found."""

    id: UUID
    outcome: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which services a worker serves, by lower-case name; None means no bound on that side."""

    only: tuple[str, ...] | None = None
    excluded: tuple[str, ...] | None = None

    def serves(self, service: str) -> bool:
        """Whether a service, folded, is in scope."""
        if self.only is not None and service not in self.only:
            return False
        return not self.excluded or service not in self.excluded

    def parameters(self) -> dict[str, Any]:
        """Return the scope as a statement's parameters."""
        return {
            "only": None if self.only is None else list(self.only),
            "except": list(self.excluded) if self.excluded else None,
        }


def new_job_ids(count: int) -> list[UUID]:
    """Return UUIDv7s (RFC 9562): ids of one batch are known before it is inserted, and sort by time."""
    fixed = int(now().timestamp() * 1000) << 80 | 7 << 76 | 2 << 62
    chance = os.urandom(10 * count)  # once for all: a system call costs more than the rest
    return [_job_id(fixed, int.from_bytes(chance[at : at + 10], "big")) for at in range(0, 10 * count, 10)]


def new_job_id() -> UUID:
    """Return one such id."""
    return new_job_ids(1)[0]


def calling_chain(worker_id: str) -> str:
    """Return the audit chain of what is settled with callbacks: a chain is locked until its link is committed."""
    return f"{worker_id}:callbacks"


def _job_id(fixed: int, chance: int) -> UUID:
    return UUID(int=fixed | (chance >> 62 & 0xFFF) << 64 | chance & (1 << 62) - 1)


class Store(Claims, WorkerRows):
    """The verbs of the queue over one autocommit connection. Not safe for two tasks at once."""

    async def enqueue(self, new: Sequence[NewJob]) -> list[Enqueued]:
        """Insert jobs in one transaction, all or none; raise Conflict when a key belongs to another operation.

        Where jobs wait for others: raise NotFound when one of those is no job, InvalidInput when it comes later here.
        """
        ids = [job.id or made for job, made in zip(new, new_job_ids(len(new)), strict=True)]
        alone = len(new) == 1 and not new[0].depends_on  # one statement: a transaction would be two round trips more
        async with nullcontext() if alone else self.connection.transaction():
            inserted = {row[0] for row in await self._rows("enqueue", columns.of_new_jobs(ids, new))}
            duplicates = await self._duplicates([job for id_, job in zip(ids, new, strict=True) if id_ not in inserted])
            found = {
                id_: Enqueued(id_, Status.PENDING, duplicate=False) if id_ in inserted else duplicates[_key(job)]
                for id_, job in zip(ids, new, strict=True)
            }
            found |= await self._depend(list(zip(ids, new, strict=True)), found)
        return [found[id_] for id_ in ids]

    async def _depend(self, new: Sequence[tuple[UUID, NewJob]], found: Mapping[UUID, Enqueued]) -> dict[UUID, Enqueued]:
        """Make the inserted jobs wait for what they depend on; return those that do, for some have ended at once."""
        waiting = [(id_, job) for id_, job in new if job.depends_on and not found[id_].duplicate]
        if not waiting:
            return {}
        refuse_later_ones(new)
        try:
            await self._rows("depend", columns.of_dependencies(waiting, {key: each.id for key, each in found.items()}))
        except ForeignKeyViolation as error:
            raise unknown_dependency(error) from None
        statuses = dict(await self._rows("statuses", {"ids": [id_ for id_, _ in waiting]}))
        return {id_: Enqueued(id_, statuses[id_], duplicate=False) for id_, _ in waiting}

    async def _duplicates(self, new: Sequence[NewJob]) -> dict[tuple[str | None, UUID | None], Enqueued]:
        if not new:
            return {}
        keys = {"keys": [job.idempotency_key for job in new], "tenants": [job.tenant_id for job in new]}
        found = {(row[4], row[5]): row for row in await self._rows("jobs_by_key", keys)}
        return {_key(job): _duplicate(job, found.get(_key(job))) for job in new}

    async def settle(
        self, settlements: Sequence[Settlement], worker_id: str, digest: str, *, put_off: str = ""
    ) -> set[UUID]:
        """Write outcomes under their leases; return the ids applied. The others' leases are superseded: lost.

        Callbacks of the jobs are called in the same transaction; `put_off` is why they are only written down as due.
        """
        shared = {"worker_id": worker_id, "digest": digest, "chain": worker_id}
        ended = [s.job.id for s in settlements if s.job.has_callback and s.status is not Status.PENDING]
        if not ended:
            return await self._settle_all(settlements, shared)
        shared["chain"] = calling_chain(worker_id)
        caller = Caller(self.connection)
        async with self.connection.transaction():
            applied = await self._settle_all(settlements, shared)
            await caller.call([id_ for id_ in ended if id_ in applied], put_off)
        await caller.done()
        return applied

    async def unlocked(self, ids: Sequence[UUID]) -> set[UUID]:
        """Return which of these jobs' rows nobody holds a lock on now."""
        return {row[0] for row in await self._rows("unlocked", {"ids": list(ids)})}

    async def _settle_all(self, settlements: Sequence[Settlement], shared: dict[str, Any]) -> set[UUID]:
        plain, others = by_plainness(settlements)
        applied = await self._settle("settle_completed", columns.of_completed(plain) | shared) if plain else set()
        if others:
            applied |= await self._settle("settle", columns.of_settled(others) | shared)
        return applied

    async def _settle(self, name: str, parameters: Mapping[str, Any]) -> set[UUID]:
        return {row[0] for row in await self._rows(name, parameters)}

    async def audit_heads(self, worker_id: str) -> list[tuple[str, int, str]]:
        """Return name, last link's number and its hash, in hex, of each of the worker's audit chains."""
        return await self._rows("audit_heads", {"chains": [worker_id, calling_chain(worker_id)]})

    async def cancel(self, ids: Sequence[UUID], reason: str, actor: str) -> list[Changed]:
        """Cancel pending jobs and ask running ones to stop, in one ledgered change."""
        rows = await self._rows("cancel", {"ids": list(ids), "reason": reason or None, "actor": actor})
        return [Changed(*row) for row in rows]

    async def retry(self, ids: Sequence[UUID], reason: str, actor: str) -> list[Changed]:
        """Make failed and cancelled jobs pending again, in one ledgered change."""
        rows = await self._rows("retry", {"ids": list(ids), "reason": reason or None, "actor": actor})
        return [Changed(*row) for row in rows]

    async def discard(self, ids: Sequence[UUID], reason: str, actor: str) -> list[Changed]:
        """Give failed jobs up: they are cancelled and keep their error, in one ledgered change."""
        rows = await self._rows("discard", {"ids": list(ids), "reason": reason or None, "actor": actor})
        return [Changed(*row) for row in rows]

    async def rescue(self, lost: str | None = None) -> list[tuple[UUID, str, str]]:
        """Take back up to 1000 jobs of lost workers, or of this one; return (id, new status, lost worker) of each."""
        name = "rescue" if lost is None else "rescue_of"
        rows = await self._rows(name, {"budget": CRASH_BUDGET, "lost": lost})
        return [(row[0], row[1], row[2]) for row in rows]

    async def give_back(self, worker_id: str, ids: Sequence[UUID] | None = None) -> int:
        """Return what this worker holds (all, or those ids) to the queue at no attempt's cost; return how many."""
        parameters = {"worker_id": worker_id, "ids": None if ids is None else list(ids)}
        return len(await self._rows("give_back", parameters))

    async def reserve_invocation(
        self, service: str, cost: float, invocations: int | None, most: float | None
    ) -> tuple[datetime | None, float]:
        """Reserve one invocation and its cost (USD) under hourly limits; return its minute, or None and a wait (s)."""
        limits = {"invocations": invocations, "most": most}
        minute, wait = (await self._rows("reserve_invocation", {"service": service, "cost": cost, **limits}))[0]
        return minute, wait

    async def settle_invocation(self, service: str, minute: datetime, reserved: float, actual: float) -> None:
        """Replace what was reserved by what it cost. Not to be asked twice."""
        entry = {"service": service, "minute": minute, "reserved": reserved, "actual": actual}
        await self._rows("settle_invocation", entry)

    async def open_jobs(self, scope: Scope, types: Mapping[str, str]) -> bool:
        """Whether any job in scope is due or waits for its retry, unless paused. `types`: of the worker's services."""
        return bool((await self._rows("open_jobs", {**scope.parameters(), "types": Jsonb(types)}))[0][0])


def _key(job: NewJob) -> tuple[str | None, UUID | None]:
    return job.idempotency_key, job.tenant_id


def _duplicate(job: NewJob, row: tuple[Any, ...] | None) -> Enqueued:
    same = row is not None and (row[2].lower(), row[3].lower()) == (job.service_name.lower(), job.operation.lower())
    if row is None or not same:
        raise Conflict(
            f"idempotency key {job.idempotency_key!r} already belongs to another operation; nothing was enqueued",
            hint="choose another --key, or look at the job that has it: specql-jobs list",
            code="E620",
            name="key-taken",
        )
    return Enqueued(row[0], row[1], duplicate=True)
