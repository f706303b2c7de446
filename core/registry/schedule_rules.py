"""Domain rules about schedules: whether they can be read, when they fire, and whether their input fits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from ..cron import BadCron, Cron, NeverFires, UnknownZone, clock_changes, gap_in_a_row
from .canonical import Named, named
from .model import Finding
from .nodes import Node, data, unresolved
from .schema_rules import expanded
from .schemas import Validator
from .view import View

#: Any recent year: when clocks change is seldom changed, and a finding must not depend on the day it is looked for.
_SAMPLE_YEAR: Final = 2026
#: Jobs that come as often pile up behind one that hangs.
_OFTEN: Final = timedelta(minutes=1)


def schedules(view: View) -> Iterator[Finding]:
    """Expressions, zones and inputs that cannot work, and times at which people are surprised."""
    for operation in view.operations:
        for schedule in named(operation.node.get("schedules")):
            yield from _times(view, operation, schedule)
            yield from _input(view, operation, schedule)


def _times(view: View, operation: Named, schedule: Named) -> Iterator[Finding]:
    stated, place = schedule.node.get("cron"), schedule.node.get("timezone")
    if stated is None or stated.unresolved or (place is not None and place.unresolved):
        return
    what = f"{view.name}.{operation.name}, schedule {schedule.name}"
    try:
        cron = Cron(str(stated.value), str(place.value) if place else "UTC")
    except UnknownZone as error:
        yield view.found("SQJ121", f"{what}: {error}", (place or stated).position, operation.name)
    except BadCron as error:
        code = "SQJ122" if isinstance(error, NeverFires) else "SQJ120"
        yield view.found(code, f"{what}: {stated.text[:80]!r}: {error}", stated.position, operation.name)
    else:
        yield from _surprises(view, operation, schedule, cron)


def _surprises(view: View, operation: Named, schedule: Named, cron: Cron) -> Iterator[Finding]:
    stated, overlap = schedule.node.get("cron") or schedule.node, schedule.node.get("overlap")
    what = f"{view.name}.{operation.name}, schedule {schedule.name}"
    changes = tuple(clock_changes(cron, _SAMPLE_YEAR))
    if changes:
        told = "; ".join(each.sentence(cron) for each in changes)
        yield view.found("SQJ320", f"{what}: in {cron.timezone} {told}", stated.position, operation.name)
    gap = gap_in_a_row(cron, _SAMPLE_YEAR)
    if gap is not None and gap <= _OFTEN and (overlap is None or overlap.value != "skip"):
        message = f"{what} makes a job every {gap.total_seconds():g} s, also while the one before has not ended"
        yield view.found("SQJ321", message, stated.position, operation.name)


def _input(view: View, operation: Named, schedule: Named) -> Iterator[Finding]:
    wanted, given = operation.node.get("input_schema"), schedule.node.get("input")
    if wanted is None or (given is not None and any(unresolved(given))):
        return
    full = expanded(wanted)
    problems = Validator(full.schema, shorthand=full.shorthand).check(_data(given))
    at = given.position if given else schedule.position
    for problem in problems:
        message = f"{view.name}.{operation.name}, schedule {schedule.name}: its input does not fit: {problem}"
        yield view.found("SQJ123", message, at, operation.name)


def _data(given: Node | None) -> object:
    return data(given) if given is not None else {}
