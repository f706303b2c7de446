"""Why pending jobs wait, in numbers: reason by reason, and behind each pause. Bounded at any size of queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from .db import Connection
from .statements import Questions
from .store import Scope

#: So many pending jobs are looked at, and as many blocked ones: 0.2 s warm; whoever asks is told that there are more.
MOST_WAITING: Final = 200_000
#: So many where the question is only whether anybody is missed: 0.1 s, also beside other questions.
MOST_ATTENDED: Final = 50_000

_ask = Questions("waits.sql", spliced="lanes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason and how many jobs it keeps waiting. `code`: as `show` says why, or not_served of another's jobs."""

    code: str
    jobs: int
    pause: dict[str, Any] | None = None  # its row, where `code` is paused
    service: str | None = None  # where the reason is a service's: breaker_open, limited, no_worker
    next_seconds: float | None = None  # until the first of them is due; less than 0: since


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseInForce:
    """One pause, and what waits behind it. `counted` False: at least so many jobs."""

    kind: str
    name: str
    until: datetime | None
    actor: str
    reason: str | None
    paused_at: datetime
    database_now: datetime
    pending: int
    counted: bool


@dataclass(frozen=True, slots=True)
class Attendance:
    """How many workers live, how many are silent for over 15 s; whether jobs run, or are due and not paused."""

    alive: int
    silent: int
    open: bool


async def attendance(connection: Connection, most: int = MOST_ATTENDED) -> Attendance:
    """Return whether anybody is there for the jobs."""
    return Attendance(**(await _ask.rows(connection, "attendance", {"most": most}))[0])


async def reasons(connection: Connection, scope: Scope, most: int = MOST_WAITING) -> list[Reason]:
    """Return why the pending jobs wait, the reason of most of them first; jobs out of scope are `not_served`."""
    rows = await _ask.rows(connection, "reasons", scope.parameters() | {"most": most})
    return [Reason(**row) for row in rows]


async def pauses(connection: Connection, most: int = MOST_WAITING) -> list[PauseInForce]:
    """Return the pauses in force with what waits behind each, the oldest first."""
    rows = await _ask.rows(connection, "behind", {"most": most})
    return [PauseInForce(counted=row.pop("looked_at") < most, **row) for row in rows]
