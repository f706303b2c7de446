"""Pauses in force, for people and programs: what, until when, by whom, what waits behind them, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .job_json import timestamp
from .job_why import resuming
from .listed import Table
from .text import age, amount, one_line

if TYPE_CHECKING:
    from ...core.store.waits import PauseInForce

HEADERS = ("PAUSED", "UNTIL", "LEFT", "WAITING", "BY", "SINCE", "REASON", "TO END IT")
#: What a narrow terminal does without, the first first.
SPARE = ("SINCE", "UNTIL", "BY", "REASON")


def scope_words(pause: PauseInForce) -> str:
    """Say what is paused."""
    return "everything" if pause.kind == "all" else one_line(f"{pause.kind} {pause.name}")


def left_seconds(pause: PauseInForce) -> float | None:
    """Return how long it still lasts by itself; None for as long as nobody resumes it."""
    return (pause.until - pause.database_now).total_seconds() if pause.until else None


def pause_json(pause: PauseInForce) -> dict[str, Any]:
    """Return one element of `pause list`."""
    left = left_seconds(pause)
    return {
        "kind": pause.kind,
        "name": pause.name,
        "until": timestamp(pause.until),
        "left_ms": None if left is None else round(left * 1000),
        "actor": pause.actor,
        "reason": pause.reason,
        "paused_at": timestamp(pause.paused_at),
        "pending": pause.pending,
        "counted": pause.counted,
        "resume": resuming(asdict(pause)),
    }


def pause_table(found: Sequence[PauseInForce], when: Callable[[datetime | None], str | None]) -> Table:
    """Return the pauses as lines of a table, its times as `when` writes them."""
    return Table(HEADERS, [_row(each, when(each.until)) for each in found], SPARE)


def _row(pause: PauseInForce, until: str | None) -> list[str]:
    left = left_seconds(pause)
    return [
        scope_words(pause),
        until or "somebody resumes it",
        "-" if left is None else age(left),
        f"{pause.pending:,}{'' if pause.counted else '+'}",
        one_line(pause.actor),
        age((pause.database_now - pause.paused_at).total_seconds()),
        one_line(pause.reason or "-"),
        resuming(asdict(pause)),
    ]


def pauses_line(found: Sequence[PauseInForce]) -> str:
    """Return all of them on one line: `2 pauses: service pay (12m left, 40 jobs wait), everything (…)`."""
    return f"{amount(len(found), 'pause')}: {', '.join(map(_brief, found))}"


def _brief(pause: PauseInForce) -> str:
    left = left_seconds(pause)
    lasts = "no end" if left is None else f"{age(left)} left"
    waiting = amount(pause.pending, "job") + ("" if pause.counted else " or more")
    return f"{scope_words(pause)} ({lasts}, {waiting} behind it)"
