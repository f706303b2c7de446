"""A checked service tree to the immutable values that workers use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from ..job import ExecutionType
from ..lifecycle import RetryPolicy
from ..policy import DEFAULT_RESOURCES, Policy
from ..policy_terms import Misstated, Stated, apply_all, read_terms
from ..units import MIB, parse_seconds, parse_size
from .canonical import Named, execution_type, named
from .frozen import freeze
from .http_rules import host_of
from .model import NO_MAPPING, OnMissed, Operation, Schedule, Service
from .nodes import Node, data
from .schema_rules import expanded
from .shorthand import expand

#: Where an operation says what to send or start, by execution type.
MAPPING_KEYS: Final = {
    ExecutionType.HTTP: "request",
    ExecutionType.SHELL: "argv",
    ExecutionType.DOCKER: "command",
    ExecutionType.SERVERLESS: "payload",
}

Declared = Mapping[str, tuple[Any, ...]]


def build_service(entry: Named, config: Declared = NO_MAPPING, policy: Declared = NO_MAPPING) -> Service:
    """Return the service of a canonical tree that has no errors; `config` and `policy` are what a row may repeat."""
    kind = execution_type(entry.node)
    settings = _settings(entry.node)
    operations = [_operation(each, entry.name, kind) for each in named(entry.node.get("operations"))]
    return Service(
        name=entry.name,
        execution_type=kind,
        policy=build_policy(entry.node),
        type=_text(entry.node, "type"),
        category=_text(entry.node, "category"),
        runner_config=freeze(settings),
        declared_config=config,
        declared_policy=policy,
        retry=_retry(settings.get("retry_config", {})),
        timeout=settings.get("timeout"),
        deadline=settings.get("deadline"),
        operations=MappingProxyType({each.name.lower(): each for each in operations}),
        position=entry.position,
    )


def build_policy(node: Node) -> Policy:
    """Return the policy that a service states, over the restrictive defaults.

    A function that the service itself names is allowed unless `allowed_functions` says otherwise: the registry decides
    both; so with its endpoint_url, and with the memory that it states. Containers that are not isolated have a network,
    unless `network_access` says less. Of two limits on time, the shorter holds.
    """
    terms = [term for term in policy_terms(node.get("security_policy")) if isinstance(term, Stated)]
    values: dict[str, Any] = {term.field: term.value for term in terms}
    times = [term.value for term in terms if term.field == "max_execution_time"]
    if times:
        values["max_execution_time"] = min(times)
    if values.get("network_isolation") is False:
        values.setdefault("network_access", "all")
    if execution_type(node) in (ExecutionType.SERVERLESS, ExecutionType.DOCKER):
        for field, value in _own_function(node.get("runner_config") or Node({}, node.position)):
            values.setdefault(field, value)
    return apply_all(Policy(), values)


@cache
def policy_terms(stated: Node | None) -> tuple[Stated | Misstated, ...]:
    """Return every term of a security_policy, none where there is none. Cached as `expanded` is."""
    return tuple(read_terms(data(stated))) if stated else ()


def _own_function(config: Node) -> Iterator[tuple[str, Any]]:
    """Yield what a service asks for by naming its function, its address and its memory."""
    function, endpoint, memory = (config.get(key) for key in ("function_name", "endpoint_url", "memory_mb"))
    if function is not None:
        yield "allowed_functions", (str(function.value),)
    if endpoint is not None and (host := host_of(str(endpoint.value))):
        yield "allowed_domains", (host,)
    if memory is not None and not memory.unresolved:
        yield "resources.memory_mb", max(parse_size(memory.value, MIB), DEFAULT_RESOURCES.memory_mb or 0)


def _text(node: Node, key: str) -> str:
    below = node.get(key)
    return str(below.value) if below else ""


def _settings(node: Node) -> dict[str, Any]:
    """The runner_config with seconds and MiB as numbers."""
    config = node.get("runner_config")
    settings: dict[str, Any] = data(config) if config else {}
    for key in ("timeout", "deadline"):
        if key in settings:
            settings[key] = parse_seconds(settings[key])
    if "memory_mb" in settings:
        settings["memory_mb"] = parse_size(settings["memory_mb"], MIB)
    if isinstance(settings.get("tmpfs"), dict):
        settings["tmpfs"] = {path: parse_size(size, MIB) for path, size in settings["tmpfs"].items()}
    return settings


def _retry(stated: Mapping[str, Any]) -> RetryPolicy:
    values: dict[str, Any] = {}
    for key in ("base_seconds", "max_seconds"):
        if key in stated:
            values[key] = parse_seconds(stated[key])
    if "max_retries" in stated:
        values["max_retries"] = int(stated["max_retries"])
    if "backoff_factor" in stated:
        values["backoff_factor"] = float(stated["backoff_factor"])
    if "retry_status_codes" in stated:
        values["retry_status_codes"] = tuple(int(code) for code in stated["retry_status_codes"])
    return RetryPolicy(**values)


def _operation(entry: Named, service: str, kind: ExecutionType) -> Operation:
    stated: dict[str, Any] = data(entry.node)
    asked = entry.node.get("input_schema")
    given = expanded(asked) if asked is not None else None
    answer = expand(stated["output_schema"], closed=False) if "output_schema" in stated else None
    key = MAPPING_KEYS[kind]
    return Operation(
        name=entry.name,
        service=service,
        input_schema=freeze(given.schema if given else {"type": "object"}),
        output_schema=freeze(answer.schema) if answer else None,
        output_shorthand=answer is not None and answer.shorthand,
        shorthand=given is None or given.shorthand,
        timeout=parse_seconds(stated["timeout"]) if "timeout" in stated else None,
        deadline=parse_seconds(stated["deadline"]) if "deadline" in stated else None,
        max_retries=int(stated["max_retries"]) if "max_retries" in stated else None,
        mapping=freeze({key: stated[key]} if key in stated else {}),
        schedules=tuple(_schedule(each) for each in named(entry.node.get("schedules"))),
        position=entry.position,
    )


def _schedule(entry: Named) -> Schedule:
    stated: dict[str, Any] = data(entry.node)
    return Schedule(
        name=entry.name,
        cron=stated["cron"],
        timezone=stated.get("timezone", "UTC"),
        input=freeze(stated.get("input", {})),
        tenant_id=UUID(stated["tenant_id"]) if "tenant_id" in stated else None,
        priority=stated.get("priority", 0),
        on_missed=OnMissed(stated.get("on_missed", OnMissed.RUN_ONCE)),
        skip_overlap=stated.get("overlap") == "skip",
        enabled=stated.get("enabled", True),
        position=entry.position,
    )
