"""What changed between two registries, and whom it can hurt.

breaking: a job that is queued, or a caller that is deployed, can fail for sure. risky: it depends on the data or the
target. safe: it cannot. Pure: two registries in, changes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Final

from ..narrow import narrower
from ..policy_terms import TERMS, current
from .frozen import thaw
from .model import Operation, Registry, Service
from .schema_diff import Difference, Direction, compare_schemas


class Impact(StrEnum):
    """Whom a change can hurt."""

    BREAKING = "breaking"
    RISKY = "risky"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `kind` is its stable word, `field` what changed, before and after its values."""

    impact: Impact
    kind: str
    service: str
    operation: str
    field: str
    message: str
    before: Any = None
    after: Any = None


_BREAKING, _RISKY, _SAFE = Impact.BREAKING, Impact.RISKY, Impact.SAFE
_ORDER: Final = tuple(Impact)


def compare(old: Registry, new: Registry) -> tuple[Change, ...]:
    """Return every change from `old` to `new`: breaking ones first, then by service and operation."""
    found = chain.from_iterable(
        _service(old.services.get(key), new.services.get(key)) for key in {**old.services, **new.services}
    )
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each.impact), each.service, each.operation, each.field)))


def _service(old: Service | None, new: Service | None) -> Iterator[Change]:
    if old is None or new is None:
        yield from _came_or_went(old, new)
        return
    if old.execution_type != new.execution_type:
        message = f"runs as {new.execution_type}, was {old.execution_type}"
        kinds = str(old.execution_type), str(new.execution_type)
        yield Change(_BREAKING, "execution-type-changed", old.name, "", "execution_type", message, *kinds)
    else:
        yield from _config(old, new)
    yield from _policy(old, new)
    yield from _amounts(old, new)
    for key in {**old.operations, **new.operations}:
        yield from _operation(new.name, old.operations.get(key), new.operations.get(key))


def _came_or_went(old: Service | None, new: Service | None) -> Iterator[Change]:
    if new is None and old is not None:
        yield Change(_BREAKING, "service-removed", old.name, "", "", "the service is gone; its queued jobs cannot run")
    elif new is not None:
        yield Change(_SAFE, "service-added", new.name, "", "", "a new service")


# ---- a service -------------------------------------------------------------------------------------------------------

#: Compared as limits of time or attempts, not as configuration.
_COMPARED_ELSEWHERE: Final = frozenset({"timeout", "retry_config"})


def _config(old: Service, new: Service) -> Iterator[Change]:
    """The values of runner_config are not repeated: they may hold what should have been a secret."""
    before, after = old.runner_config, new.runner_config
    for key in {**before, **after}:
        if key in _COMPARED_ELSEWHERE or _same(before.get(key), after.get(key)):
            continue
        word = "is new" if key not in before else "is gone" if key not in after else "changed"
        message = f"runner_config.{key} {word}: jobs reach or start something else"
        yield Change(_RISKY, "config-changed", old.name, "", f"runner_config.{key}", message)


def _policy(old: Service, new: Service) -> Iterator[Change]:
    names = {name: key for key, (name, _) in reversed(TERMS.items())}
    for name, key in names.items():
        before, after = current(old.policy, name), current(new.policy, name)
        if before != after and not (isinstance(before, tuple) and sorted(before) == sorted(after or ())):
            yield _policy_change(new.name, name, f"security_policy.{key}", before, after)


def _policy_change(service: str, name: str, field: str, before: Any, after: Any) -> Change:
    """What a policy takes away may refuse jobs; a door that it opens is for a reviewer; a higher number is neither."""
    if not _narrowed(name, before, after):
        is_number = isinstance(before, int | float) and not isinstance(before, bool)
        impact = _SAFE if is_number else _RISKY
        return Change(impact, "policy-widened", service, "", field, "the policy allows more", before, after)
    message = "the policy allows less: jobs that need it are refused"
    return Change(_RISKY, "policy-narrowed", service, "", field, message, before, after)


def _narrowed(name: str, before: Any, after: Any) -> bool:
    """Whether anything that was allowed no longer is."""
    met = narrower(name, before, after)
    return sorted(met) != sorted(before) if isinstance(before, tuple) else bool(met != before)


def _amounts(old: Service, new: Service) -> Iterator[Change]:
    yield from _amount(new.name, "", "timeout", old.timeout, new.timeout)
    yield from _amount(new.name, "", "max_retries", old.retry.max_retries, new.retry.max_retries)


def _amount(service: str, operation: str, field: str, before: float | None, after: float | None) -> Iterator[Change]:
    """A timeout or a number of retries; without one the next level decides, which may be less."""
    if before == after:
        return
    what = "timeout" if field == "timeout" else "retries"
    if before is None or after is None:
        message = f"{field} is stated now; a default held" if before is None else f"{field} is gone; a default holds"
        yield Change(_RISKY, f"{what}-changed", service, operation, field, message, before, after)
    elif after < before:
        message = f"{field} is lower: what took that long or failed that often now fails"
        yield Change(_RISKY, f"{what}-lowered", service, operation, field, message, before, after)
    else:
        yield Change(_SAFE, f"{what}-raised", service, operation, field, f"{field} is higher", before, after)


# ---- an operation ----------------------------------------------------------------------------------------------------


def _operation(service: str, old: Operation | None, new: Operation | None) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change(_SAFE, "operation-added", service, new.name, "", "a new operation")
    elif new is None and old is not None:
        message = "the operation is gone; its queued jobs cannot run"
        yield Change(_BREAKING, "operation-removed", service, old.name, "", message)
    elif old is not None and new is not None:
        yield from _input(service, old, new)
        yield from _output(service, old, new)
        yield from _amount(service, new.name, "timeout", old.timeout, new.timeout)
        yield from _amount(service, new.name, "max_retries", old.max_retries, new.max_retries)
        yield from _mapping(service, old, new)


_INPUT: Final = {
    Direction.NARROWED: (_BREAKING, "input-narrowed"),
    Direction.WIDENED: (_SAFE, "input-widened"),
    Direction.UNCLEAR: (_RISKY, "input-changed"),
}
_OUTPUT: Final = {
    Direction.NARROWED: (_RISKY, "output-narrowed"),
    Direction.WIDENED: (_BREAKING, "output-widened"),
    Direction.UNCLEAR: (_RISKY, "output-changed"),
}


def _input(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    differences = compare_schemas(thaw(old.input_schema), thaw(new.input_schema), "input_schema")
    yield from _worst(differences, _INPUT, service, new.name)


def _output(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    """No output_schema means any output: to state one narrows, to drop one widens."""
    before, after = (thaw(each.output_schema) if each.output_schema else {} for each in (old, new))
    yield from _worst(compare_schemas(before, after, "output_schema"), _OUTPUT, service, new.name)


def _worst(
    differences: Iterable[Difference], kinds: Mapping[Direction, tuple[Impact, str]], service: str, operation: str
) -> Iterator[Change]:
    """One change for each path: a type that changed narrows and widens at once, and the worse of both counts."""
    found: dict[str, Change] = {}
    for each in differences:
        impact, kind = kinds[each.direction]
        change = Change(impact, kind, service, operation, each.path, each.message, each.before, each.after)
        known = found.setdefault(each.path, change)
        if _ORDER.index(impact) < _ORDER.index(known.impact):
            found[each.path] = change
    yield from found.values()


def _mapping(service: str, old: Operation, new: Operation) -> Iterator[Change]:
    for key in {**old.mapping, **new.mapping}:
        if not _same(old.mapping.get(key), new.mapping.get(key)):
            message = f"{key} changed: the target is called differently"
            yield Change(_RISKY, "mapping-changed", service, new.name, key, message)


def _same(before: object, after: object) -> bool:
    if isinstance(before, Mapping | tuple):
        return bool(thaw(before) == thaw(after))
    return type(before) is type(after) and before == after
