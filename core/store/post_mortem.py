"""What `report` tells of a time window: throughput, latency, failures, usage, events. Reads only, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import psycopg
from psycopg import IsolationLevel

from ..errors import UsageError
from ..selector import Selector
from .db import Connection, queries, translate
from .selection import places

Row = dict[str, Any]

#: A plot has at most so many steps; more would not be told apart on paper.
MOST_STEPS = 72
#: Lengths of a step, in seconds: those that people count in.
STEPS = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000)
MOST_FAILURES = 50  # groups that are listed
DRAWN_FAILURES = 5  # groups that are drawn one by one
MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Window:
    """The time that is looked at, by the database's clock; `step` in seconds. `before` begins the window before it."""

    before: datetime
    since: datetime
    until: datetime
    now: datetime
    step: int


@dataclass(frozen=True, slots=True)
class PostMortem:
    """All that a report says, as rows."""

    window: Window
    counts: Row
    throughput: list[Row]
    latency: list[Row]  # the first one, with `at` None, is of the whole window
    services: list[Row]
    failures: list[Row]
    failure_series: list[Row]
    usage: list[Row]
    events: list[Row]


async def post_mortem(connection: Connection, selector: Selector) -> PostMortem:
    """Return what happened to the selected jobs in the selector's window, which must have a beginning.

    Of the selector, service, operation, type and tenant count beside the window. Raises UsageError for an empty window.
    """
    await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    await connection.set_read_only(True)
    try:
        async with connection.transaction():
            return await _read(connection, selector)
    except psycopg.Error as error:
        raise translate(error) from None


async def _read(connection: Connection, selector: Selector) -> PostMortem:
    given = selector.parameters()
    window = _window((await _rows(connection, "window", given))[0])
    given |= {"since": window.since, "until": window.until, "before": window.before, "limit": MOST_EVENTS}
    given |= {"step": window.step, "origin": window.since}
    failures = await _rows(connection, "failures", given)
    return PostMortem(
        window=window,
        counts=(await _rows(connection, "counts", given))[0],
        throughput=await _rows(connection, "throughput", given),
        latency=await _rows(connection, "latency", given),
        services=await _rows(connection, "services", given),
        failures=failures,
        failure_series=await _rows(connection, "failure_series", given | {"fingerprints": _drawn(failures)}),
        usage=await _rows(connection, "usage", given),
        events=await _rows(connection, "events", given),
    )


def _window(row: Row) -> Window:
    if row["seconds"] <= 0:
        raise UsageError("the window is empty: --until is not after --since", hint="write --since 3h --until 1h")
    return Window(row["before"], row["since"], row["until"], row["database_now"], step_of(row["seconds"]))


def step_of(seconds: float) -> int:
    """Return the shortest usual step, in seconds, of which at most MOST_STEPS fill the window."""
    return next((step for step in STEPS if seconds / step <= MOST_STEPS), int(seconds / MOST_STEPS) + 1)


def _drawn(failures: Sequence[Row]) -> list[str]:
    return [row["fingerprint"] for row in failures[:DRAWN_FAILURES]]


@cache
def _query(name: str) -> str:
    named = queries("post_mortem.sql")
    return named[name].replace("{ended}", named["ended"]).replace("{chosen}", places())


async def _rows(connection: Connection, name: str, parameters: Row) -> list[Row]:
    async with connection.cursor() as cursor:
        await cursor.execute(_query(name), parameters)
        return await cursor.fetchall()
