"""Schedules for people and as data: where each stands, and when it fires next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .console import Console
from .job_json import timestamp
from .job_why import pause_words
from .listed import Table, answer_list, clock_of
from .text import one_line

if TYPE_CHECKING:
    from ...core.registry.model import Schedule
    from ...core.store.timetable import Standing

_HEADERS = ("SCHEDULE", "CRON", "TIMEZONE", "STATE", "NEXT", "LAST", "LAST JOB", "STATUS", "PAUSED")
_SPARE = ("LAST JOB", "TIMEZONE", "LAST", "STATUS")
#: Ticks that `services show` names of each schedule.
TICKS_SHOWN = 3


def show_list(console: Console, found: Sequence[Standing]) -> None:
    """Answer with all schedules; with -q with their names."""
    if not found and console.format == "text":
        console.say("there are no schedules, in the registry or in the database")
    answer_list(
        console, "schedules", [_json(each) for each in found], Table(_HEADERS, _rows(found, clock_of(console)), _SPARE)
    )


def _json(each: Standing) -> dict[str, Any]:
    at = each.schedule.position if each.schedule else None
    return {
        "name": _name(each),
        "service": each.service,
        "operation": each.operation,
        "schedule": each.name,
        "state": str(each.state),
        "enabled": each.schedule.enabled if each.schedule else None,
        "cron": each.cron or None,
        "timezone": each.timezone or None,
        "next_tick": timestamp(each.next_tick),
        "last_tick": timestamp(each.last_tick),
        "last_skipped": timestamp(each.last_skipped),
        "last_job": {"id": str(each.last_job), "status": each.last_status} if each.last_job else None,
        "paused": pause_words(dict(each.pause)) if each.pause else None,
        "path": at.path if at else None,
        "line": at.line if at else None,
    }


def _name(each: Standing) -> str:
    return f"{each.service}.{each.operation}:{each.name}"


def _rows(found: Sequence[Standing], when: Callable[[datetime | None], str | None]) -> list[list[str]]:
    return [
        [
            one_line(str(cell)) if cell else "-"
            for cell in (
                _name(each),
                each.cron,
                each.timezone,
                each.state,
                when(each.next_tick),
                when(each.last_tick),
                each.last_job,
                each.last_status,
                pause_words(dict(each.pause)) if each.pause else "",
            )
        ]
        for each in found
    ]


# ---- of one operation, from the registry alone -----------------------------------------------------------------------


def coming(schedule: Schedule) -> tuple[datetime, ...]:
    """Return the next ticks by this host's clock, in the schedule's zone; none of a schedule that is disabled."""
    from ...core.clock import now  # noqa: PLC0415 - as below
    from ...core.cron import Cron  # noqa: PLC0415 - only services with schedules pay for it
    from ...core.ticks import next_ticks  # noqa: PLC0415 - as above

    cron = Cron(schedule.cron, schedule.timezone)
    found = next_ticks(cron, now(), TICKS_SHOWN) if schedule.enabled else ()
    return tuple(tick.astimezone(cron.zone) for tick in found)


def as_json(schedule: Schedule) -> dict[str, Any]:
    """Return one schedule of an operation; its ticks in UTC."""
    at = schedule.position
    return {
        "name": schedule.name,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "enabled": schedule.enabled,
        "overlap": "skip" if schedule.skip_overlap else "allow",
        "on_missed": str(schedule.on_missed),
        "next_ticks": [timestamp(tick) for tick in coming(schedule)],
        "path": at.path if at else None,
        "line": at.line if at else None,
    }


def words(schedule: Schedule) -> str:
    """Return a schedule and its next ticks on one line."""
    ticks = ", ".join(tick.isoformat(" ", "seconds") for tick in coming(schedule))
    when = f"next {ticks}" if ticks else "never again" if schedule.enabled else "disabled"
    return one_line(f"{schedule.cron} {schedule.timezone}; {when}")
