"""Schedules of two versions of an operation: which came, went, or mean something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Final

from ..job import folded
from .frozen import thaw
from .model import Operation, Schedule


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """One difference: its rule's word, the field, a sentence, and the values; an input's values are not repeated."""

    kind: str
    field: str
    message: str
    before: Any = None
    after: Any = None


#: What a schedule is told by, and what is no part of its meaning.
_APART: Final = frozenset({"name", "position"})
#: As the registry writes them.
_WORDS: Final = {"skip_overlap": "overlap"}


def compare_schedules(old: Operation, new: Operation) -> Iterator[ScheduleChange]:
    """Yield what differs, by name in any case; renamed is removed and added, for it starts anew."""
    before, after = ({folded(each.name): each for each in side.schedules} for side in (old, new))
    for key, each in before.items():
        if key not in after:
            message = "the schedule is gone: the clock makes no more of its jobs"
            yield ScheduleChange("schedule-removed", f"schedules.{each.name}", message, each.cron)
        else:
            yield from _both(each, after[key])
    for key, each in after.items():
        if key not in before:
            yield ScheduleChange("schedule-added", f"schedules.{each.name}", "the clock makes jobs", None, each.cron)


def _both(old: Schedule, new: Schedule) -> Iterator[ScheduleChange]:
    for name in (each.name for each in fields(Schedule) if each.name not in _APART):
        before, after = thaw(getattr(old, name)), thaw(getattr(new, name))
        if before != after:
            word = _WORDS.get(name, name)
            shown = (None, None) if name == "input" else (_shown(name, before), _shown(name, after))
            message = "the jobs that the clock makes are other ones"
            yield ScheduleChange("schedule-changed", f"schedules.{new.name}.{word}", message, *shown)


def _shown(name: str, value: Any) -> Any:
    if name == "skip_overlap":
        return "skip" if value else "allow"
    return value if value is None or isinstance(value, bool | int) else str(value)
