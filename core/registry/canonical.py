"""One spelling for what a registry may spell in several ways: list or mapping, aliases, names in any case.

Everything after this module sees mappings from lower-case names to services with canonical keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..job import ExecutionType
from .codes import finding
from .model import Finding, Position
from .nodes import Node, Pair, with_value

Aliases = Mapping[str, Any]

_LIMITS: Final = {"cpu": "cpu_cores", "memory": "memory_mb", "disk": "disk_mb", "max_processes": "pids"}
_RETRY: Final = {"initial_delay": "base_seconds", "max_delay": "max_seconds"}
#: Other spellings, by where they stand: a text is the canonical key, a mapping goes one level down.
ALIASES: Final[Aliases] = {
    "security": "security_policy",
    "security_policy": {"resource_limits": _LIMITS},
    "runner_config": {"env": "environment", "retry_config": _RETRY},
}
_WORKING: Final = {
    ExecutionType.SHELL: {"working_dir": "working_directory"},
    ExecutionType.DOCKER: {"working_directory": "working_dir"},
}
_TEXT_VALUES: Final = ("environment", "headers")
#: What `schedule: TEXT` is called among an operation's schedules.
SHORT_SCHEDULE: Final = "default"


@dataclass(frozen=True, slots=True)
class Named:
    """A service or operation with its name taken out of (or from above) its node."""

    name: str
    position: Position
    node: Node


def named(node: Node | None) -> Iterator[Named]:
    """Yield what a list of mappings with `name`, or a mapping from names, defines; skip what is neither."""
    if node is None:
        return
    for name, pair in node.pairs.items():
        yield Named(name, pair.key, pair.node)
    for item in node.items:
        label = item.get("name")
        if label is not None and isinstance(label.value, str):
            rest = {key: pair for key, pair in item.pairs.items() if key != "name"}
            yield Named(label.value, label.position, with_value(item, rest))


def by_name(node: Node | None, what: str) -> tuple[dict[str, Named], tuple[Finding, ...]]:
    """Return definitions by lower-case name, and a finding for each name that comes twice."""
    found: dict[str, Named] = {}
    doubles: list[Finding] = []
    for entry in named(node):
        first = found.setdefault(entry.name.lower(), entry)
        if first is not entry:
            message = f"the {what} {entry.name[:80]!r} is defined already in line {first.position.line}"
            doubles.append(finding("SQJ107", message, entry.position))
    return found, tuple(doubles)


def canonical(node: Node, kind: ExecutionType) -> tuple[Node, tuple[Finding, ...]]:
    """Return a service with one spelling of every key and operations as a mapping; text values become text."""
    doubles: list[Finding] = []
    node = _renamed(node, _aliases(kind), doubles)
    node = _working_directory(node, kind)
    pairs = dict(node.pairs)
    if "operations" in pairs:
        operations, twice = by_name(pairs["operations"].node, "operation")
        doubles.extend(twice)
        entries = {each.name: Pair(each.position, _operation(each.node, doubles)) for each in operations.values()}
        pairs["operations"] = Pair(pairs["operations"].key, with_value(pairs["operations"].node, entries))
    if "runner_config" in pairs:
        pairs["runner_config"] = _with_texts(pairs["runner_config"])
    return with_value(node, pairs), tuple(doubles)


def execution_type(node: Node) -> ExecutionType:
    """Return how a service is executed: http when nothing, or nothing known, is stated."""
    stated = node.get("execution_type")
    try:
        return ExecutionType.parse(str(stated.value)) if stated else ExecutionType.HTTP
    except ValueError:
        return ExecutionType.HTTP


def _aliases(kind: ExecutionType) -> Aliases:
    return {**ALIASES, "runner_config": {**ALIASES["runner_config"], **_WORKING.get(kind, {})}}


def _renamed(node: Node, aliases: Aliases, doubles: list[Finding]) -> Node:
    pairs: dict[str, Pair] = {}
    for key, pair in node.pairs.items():
        target = aliases.get(key, key)
        name = target if isinstance(target, str) else key
        if name in pairs:
            doubles.append(finding("SQJ109", f"`{key}` and another spelling of it are both stated", pair.key))
            continue
        below = aliases.get(name)
        inner = _renamed(pair.node, below, doubles) if isinstance(below, Mapping) else pair.node
        pairs[name] = Pair(pair.key, inner)
    return with_value(node, pairs) if isinstance(node.value, dict) else node


def _working_directory(node: Node, kind: ExecutionType) -> Node:
    """A policy's `working_directory` is where a process starts, and the only folder in which it may."""
    policy = node.get("security_policy")
    stated = policy.pairs.get("working_directory") if policy else None
    if policy is None or stated is None or kind is not ExecutionType.SHELL:
        return node
    limits = {key: pair for key, pair in policy.pairs.items() if key != "working_directory"}
    only = Node((stated.node,), stated.node.position, size=2)
    limits.setdefault("working_directory_restrictions", Pair(stated.key, only))
    config = node.get("runner_config") or Node({}, policy.position)
    where = config.pairs.get("working_directory", stated)
    return _with(
        node,
        security_policy=with_value(policy, limits),
        runner_config=with_value(config, {**config.pairs, "working_directory": where}),
    )


def _with(node: Node, **changed: Node) -> Node:
    pairs = dict(node.pairs)
    for key, below in changed.items():
        pairs[key] = Pair(pairs[key].key if key in pairs else below.position, below)
    return with_value(node, pairs)


def _operation(node: Node, doubles: list[Finding]) -> Node:
    request = node.pairs.get("request")
    if request is not None:
        node = with_value(node, {**node.pairs, "request": _with_texts(request)})
    return _with_schedules(node, doubles) if "schedule" in node.pairs or "schedules" in node.pairs else node


def _with_schedules(node: Node, doubles: list[Finding]) -> Node:
    """Schedules as a mapping; `schedule: TEXT` is the one named default. What has another shape stays as written."""
    pairs = dict(node.pairs)
    stated, short = pairs.get("schedules"), pairs.get("schedule")
    if stated is not None and (
        not _nameable(stated.node) or any(each.get("name") is None for each in stated.node.items)
    ):
        return node
    if short is not None and not isinstance(short.node.value, str):
        return node
    found, twice = by_name(stated.node if stated else None, "schedule")
    doubles.extend(twice)
    schedules = {each.name: Pair(each.position, each.node) for each in found.values()}
    if short is not None:
        if SHORT_SCHEDULE in found:
            doubles.append(
                finding("SQJ109", f"`schedule` and a schedule named {SHORT_SCHEDULE} are both stated", short.key)
            )
        schedules[SHORT_SCHEDULE] = Pair(short.key, with_value(node, {"cron": short}))
        del pairs["schedule"]
    key = stated or short
    assert key is not None
    pairs["schedules"] = Pair(key.key, with_value(stated.node if stated else node, schedules))
    return with_value(node, pairs)


def _nameable(node: Node) -> bool:
    return isinstance(node.value, dict | tuple)


def _with_texts(pair: Pair) -> Pair:
    """Variables and headers are text: `VERSION: 1.10` stays 1.10 and `DEBUG: true` stays true."""
    pairs = dict(pair.node.pairs)
    for key in _TEXT_VALUES:
        entry = pairs.get(key)
        if entry is not None and isinstance(entry.node.value, Mapping):
            texts = {name: Pair(below.key, _as_text(below.node)) for name, below in entry.node.pairs.items()}
            pairs[key] = Pair(entry.key, with_value(entry.node, texts))
    return Pair(pair.key, with_value(pair.node, pairs) if isinstance(pair.node.value, Mapping) else pair.node)


def _as_text(node: Node) -> Node:
    is_number = isinstance(node.value, bool | int | float)
    return with_value(node, node.filled) if is_number else node
