"""A checked service tree to the immutable values that workers use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from ..job import ExecutionType
from ..lifecycle import RetryPolicy
from ..policy import Policy
from ..policy_terms import Stated, apply, read_terms
from ..units import MIB, parse_seconds, parse_size
from .canonical import Named, execution_type, named
from .frozen import freeze
from .model import NO_MAPPING, Operation, Service
from .nodes import Node, data
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
        operations=MappingProxyType({each.name.lower(): each for each in operations}),
        position=entry.position,
    )


def build_policy(node: Node) -> Policy:
    """Return the policy that a service states, over the restrictive defaults.

    A function that the service itself names is allowed unless `allowed_functions` says otherwise: the registry decides
    both. Containers that are not isolated have a network, unless `network_access` says less. Of two limits on time, the
    shorter holds.
    """
    policy, stated = Policy(), node.get("security_policy")
    terms = [term for term in read_terms(data(stated) if stated else {}) if isinstance(term, Stated)]
    for term in terms:
        policy = apply(policy, term.field, term.value)
    times = [term.value for term in terms if term.field == "max_execution_time"]
    if times:
        policy = apply(policy, "max_execution_time", min(times))
    stated_fields = {term.field for term in terms}
    if not policy.network_isolation and "network_access" not in stated_fields:
        policy = apply(policy, "network_access", "all")
    function = (node.get("runner_config") or Node({}, node.position)).get("function_name")
    if function is not None and "allowed_functions" not in stated_fields:
        policy = apply(policy, "allowed_functions", (str(function.value),))
    return policy


def _text(node: Node, key: str) -> str:
    below = node.get(key)
    return str(below.value) if below else ""


def _settings(node: Node) -> dict[str, Any]:
    """The runner_config with seconds and MiB as numbers."""
    config = node.get("runner_config")
    settings: dict[str, Any] = data(config) if config else {}
    if "timeout" in settings:
        settings["timeout"] = parse_seconds(settings["timeout"])
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
    given = expand(stated["input_schema"]) if "input_schema" in stated else None
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
        max_retries=int(stated["max_retries"]) if "max_retries" in stated else None,
        mapping=freeze({key: stated[key]} if key in stated else {}),
        position=entry.position,
    )
