"""When a cron expression fires: five fields (or six, seconds first) in a time zone. Pure: moments in, moments out.

A fixed time of day that a clock change skips fires when the clocks have moved, and one that comes twice fires once, as
Debian's cron does; what repeats by the hour or minute goes by elapsed time.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Final

#: What crontab(5) has besides fields; @reboot is none of ours.
NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
#: A later tick than this is beyond what a person plans; the rarest that there are come every 40 years.
_FAR: Final = timedelta(days=50 * 366)
#: How far back the latest tick is looked for, step by step: few ticks of a frequent one, the last of a rare one.
_BACK: Final = (*(timedelta(hours=h) for h in (1 / 60, 1, 6, 24, 96, 744, 8784, 8 * 8784)), _FAR)
#: Zones that are another thing on each host, or count leap seconds.
_NO_ZONES: Final = ("localtime", "posixrules", "Factory", "posix/", "right/")


class BadCron(ValueError):
    """The text is no cron expression; the message says which field is wrong."""


class NeverFires(BadCron):
    """The expression can be read, and no day fits it."""


class UnknownZone(ValueError):
    """This host knows no such time zone."""


@dataclass(frozen=True, slots=True)
class Cron:
    """One expression in one time zone; raises BadCron, NeverFires or UnknownZone when it is made."""

    expression: str
    timezone: str = "UTC"
    fields: str = field(init=False)
    zone: tzinfo = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", read_fields(self.expression))
        object.__setattr__(self, "zone", zone(self.timezone))

    def after(self, moment: datetime) -> datetime | None:
        """Return the first tick after an aware moment, in UTC; None when there is none within 50 years."""
        return next(self.ticks(moment, moment + _FAR), None)

    def ticks(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the ticks after one moment up to and including another, in UTC, each once."""
        last = after
        for local in _matches(self.fields, after.astimezone(self.zone)):
            tick = local.astimezone(UTC)
            if tick > until:
                return
            if tick > last:  # a clock change can name one moment twice, or one that is over
                yield tick
                last = tick

    def latest(self, moment: datetime) -> datetime | None:
        """Return the last tick at or before a moment, in UTC; None when there is none within 50 years."""
        for span in _BACK:
            found = None
            for found in self.ticks(moment - span, moment):  # noqa: B007 - the last one is wanted
                pass
            if found is not None:
                return found
        return None

    @property
    def by_the_day(self) -> bool:
        """Whether it names times of day, which a clock change can skip or repeat."""
        *_, minute, hour, _, _, _ = self.fields.split()
        return not (minute.startswith("*") or hour.startswith("*"))


def read_fields(expression: str) -> str:
    """Return the five or six fields that an expression stands for; raise BadCron or NeverFires."""
    text = " ".join(expression.split())
    if text.startswith("@"):
        if text.lower() not in NICKNAMES:
            raise BadCron(f"there is no {text[:40]}; known are {', '.join(NICKNAMES)}")
        return NICKNAMES[text.lower()]
    parts = text.split(" ")
    if "=" in parts[0]:
        raise BadCron("it begins with a variable; a time zone has a key of its own: timezone")
    if len(parts) not in (5, 6):
        raise BadCron(f"it has {len(parts)} fields; wanted: minute hour day-of-month month day-of-week")
    plain = parts[1:] if len(parts) == 6 and parts[0] == "0" else parts  # second 0 is what five fields mean
    _require_days(" ".join(plain))
    return " ".join(plain)


def _require_days(fields: str) -> None:
    try:
        first = next(_matches(fields, datetime(2024, 1, 1)), None)  # noqa: DTZ001 - days alone, in no zone
    except BadCron as error:
        *times, month, weekday = fields.split()
        if month == "*" or not str(error).startswith("the day-of-month"):
            raise
        next(_matches(" ".join((*times, "*", weekday)), datetime(2024, 1, 1)), None)  # noqa: DTZ001 - as above
        first = None  # right with any month: these have no such day
    if first is None:
        raise NeverFires("no year has such a day")


def _matches(fields: str, start: datetime) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only registries with schedules pay for it

    try:
        return iter(CronSim(fields, start))
    except CronSimError as error:
        raise BadCron(_words(str(error), fields)) from None


def _words(said: str, fields: str) -> str:
    """Which field is wrong, with what stands in it."""
    name = said.removeprefix("Bad ")
    names = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
    parts = fields.split()
    place = names.index(name) - (6 - len(parts)) if name in names else -1
    return f"the {name} {parts[place][:40]!r} is not one" if 0 <= place < len(parts) else said.lower()


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo:
    """Return a time zone of the IANA database; raise UnknownZone, with the nearest name."""
    if name == "UTC":  # known everywhere, even where no database is installed
        return UTC
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - 6 ms that only zones other than UTC pay

    try:
        if not name.startswith(_NO_ZONES):
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        pass
    known = {each for each in available_timezones() if not each.startswith(_NO_ZONES)}
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    hint = f"; did you mean {near[0]}?" if near else "" if known else "; this host has no time zones: install tzdata"
    raise UnknownZone(f"there is no time zone {name[:60]!r}{hint}")


# ---- clock changes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A wall-clock time that does not exist on one day, or that comes twice."""

    at: datetime  # the wall clock's, without a zone
    skipped: bool  # else it comes twice

    def sentence(self, cron: Cron) -> str:
        """Say what that means for an expression: only six fields are left to what the clock shows."""
        day, time = f"{self.at:%Y-%m-%d}", f"{self.at:%H:%M}"
        mended = len(cron.fields.split()) == 5
        if self.skipped:
            then = "it fires when the clocks have moved" if mended else "it does not fire"
            return f"{time} does not exist on {day}: {then}"
        return f"{time} comes twice on {day}: {'it fires the first time' if mended else 'it fires twice'}"


def clock_changes(cron: Cron, year: int) -> Iterator[ClockChange]:
    """Yield the first tick in each hour of a year that a clock change skips or repeats."""
    if not cron.by_the_day or cron.zone is UTC:
        return
    for start, end, skipped in _jumps(cron.zone, year):
        first = next(_matches(cron.fields, start - timedelta(seconds=1)))
        if first < end:
            yield ClockChange(first, skipped)


def gap_in_a_row(cron: Cron, year: int, count: int = 10) -> timedelta | None:
    """Return the mean time between `count` ticks in a row, the first of a year; None when there are fewer."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    found = list(islice(cron.ticks(start, start + _FAR), count))
    return (found[-1] - found[0]) / (count - 1) if len(found) == count else None


def _jumps(zone: tzinfo, year: int) -> Iterator[tuple[datetime, datetime, bool]]:
    """The parts of the wall clock that are skipped or come twice: from, to, whether skipped."""
    moment = datetime(year, 1, 1, tzinfo=UTC)
    while moment.year == year:
        later = moment + timedelta(hours=1)
        before, after = (each.astimezone(zone).utcoffset() or timedelta() for each in (moment, later))
        if before != after:
            at = _change_between(zone, moment, later, before)
            edges = sorted((at + before, at + after))
            yield edges[0].replace(tzinfo=None), edges[1].replace(tzinfo=None), after > before
        moment = later


def _change_between(zone: tzinfo, low: datetime, high: datetime, before: timedelta) -> datetime:
    """The second, UTC, at which the offset changes."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
