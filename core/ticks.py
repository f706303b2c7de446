"""Which ticks of a schedule are due, and what the job of a tick is called. Pure: time comes in as an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from .cron import Cron

#: A tick that is later than this was missed: no worker was alive, or none could reach the database.
LATE: Final = timedelta(seconds=60)

#: Keys that begin so are the ticks': a job that has the key of a coming tick would take its place.
RESERVED: Final = "schedule:"

_KEY: Final = re.compile(rf"{RESERVED}([^:]+):([^:]+):(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")


def due_ticks(cron: Cron, after: datetime, now: datetime, *, run_missed: bool) -> tuple[datetime, ...]:
    """Return the ticks after `after` that are to be run at `now`, oldest first.

    What is at most LATE behind runs, each tick of it. After a longer gap one tick at most does: the latest, if missed
    ones are to be run or if that one is not late itself.
    """
    first = cron.after(after)
    if first is None or first > now:
        return ()
    if now - first <= LATE:
        return tuple(cron.ticks(after, now))
    latest = cron.latest(now)
    if latest is None or latest <= after or (now - latest > LATE and not run_missed):
        return ()
    return (latest,)


def next_ticks(cron: Cron, after: datetime, count: int) -> tuple[datetime, ...]:
    """Return the next ticks after a moment: `count` of them, fewer when there are fewer."""
    found: list[datetime] = []
    while len(found) < count and (tick := cron.after(found[-1] if found else after)):
        found.append(tick)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ticked:
    """Which tick of which schedule made a job."""

    schedule: str
    tick: datetime


def tick_key(operation: str, name: str, tick: datetime) -> str:
    """Return the idempotency key of a tick's job; `operation` is SERVICE.OPERATION."""
    return f"{RESERVED}{operation}:{name}:{tick.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def read_tick_key(key: str | None) -> Ticked | None:
    """Return what an idempotency key says of the tick that made its job; None for any other key."""
    found = _KEY.fullmatch(key or "")
    try:
        return Ticked(found[2], datetime.fromisoformat(found[3])) if found else None
    except ValueError:  # it only looks like a time
        return None
