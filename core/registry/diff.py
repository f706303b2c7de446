"""What changed between two registries, and whom it can hurt.

breaking: a job that is queued, or a caller that is deployed, can fail for sure. risky: it depends on the data or the
target. safe: it cannot. Each kind of change is a rule (`SQJ703` and on), whose severity says which of the three it is.
Pure: two registries in, changes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from ..narrow import narrower
from ..policy_terms import TERMS, current
from .amounts import Placed, compare_amounts
from .codes import CODES, RULES
from .frozen import thaw
from .model import Operation, Registry, Service, Severity
from .renames import Renamed, renamed_operations, renamed_services
from .schedule_diff import compare_schedules
from .schema_diff import Difference, Direction, compare_schemas


class Impact(StrEnum):
    """Whom a change can hurt."""

    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"


_IMPACTS: Final = {Severity.ERROR: Impact.BREAKING, Severity.WARNING: Impact.RISKY, Severity.INFO: Impact.SAFE}
_ORDER: Final = tuple(Impact)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `kind` is its rule's word, `field` what changed, before and after its values.

    `service` and `operation` are the names in the new version, or those in the old one of what is gone.
    """

    kind: str
    service: str
    operation: str
    field: str
    message: str
    before: Any = None
    after: Any = None

    @property
    def code(self) -> str:
        """The code of its rule: SQJ7nn."""
        return CODES[self.kind]

    @property
    def impact(self) -> Impact:
        """Whom it can hurt: its rule's severity says so."""
        return _IMPACTS[RULES[self.code].severity]


def compare(old: Registry, new: Registry) -> tuple[Change, ...]:
    """Return every change from `old` to `new`: breaking ones first, then by service and operation."""
    renamed = renamed_services(old.services, new.services)
    found = [each for pair in _pairs(old.services, new.services, renamed) for each in _service(*pair)]
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.impact), each.service, each.operation, each.field)))


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any], renamed: Renamed) -> Iterator[tuple[Any, Any]]:
    """What belongs together on both sides; None for what came or went."""
    for key, before in old.items():
        yield before, new.get(renamed.get(key, key))
    for key, after in new.items():
        if key not in old and key not in renamed.values():
            yield None, after


# ---- a service -------------------------------------------------------------------------------------------------------


def _service(old: Service | None, new: Service | None) -> Iterator[Change]:
    if new is None and old is not None:
        yield Change("service-removed", old.name, "", "", "the service is gone: its queued jobs cannot run")
    elif old is None and new is not None:
        yield Change("service-added", new.name, "", "", "a new service")
    elif old is not None and new is not None:
        yield from _both(old, new)


def _both(old: Service, new: Service) -> Iterator[Change]:
    if old.name.lower() != new.name.lower():
        message = f"the service was called {old.name}: queued jobs and deployed callers still say so"
        yield Change("service-renamed", new.name, "", "", message, old.name, new.name)
    same_type = old.execution_type == new.execution_type
    if same_type:
        yield from _config(old, new)
        yield from _policy(old, new)
    else:
        message = f"runs as {new.execution_type}, was {old.execution_type}: queued jobs were made for the old way"
        kinds = str(old.execution_type), str(new.execution_type)
        yield Change("execution-type-changed", new.name, "", "execution_type", message, *kinds)
    yield from _amounts((old, None), (new, None))
    renamed = renamed_operations(old.operations, new.operations)
    for before, after in _pairs(old.operations, new.operations, renamed):
        yield from _operation((old, before), (new, after), same_type=same_type)


#: What jobs reach or start.
_TARGET: Final = frozenset(
    ("base_url", "image", "command", "entrypoint", "provider", "function_name", "region", "qualifier", "endpoint_url")
)
_OTHER: Final = "config-changed", "are executed in another way"


def _config(old: Service, new: Service) -> Iterator[Change]:
    """The values of runner_config are not repeated: they may hold what should have been a secret."""
    before, after = old.runner_config, new.runner_config
    for key in {**before, **after}:
        if key in ("timeout", "deadline") or _same(*(_besides_retries(each.get(key)) for each in (before, after))):
            continue
        word = "is new" if key not in before else "is gone" if key not in after else "changed"
        kind, result = ("target-changed", "reach or start something else") if key in _TARGET else _OTHER
        yield Change(kind, new.name, "", f"runner_config.{key}", f"{word}, so that jobs {result}")


def _besides_retries(value: object) -> object:
    """What of a value is not compared as an amount: timeouts and numbers of retries are."""
    if not isinstance(value, Mapping) or "max_retries" not in value:
        return value
    return {key: below for key, below in value.items() if key != "max_retries"} or None


def _policy(old: Service, new: Service) -> Iterator[Change]:
    names = {name: key for key, (name, _) in reversed(TERMS.items())}
    for name, key in names.items():
        before, after = current(old.policy, name), current(new.policy, name)
        if before != after and not (isinstance(before, tuple) and sorted(before) == sorted(after or ())):
            yield _policy_change(new.name, name, f"security_policy.{key}", before, after)


def _policy_change(service: str, name: str, field: str, before: Any, after: Any) -> Change:
    """What a policy takes away may refuse jobs; a door that it opens is for a reviewer; a higher number is neither."""
    if _narrowed(name, before, after):
        message = "the policy allows less: jobs that need more are refused, or wait"
        return Change("policy-narrowed", service, "", field, message, before, after)
    is_number = isinstance(before, int | float) and not isinstance(before, bool)
    kind = "limit-raised" if is_number else "policy-widened"
    return Change(kind, service, "", field, "the policy allows more", before, after)


def _narrowed(name: str, before: Any, after: Any) -> bool:
    """Whether anything that was allowed no longer is."""
    met = narrower(name, before, after)
    return sorted(met) != sorted(before) if isinstance(before, tuple) else bool(met != before)


def _amounts(old: Placed, new: Placed) -> Iterator[Change]:
    name = new[1].name if new[1] else ""
    for each in compare_amounts(old, new):
        yield Change(each.kind, new[0].name, name, each.field, each.message, each.before, each.after)


# ---- an operation ----------------------------------------------------------------------------------------------------


def _operation(old: Placed, new: Placed, *, same_type: bool) -> Iterator[Change]:
    (_, before), (service, after) = old, new
    if before is None and after is not None:
        yield Change("operation-added", service.name, after.name, "", "a new operation")
    elif after is None and before is not None:
        message = "the operation is gone: its queued jobs cannot run"
        yield Change("operation-removed", service.name, before.name, "", message)
    elif before is not None and after is not None:
        yield from _renamed(service.name, before, after)
        yield from _input(service.name, before, after)
        yield from _output(service.name, before, after)
        yield from _amounts(old, new)
        yield from _mapping(service.name, before, after) if same_type else ()
        yield from _schedules(service.name, before, after)


def _renamed(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    if old.name.lower() != new.name.lower():
        message = f"the operation was called {old.name}: queued jobs and deployed callers still say so"
        yield Change("operation-renamed", service, new.name, "", message, old.name, new.name)


_INPUT: Final = {
    Direction.NARROWED: "input-narrowed",
    Direction.WIDENED: "input-widened",
    Direction.UNCLEAR: "input-changed",
}
_OUTPUT: Final = {
    Direction.NARROWED: "output-narrowed",
    Direction.WIDENED: "output-widened",
    Direction.UNCLEAR: "output-changed",
}


def _input(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    differences = compare_schemas(thaw(old.input_schema), thaw(new.input_schema), "input_schema")
    yield from _worst(differences, _INPUT, service, new.name)


def _output(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    """No output_schema means any output: to state one narrows, to drop one widens."""
    before, after = (thaw(each.output_schema) if each.output_schema else {} for each in (old, new))
    yield from _worst(compare_schemas(before, after, "output_schema"), _OUTPUT, service, new.name)


def _worst(
    differences: Iterable[Difference], kinds: Mapping[Direction, str], service: str, operation: str
) -> Iterator[Change]:
    """One change for each path: a type that changed narrows and widens at once, and the worse of both counts."""
    found: dict[str, Change] = {}
    for each in differences:
        change = Change(kinds[each.direction], service, operation, each.path, each.message, each.before, each.after)
        known = found.setdefault(each.path, change)
        if _ORDER.index(change.impact) < _ORDER.index(known.impact):
            found[each.path] = change
    yield from found.values()


def _mapping(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    for key in {**old.mapping, **new.mapping}:
        if not _same(old.mapping.get(key), new.mapping.get(key)):
            yield Change("call-changed", service, new.name, key, "changed, so that the target is called differently")


def _schedules(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    for each in compare_schedules(old, new):
        yield Change(each.kind, service, new.name, each.field, each.message, each.before, each.after)


def _same(before: object, after: object) -> bool:
    if isinstance(before, Mapping | tuple) and isinstance(after, Mapping | tuple):
        return bool(thaw(before) == thaw(after))
    return type(before) is type(after) and before == after
