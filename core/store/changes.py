"""Bulk changes: written down job by job before they are made, made in short batches, and listed afterwards.

What has been committed stays whoever dies: each batch is one statement, and its outcomes are written with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from ..errors import NotFound
from ..selector import Moment
from .db import Connection, queries, translate

Row = dict[str, Any]

#: Jobs of one batch: a bulk change holds no row lock for longer than such a statement takes (40 ms here).
BATCH = 1000

#: Rows that somebody holds are tried again in so many walks, and then left alone.
WALKS = 3
PAUSE = 0.5  # seconds between two walks

#: Past every position of a change.
END = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done, by whom and why.

    `rate`: jobs a second. `canary`: how many go first, of which `percent` must complete before the others go.
    """

    kind: str
    actor: str
    reason: str
    selector: Row
    plan: str
    rate: float | None = None
    canary: int | None = None
    percent: int | None = None


@dataclass(frozen=True, slots=True)
class Canaries:
    """How the jobs that went first stand: how many went, completed, and ended whichever way."""

    jobs: int
    completed: int
    ended: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Outcomes of a change's own jobs, and how many dependents were brought back on the way."""

    outcomes: dict[str, int]
    brought_back: int

    @property
    def left(self) -> int:
        """Return how many jobs are still to be met."""
        return self.outcomes.get("planned", 0)


async def second(connection: Connection) -> datetime:
    """Return the database's clock, cut to the second."""
    found: datetime = (await _rows(connection, "second", {}))[0]["second"]
    return found


async def open_change(connection: Connection, order: Order, ids: Sequence[UUID]) -> int:
    """Write down the change and its jobs in this order, all or nothing; return its id. Nothing is changed yet."""
    given = {
        "kind": order.kind,
        "actor": order.actor,
        "reason": order.reason or None,
        "selector": Jsonb(order.selector),
        "plan": order.plan,
        "matched": len(ids),
        "rate": order.rate,
        "canary": order.canary,
        "canary_percent": order.percent,
    }
    async with connection.transaction():
        entry = int((await _rows(connection, "open", given))[0]["id"])
        await _rows(connection, "record", {"change": entry, "ids": list(ids)})
    return entry


async def drive(connection: Connection, change: int, after: int = 0, until: int = END) -> AsyncIterator[int]:
    """Meet the members after one position and up to another, a batch for each step; yield how many each one met.

    Rows that somebody holds are passed over and tried again; those held to the end are given up as `locked`.
    """
    for _ in range(WALKS):
        reached, locked = after, 0
        while rows := await _rows(
            connection, "advance", {"change": change, "after": reached, "until": until, "most": BATCH}
        ):
            reached, locked = rows[0]["reached"], locked + rows[0]["locked"]
            yield rows[0]["jobs"]
        if not locked:
            return
        await asyncio.sleep(PAUSE)
    await _rows(connection, "give_up", {"change": change, "until": until})


async def watched(connection: Connection, change: int) -> None:
    """Say in the ledger that somebody waits for a change's first jobs."""
    await _rows(connection, "watched", {"change": change})


async def canaries(connection: Connection, change: int, canary: int) -> Canaries:
    """Return how the jobs that went first stand now."""
    return Canaries(**(await _rows(connection, "canaries", {"change": change, "canary": canary}))[0])


async def waiting(connection: Connection, change: int, canary: int) -> UUID | None:
    """Return the first of the jobs that went first that is pending."""
    rows = await _rows(connection, "waiting", {"change": change, "canary": canary})
    return rows[0]["id"] if rows else None


async def turn(connection: Connection, change: int, state: str) -> None:
    """Bring a change into another state: running, canary, stopped or done."""
    await _rows(connection, "turn", {"change": change, "state": state})


async def tally(connection: Connection, change: int) -> Tally:
    """Return what has become of a change's jobs so far."""
    rows = await _rows(connection, "tally", {"change": change})
    own = {row["outcome"]: row["jobs"] for row in rows if row["own"]}
    return Tally(own, sum(row["jobs"] for row in rows if not row["own"]))


async def members(connection: Connection, change: int, limit: int | None) -> list[Row]:
    """Return id and outcome of a change's jobs, in the order in which they are met."""
    return await _rows(connection, "members", {"change": change, "limit": limit})


async def requested(connection: Connection, change: int) -> list[UUID]:
    """Return the running jobs that a cancellation has asked to stop."""
    return [row["id"] for row in await _rows(connection, "requested", {"change": change})]


async def discarded(connection: Connection, ids: Sequence[UUID]) -> int:
    """Return how many of these cancelled jobs somebody had given up by `discard`."""
    return int((await _rows(connection, "discarded", {"ids": list(ids)}))[0]["jobs"])


async def statuses(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the status of each of these jobs that there is."""
    return {row["id"]: row["status"] for row in await _rows(connection, "statuses", {"ids": list(ids)})}


async def standing(connection: Connection, change: int) -> dict[str, int]:
    """Return how many of the jobs that a change has met are in which state now."""
    return {row["status"]: row["jobs"] for row in await _rows(connection, "standing", {"change": change})}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries of the ledger; None asks nothing."""

    kind: str | None = None
    actor: str | None = None
    since: Moment | None = None
    open: bool = False

    def parameters(self) -> Row:
        """Return the statements' parameters."""
        since = self.since or Moment()
        asked = {"kind": self.kind, "actor": self.actor, "open": self.open}
        return asked | {"since_at": since.at, "since_ago": since.ago_seconds}


async def entries(connection: Connection, wanted: Wanted, limit: int | None) -> tuple[list[Row], int]:
    """Return the newest entries and the number of all."""
    given = wanted.parameters()
    rows = await _rows(connection, "entries", given | {"id": None, "limit": limit})
    if limit is None or len(rows) < limit:
        return rows, len(rows)
    return rows, int((await _rows(connection, "how_many", given))[0]["total"])


async def entry(connection: Connection, change: int) -> Row | None:
    """Return one entry, or None where there is none."""
    rows = await _rows(connection, "entries", Wanted().parameters() | {"id": change, "limit": 1})
    return rows[0] if rows else None


async def known_entry(connection: Connection, change: int) -> Row:
    """Return one entry; raise NotFound where there is none."""
    found = await entry(connection, change)
    if found is None:
        raise NotFound(
            f"the ledger has no change {change}", hint="specql-jobs changes list", code="E340", name="change-unknown"
        )
    return found


async def _rows(connection: Connection, name: str, given: Row) -> list[Row]:
    try:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(queries("changes.sql")[name].encode(), given)
            return await cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        raise translate(error) from None
