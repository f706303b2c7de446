"""Ended jobs deleted in short batches: a walk along the primary key that never scans the table and may stop anywhere.

Ids are UUIDv7: they rise with the time at which a job was made, and no job ends before it is made. So the walk goes
from the oldest id to the youngest that could have ended early enough, and needs no index beside the primary key. Ids
that carry no time (version 4, of a table that was adopted) lie below and above those, and both ends are walked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from ..retention import PRUNABLE, Retention
from .db import Connection, translate
from .statements import Questions, Row

#: Rows looked at by one statement: some tens of milliseconds.
BATCH = 5000

#: How far the clock of whoever made an id may differ from the database's.
CLOCKS_DIFFER = timedelta(days=1)

#: The session lock of the one worker that prunes; the first number is that of the migrations' lock.
TURN = {"key": 1936745324, "turn": 3}

_FIRST, _LAST = UUID(int=0), UUID(int=(1 << 128) - 1)

_ask = Questions("prune.sql", spliced="ended")
_rows = _ask.rows


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of the walk did: rows looked at, jobs deleted by status, jobs that a foreign key keeps."""

    looked_at: int
    deleted: Counter[str]
    referenced: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """How many jobs of a status would go, and when the oldest of them ended."""

    status: str
    jobs: int
    oldest: datetime | None


async def preview(connection: Connection, retention: Retention) -> list[Preview]:
    """Return what would be deleted, in the order of the statuses. Reads the whole table once."""
    given = await _given(connection, retention)
    found = {row["status"]: row for row in await _rows(connection, "preview", given)}
    nothing: Row = {"jobs": 0, "oldest": None}
    return [
        Preview(status, row["jobs"], row["oldest"])
        for status in PRUNABLE
        if retention.seconds()[status] is not None
        for row in (found.get(status, nothing),)
    ]


async def walk(connection: Connection, retention: Retention, batch: int = BATCH) -> AsyncIterator[Batch]:
    """Delete what the retention lets go, a batch for each step; stopped between steps, all steps before it hold.

    Pending and running jobs stay, and so do parents of either, rows that somebody has locked, and rows that a foreign
    key of somebody's own refers to. Commits do not wait for the disk: what a crash brings back goes with the next walk.
    """
    given = await _given(connection, retention) | {"batch": batch}
    for after, until in _ranges(given):
        last: UUID | None = after
        while last is not None:
            last, done = await _step(connection, given | {"after": last, "until": until})
            yield done
    await _rows(connection, "forget_changes", given)


async def open_ledger(connection: Connection, actor: str, reason: str, retention: Retention) -> int:
    """Write down who prunes, why and by which retention; return the entry's id."""
    details = Jsonb({"retention_seconds": retention.seconds(), "deleted": {}})
    given = {"actor": actor, "reason": reason or None, "details": details}
    return int((await _rows(connection, "open_ledger", given))[0]["id"])


async def note(connection: Connection, entry: int, deleted: Counter[str]) -> None:
    """Write down how many jobs the run has deleted so far."""
    await _rows(connection, "note", {"entry": entry, "details": Jsonb({"deleted": dict(deleted)})})


async def take_turn(connection: Connection) -> bool:
    """Whether this session is the one that prunes; it stays so until its connection ends."""
    return bool((await _rows(connection, "turn", TURN))[0]["mine"])


async def _given(connection: Connection, retention: Retention) -> Row:
    """The statements' shared parameters: the cut-off of each status, and the parents that stay."""
    cutoffs = (await _rows(connection, "cutoffs", retention.seconds()))[0]
    kept = await _rows(connection, "needed_parents", cutoffs)
    return cutoffs | {"kept": [row["id"] for row in kept]}


def _ranges(given: Row) -> list[tuple[UUID, UUID]]:
    """The parts of the primary key in which jobs may be that have ended early enough."""
    youngest = max(given[status] for status in PRUNABLE if given[status] is not None)
    return [(_FIRST, _id_at(youngest + CLOCKS_DIFFER)), (_id_at(given["now"] + CLOCKS_DIFFER), _LAST)]


def _id_at(moment: datetime) -> UUID:
    """The least UUIDv7 of a moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


async def _step(connection: Connection, given: Row) -> tuple[UUID | None, Batch]:
    """Look at one page and delete from it; return where the next begins, None at the end of the range."""
    page = (await _rows(connection, "page", given))[0]
    done = await _delete(connection, given, page["ids"]) if page["ids"] else Batch(0, Counter())
    more = page["last"] if page["looked_at"] == given["batch"] else None
    return more, Batch(page["looked_at"], done.deleted, done.referenced)


async def _delete(connection: Connection, given: Row, ids: Sequence[UUID]) -> Batch:
    """Delete these rows; where a foreign key that is not ours refers to one of them, all the others."""
    try:
        async with connection.transaction():
            await connection.execute(
                "SET LOCAL synchronous_commit = off"
            )  # LOCAL: a pooler lends the session to others
            rows = await _ask.fetch(connection, "delete", given | {"ids": ids})
    except psycopg.errors.ForeignKeyViolation:
        if len(ids) == 1:
            return Batch(0, Counter(), 1)
        middle = len(ids) // 2
        halves = [await _delete(connection, given, half) for half in (ids[:middle], ids[middle:])]
        return Batch(0, halves[0].deleted + halves[1].deleted, halves[0].referenced + halves[1].referenced)
    except psycopg.Error as error:
        raise translate(error) from None
    return Batch(0, Counter({row["status"]: row["jobs"] for row in rows}))
