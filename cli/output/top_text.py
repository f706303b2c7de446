"""The tables of `top`: services, groups of errors, jobs. Each row with the line that can be chosen. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..top_screen import Line, Order, Pane, Screen
from . import job_text
from .text import age, duration, one_line

if TYPE_CHECKING:
    from ...core.store.overview import Overview

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for people, with the line that each stands for, and the columns that go first where it is narrow."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[Line, ...]
    spare: tuple[str, ...] = ()


HELP = (
    "up, down, j, k   choose a line",
    "enter            the newest jobs of the line; on a job: the command that shows it",
    "/                filter by text, enter keeps it, escape drops it",
    "s                sort services by name, ready, running, failed, done",
    "e                groups of errors, and back",
    "p                pause the service for 30m, or resume it",
    "r                retry what failed in the last hour: of the line's service, group or job",
    "x                cancel what is pending or running of it",
    "escape           back",
    "q, Ctrl-C        leave; the commands that were run are printed once more",
    "",
    "READY waits for a worker, LATER for its time or a retry. FAILED: in the last hour. DONE, BAD, P50 and P95: of",
    "the attempts that ended in the last minute. Jobs that wait for other jobs are not counted.",
)


def table(screen: Screen, seen: Overview, jobs: Sequence[Row]) -> Table:
    """Return the table of the screen's pane, filtered and sorted."""
    match screen.pane:
        case Pane.SERVICES:
            return _filtered(_services(_sorted(seen.services, screen.order)), screen.filter)
        case Pane.ERRORS:
            return _filtered(_errors(seen.errors), screen.filter)
        case Pane.JOBS:
            return _filtered(_jobs(jobs), screen.filter)
        case _:
            return Table((), (), ())


def _filtered(whole: Table, words: str) -> Table:
    kept = [at for at, row in enumerate(whole.rows) if words.lower() in " ".join(row).lower()]
    rows = tuple(whole.rows[at] for at in kept)
    return Table(whole.headers, rows, tuple(whole.lines[at] for at in kept), whole.spare)


_BY: dict[Order, Callable[[Row], Any]] = {
    Order.NAME: lambda _row: 0,
    Order.READY: lambda row: -row["ready"],
    Order.RUNNING: lambda row: -row["running"],
    Order.FAILED: lambda row: -row["failed"],
    Order.DONE: lambda row: -row["done"],
}


def _sorted(services: Sequence[Row], order: Order) -> list[Row]:
    return sorted(services, key=lambda row: (_BY[order](row), row["service"]))


_SERVICES = ("SERVICE", "READY", "LATER", "RUN", "FAILED", "DONE", "BAD", "P50", "P95", "OLDEST", "WORKERS", "STATE")
_SPARE = ("P50", "BAD", "LATER", "P95", "OLDEST", "WORKERS", "DONE")


def _services(rows: Sequence[Row]) -> Table:
    found = tuple(_service(row) for row in rows)
    lines = tuple(Line(("--service", row["service"]), row["service"], row["pause"] is not None) for row in rows)
    return Table(_SERVICES, found, lines, _SPARE)


def _service(row: Row) -> tuple[str, ...]:
    counts = (str(row[key] or "·") for key in ("ready", "later", "running", "failed", "done"))
    bad = f"{100 * row['unsuccessful'] / row['done']:.0f}%" if row["done"] else "·"
    times = (duration(row[key] / 1000) if row[key] is not None else "·" for key in ("p50_ms", "p95_ms"))
    oldest = age(row["oldest_seconds"]) if row["oldest_seconds"] is not None else "·"
    return (one_line(row["service"]), *counts, bad, *times, oldest, str(row["workers"]), _state(row))


def _state(row: Row) -> str:
    if row["pause"]:
        return _pause(row["pause"])
    if row["breaker_seconds"] is not None:
        return "BREAKER OPEN" if row["breaker_seconds"] > 0 else "BREAKER half open"
    if not row["workers"] and row["ready"]:
        return "NO WORKER"
    return "ok"


def _pause(pause: Row) -> str:
    until = f" until {datetime.fromisoformat(pause['until']).astimezone():%H:%M}" if pause["until"] else ""
    reason = f": {pause['reason']}" if pause["reason"] else ""
    return one_line(f"PAUSED{until} ({pause['actor']}{reason})")


def _errors(rows: Sequence[Row]) -> Table:
    headers = ("GROUP", "FAILED", "LAST", "WHERE", "WHAT")
    found = tuple(_error(row) for row in rows)
    return Table(headers, found, tuple(Line(tuple(_meaning(row))) for row in rows), ("GROUP", "LAST"))


def _error(row: Row) -> tuple[str, ...]:
    place = one_line(f"{row['service']}.{row['operation']}")
    group = one_line(row["fingerprint"])[:12] or "·"
    return (group, str(row["failed"]), age(row["last_seconds"] or 0), place, job_text.error_text(row))


def _meaning(row: Row) -> Iterator[str]:
    if row["fingerprint"]:
        yield from ("--fingerprint", row["fingerprint"])
    yield from ("--operation", f"{row['service']}.{row['operation']}")


def _jobs(rows: Sequence[Row]) -> Table:
    found = tuple(tuple(job_text.table_row(row)) for row in rows)
    return Table(job_text.HEADERS, found, tuple(Line((str(row["id"]),)) for row in rows), job_text.SPARE)
