"""Workers as people look after them: listed, asked to drain, and their jobs taken back by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import psycopg

from .db import Connection, translate
from .statements import Questions, Row
from .store import Store

#: Whose jobs the compatibility functions started: it has no row and proves nothing.
EXTERNAL = "external"

#: No worker's name: a person is nobody whose own row has to be spared.
NOBODY = ""

_rows = Questions("workers.sql").rows


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database knows of one worker. `state`: that of its row, or `unknown` without one."""

    state: str
    heartbeat_age_seconds: float | None
    held: int

    @property
    def exists(self) -> bool:
        """Whether there is such a worker, or was."""
        return self.state != "unknown" or self.held > 0

    def is_alive(self, worker_id: str) -> bool:
        """Whether nothing proves that it has ended. Of `external` nothing ever does."""
        return self.state in ("running", "draining") or worker_id == EXTERNAL


@dataclass(frozen=True, slots=True)
class Rescued:
    """One job that was taken back: what it is now, and whose it was."""

    id: UUID
    status: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class Rescue:
    """Who was declared lost, and the jobs that were taken back."""

    lost: tuple[str, ...]
    jobs: tuple[Rescued, ...]


async def list_workers(connection: Connection, *, every: bool = False) -> list[Row]:
    """Return the workers, those that live first; those that ended over an hour ago only with `every`."""
    return await _rows(connection, "list_workers", {"all": every})


async def standing(connection: Connection, worker_id: str) -> Standing:
    """Return what is known of one worker."""
    return Standing(**(await _rows(connection, "known", {"worker_id": worker_id}))[0])


async def drain(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Ask workers to finish what they run and end; return each known one's outcome."""
    rows = await _rows(connection, "drain", {"ids": list(ids)})
    return {row["worker_id"]: row["outcome"] for row in rows}


async def preview(connection: Connection, worker_id: str | None) -> Rescue:
    """Return what `rescue` would do: the same statements, rolled back."""
    async with connection.transaction(force_rollback=True):
        return await _rescue(connection, worker_id)


async def rescue(connection: Connection, worker_id: str | None, actor: str, reason: str) -> Rescue:
    """Take back the jobs of every lost worker, or of this one whatever the rules say of it, in one ledgered change."""
    async with connection.transaction():
        done = await _rescue(connection, worker_id)
        if done.jobs:
            await _note(connection, done, actor, reason)
    return done


async def lost_by_the_rules(connection: Connection) -> list[str]:
    """Declare lost whom the rules say is, as any worker does each second; return their ids."""
    try:
        return await Store(connection).lose_workers(NOBODY)
    except psycopg.Error as error:
        raise translate(error) from None


async def _rescue(connection: Connection, worker_id: str | None) -> Rescue:
    lost = await lost_by_the_rules(connection)
    if worker_id is not None and worker_id not in lost:
        lost = [row["worker_id"] for row in await _rows(connection, "lose", {"worker_id": worker_id})]
    jobs: list[Rescued] = []
    try:
        while found := await Store(connection).rescue(worker_id):
            jobs += [Rescued(*row) for row in found]
    except psycopg.Error as error:
        raise translate(error) from None
    return Rescue(tuple(lost), tuple(jobs))


async def _note(connection: Connection, done: Rescue, actor: str, reason: str) -> None:
    (entry,) = await _rows(connection, "open_ledger", {"actor": actor, "reason": reason or None})
    outcomes = {"ids": [job.id for job in done.jobs], "outcomes": [f"rescued_{job.status}" for job in done.jobs]}
    await _rows(connection, "note", {"entry": entry["id"], **outcomes})
