"""What holds for a service: every value with where it comes from, and what a host ceiling took away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from ..job import ExecutionType
from ..lifecycle import DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT
from ..narrow import Ceiling
from ..policy import Policy
from ..policy_terms import TERMS, current
from .canonical import Named, execution_type
from .model import Operation, Position, Service
from .nodes import Node, Pair, find_pair
from .quick_shape import schema

_Path = tuple[str, ...]

#: What a serverless service is allowed by stating it for itself: field of the policy -> key of runner_config.
_OWN_FUNCTION = {
    "allowed_functions": "function_name",
    "allowed_domains": "endpoint_url",
    "resources.memory_mb": "memory_mb",
}


class Origin(StrEnum):
    """Which of the three decided a value."""

    DEFAULT = "default"
    REGISTRY = "registry"
    CEILING = "ceiling"


@dataclass(frozen=True, slots=True)
class Held:
    """One effective value, where the registry states it, and what that says if a ceiling decided otherwise."""

    key: str
    value: Any
    origin: Origin
    position: Position | None = None
    stated: Any = None


def policy_terms(service: Service, entry: Named, ceiling: Ceiling | None = None) -> Iterator[Held]:
    """Yield each term of a service's effective policy that means something for its execution type."""
    policy, decided = service.policy, set[str]()
    if ceiling is not None:
        policy, keys = ceiling.hold(service.policy, service.execution_type)
        decided = {TERMS[key][0] for key in keys}
    for key, name in _keys(service.execution_type):
        yield _term(key, name, service, entry, policy if name in decided else None)


def _term(key: str, name: str, service: Service, entry: Named, held: Policy | None) -> Held:
    own = current(service.policy, name)
    position = _stated_at(name, own, entry)
    if held is not None:
        return Held(key, current(held, name), Origin.CEILING, position, own)
    return Held(key, own, Origin.REGISTRY if position else Origin.DEFAULT, position)


@cache
def _keys(kind: ExecutionType) -> tuple[tuple[str, str], ...]:
    """Key and field of each term that services of this type may state; of two spellings, the first."""
    known = schema()["$defs"][f"{kind}_policy"]["properties"]
    fields: dict[str, str] = {}
    for key, (name, _) in TERMS.items():
        if key.split(".")[0] in known:
            fields.setdefault(name, key)
    return tuple((key, name) for name, key in fields.items())


def _stated_at(name: str, value: Any, entry: Named) -> Position | None:
    """Where the registry states a field's value; of two keys that set it, the one that has that value."""
    spelled = [(key, read) for key, (field, read) in TERMS.items() if field == name]
    places = [(("security_policy", *key.split(".")), read) for key, read in spelled]
    found = [(pair, read) for place, read in places if (pair := find_pair(entry.node, place))]
    for pair, read in found:
        if len(found) == 1 or read(pair.node.value) == value:
            return pair.key
    own = _OWN_FUNCTION.get(name)
    if own and execution_type(entry.node) is ExecutionType.SERVERLESS:
        pair = find_pair(entry.node, ("runner_config", own))
        return pair.key if pair else None
    return None


# ---- an operation ----------------------------------------------------------------------------------------------------


def limits(service: Service, operation: Operation, entry: Named, ceiling: Ceiling | None = None) -> Iterator[Held]:
    """Yield how long an attempt may take and how often a job is tried: operation first, then service, then default."""
    policy = service.policy
    if ceiling is not None:
        policy, _ = ceiling.hold(policy, service.execution_type)
    yield _timeout(service, operation, entry, policy)
    deadlines: list[_Path] = [("operations", operation.name, "deadline"), ("runner_config", "deadline")]
    deadline = _first("deadline", [operation.deadline, service.deadline], deadlines, entry)
    yield from (deadline,) if deadline else ()
    places: list[_Path] = [
        ("operations", operation.name, "max_retries"),
        ("runner_config", "retry_config", "max_retries"),
    ]
    retries = [operation.max_retries, service.retry.max_retries]
    yield _first("max_attempts", [None if each is None else each + 1 for each in retries], places, entry) or Held(
        "max_attempts", DEFAULT_MAX_ATTEMPTS, Origin.DEFAULT
    )


def _timeout(service: Service, operation: Operation, entry: Named, policy: Policy) -> Held:
    places: list[_Path] = [("operations", operation.name, "timeout"), ("runner_config", "timeout")]
    found = _first("timeout", [operation.timeout, service.timeout], places, entry)
    if found is not None:
        return found
    at_most = _stated_at("max_execution_time", service.policy.max_execution_time, entry)
    if policy.max_execution_time >= DEFAULT_TIMEOUT:
        return Held("timeout", DEFAULT_TIMEOUT, Origin.DEFAULT)
    lowered = policy.max_execution_time < service.policy.max_execution_time
    return Held("timeout", policy.max_execution_time, Origin.CEILING if lowered else Origin.REGISTRY, at_most)


def _first(key: str, values: list[Any], places: list[_Path], entry: Named) -> Held | None:
    for value, place in zip(values, places, strict=True):
        if value is not None:
            pair = find_pair(entry.node, place)
            return Held(key, value, Origin.REGISTRY, pair.key if pair else None)
    return None


# ---- what the file says of the rest ----------------------------------------------------------------------------------


def stated(entry: Named, path: _Path = ()) -> Iterator[Held]:
    """Yield the values below a path as the file has them, one for each scalar or list, keys joined by dots.

    Texts with variables are as written: a variable's value is never shown.
    """
    pair = find_pair(entry.node, path) if path else Pair(entry.position, entry.node)
    for key, below in (pair.node.pairs if pair else {}).items():
        yield from _leaves(key, below)


def _leaves(key: str, pair: Pair) -> Iterator[Held]:
    if not pair.node.pairs:
        yield Held(key, _as_written(pair.node), Origin.REGISTRY, pair.key)
    for name, below in pair.node.pairs.items():
        yield from _leaves(f"{key}.{name}", below)


def _as_written(node: Node) -> Any:
    if isinstance(node.value, Mapping):
        return {name: _as_written(pair.node) for name, pair in node.value.items()}
    if isinstance(node.value, tuple):
        return [_as_written(item) for item in node.value]
    return node.text if "${" in node.text else node.value
