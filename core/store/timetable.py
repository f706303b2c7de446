"""Where each schedule stands: what the registry says of it, what the database knows of its ticks, and who pauses it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from ..cron import BadCron, Cron, UnknownZone
from ..registry.model import Registry, Schedule
from ..ticks import read_tick_key
from .db import Connection
from .schedules import Entry, Place, clock, entries_of, known, paused


class State(StrEnum):
    """Whether workers make jobs of a schedule, as far as the database knows."""

    ACTIVE = "active"  # they do, as this registry says
    DISABLED = "disabled"  # this registry says enabled: false
    NOT_LOADED = "not_loaded"  # no worker has loaded it yet, or the last one that looked has a registry without it
    DIFFERS = "differs"  # the worker that decides has another version of it
    ELSEWHERE = "elsewhere"  # this registry does not have it; a worker loaded it from another one
    REMOVED = "removed"  # no registry has it any more


@dataclass(frozen=True, slots=True)
class Standing:
    """One schedule of the registry, of the database, or of both. Ticks are in UTC."""

    service: str
    operation: str
    name: str
    state: State
    schedule: Schedule | None  # None: this registry does not have it
    cron: str  # empty where it was removed
    timezone: str
    next_tick: datetime | None
    last_tick: datetime | None
    last_skipped: datetime | None
    last_job: UUID | None
    last_status: str | None  # None where the job is gone
    pause: Mapping[str, Any] | None


async def timetable(connection: Connection, registry: Registry) -> list[Standing]:
    """Return all schedules: the registry's in its order, then those that only the database has. Raise in our words."""
    entries = {each.place: each for each in entries_of(registry.services.values())}
    rows, now = await known(connection), await clock(connection)
    pauses = await paused(connection, [*entries.values()])
    mine = [_ours(each, rows.get(place, {}), now, pauses.get(place)) for place, each in entries.items()]
    return mine + [_others(place, row, now) for place, row in rows.items() if place not in entries]


def _ours(entry: Entry, row: Mapping[str, Any], now: datetime, pause: Mapping[str, Any] | None) -> Standing:
    schedule = entry.schedule
    upcoming = Cron(schedule.cron, schedule.timezone).after(now) if schedule.enabled else None
    return Standing(
        service=entry.service,
        operation=entry.operation,
        name=schedule.name,
        state=_state(entry, row),
        schedule=schedule,
        cron=schedule.cron,
        timezone=schedule.timezone,
        next_tick=upcoming,
        pause=pause,
        **_done(row),
    )


def _state(entry: Entry, row: Mapping[str, Any]) -> State:
    if not entry.schedule.enabled:
        return State.DISABLED
    if not row.get("digest"):
        return State.NOT_LOADED
    return State.ACTIVE if row["digest"] == entry.digest else State.DIFFERS


def _others(place: Place, row: Mapping[str, Any], now: datetime) -> Standing:
    service, operation, name = place
    cron, _, timezone = row["expression"].rpartition(" ")
    state = State.ELSEWHERE if row["digest"] else State.REMOVED
    upcoming = _next(cron, timezone, now) if row["digest"] else None
    return Standing(service, operation, name, state, None, cron, timezone, upcoming, pause=None, **_done(row))


def _next(cron: str, timezone: str, now: datetime) -> datetime | None:
    """None also where this host cannot read what another one could, as of a zone that it does not know."""
    try:
        return Cron(cron, timezone).after(now)
    except (BadCron, UnknownZone):
        return None


def _done(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "last_tick": _last_tick(row),
        "last_skipped": row.get("last_skipped"),
        "last_job": row.get("last_job_id"),
        "last_status": row.get("last_status"),
    }


def _last_tick(row: Mapping[str, Any]) -> datetime | None:
    """The last tick that was done: the column also holds the moment from which a schedule counts, which is none."""
    made = read_tick_key(row.get("last_key"))
    found = [each for each in (row.get("last_skipped"), made.tick if made else None) if each]
    at: datetime | None = row.get("last_tick")
    # Ticks are whole seconds; a clock that was read has microseconds. This finds the tick of a job that is gone.
    if at and not at.microsecond and row["last_job_id"]:
        found.append(at)
    return max(found, default=None)
