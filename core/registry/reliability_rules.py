"""Domain rules about time, retries and limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..job import ExecutionType
from ..lifecycle import DEFAULT_MAX_ATTEMPTS, RetryPolicy
from ..permissions import DEFAULT_RESOURCES
from ..units import parse_seconds
from .canonical import Named
from .model import Finding
from .nodes import Node, data
from .reference_rules import method
from .schema_rules import declared_fields
from .view import View

_MOST_RETRIES: Final = 20
_MOST_WAITS: Final = 1000  # more than any max_retries
_DEFAULT_SECONDS: Final = 300  # the worker's, for an operation that states no timeout
#: 4xx statuses that can pass by themselves.
_PASSING: Final = frozenset({408, 409, 421, 423, 425, 429})
_KEY_FIELDS: Final = ("idempotency_key", "request_id", "idempotencyKey", "reference")


def timeouts(view: View) -> Iterator[Finding]:
    """A timeout that policy cuts short, and none at all."""
    limit = view.policy.max_execution_time
    for operation, node in _stated(view):
        timeout = node.get("timeout")
        if timeout is not None and not timeout.unresolved and parse_seconds(timeout.value) > limit:
            seconds = parse_seconds(timeout.value)
            message = f"the timeout of {view.name} is {seconds:g} s, max_execution_time {limit:g} s"
            yield view.found("SQJ301", message, timeout.position, operation)
    without = [each.name for each in view.operations if each.node.get("timeout") is None]
    if without and view.config("timeout") is None:
        many = without[0] if len(without) == 1 else f"{len(without)} operations"
        seconds = min(_DEFAULT_SECONDS, limit)
        yield view.found("SQJ306", f"{view.name}: no timeout for {many}, so {seconds:g} s apply", view.position)


def _stated(view: View) -> Iterator[tuple[str, Node]]:
    """The places of timeout: the runner_config, and each operation."""
    config = view.node.get("runner_config")
    if config is not None:
        yield "", config
    for each in view.operations:
        yield each.name, each.node


def deadlines(view: View) -> Iterator[Finding]:
    """A deadline that an attempt may outlive, and one that is over before the last attempt can start."""
    for operation, node in _stated(view):
        stated = node.get("deadline")
        if stated is None or stated.unresolved:
            continue
        seconds, timeout = parse_seconds(stated.value), _timeout_beside(view, operation, node)
        name = f"{view.name}.{operation}" if operation else view.name
        if timeout is not None and seconds < timeout:
            message = f"the deadline of {name} is {seconds:g} s, an attempt may take {timeout:g} s"
            yield view.found("SQJ311", message, stated.position, operation)
        waits = _shortest_waits(view, node)
        if seconds < waits:
            message = f"{name} waits {waits:g} s or more between its attempts; its deadline is {seconds:g} s"
            yield view.found("SQJ312", message, stated.position, operation)


def _timeout_beside(view: View, operation: str, node: Node) -> float | None:
    """The seconds that an attempt may take, as stated; None where nothing readable is."""
    config = view.node.get("runner_config")
    shared = config.get("timeout") if config else None
    timeout = (node.get("timeout") if operation else None) or shared
    return parse_seconds(timeout.value) if timeout is not None and not timeout.unresolved else None


def _shortest_waits(view: View, node: Node) -> float:
    """The sum of all waits between attempts, each as short as its jitter can make it; 0 where it cannot be known."""
    retry = (view.node.get("runner_config") or view.node).get("retry_config")
    own = node.get("max_retries") or (retry.get("max_retries") if retry else None)
    stated = [*(pair.node for pair in retry.pairs.values())] if retry else []
    if any(each.unresolved for each in (*stated, *([own] if own else ()))):
        return 0.0
    count = own.value if own and isinstance(own.value, int) else DEFAULT_MAX_ATTEMPTS - 1
    policy = _backoff(retry) if retry else RetryPolicy()
    return sum(policy.delay(attempt, 0.0) for attempt in range(1, min(count, _MOST_WAITS) + 1))


def _backoff(node: Node) -> RetryPolicy:
    first, cap = (_seconds(node, key, default) for key, default in (("base_seconds", 1.0), ("max_seconds", 300.0)))
    factor = float(data(node).get("backoff_factor", 2.0))
    return RetryPolicy(base_seconds=first, backoff_factor=factor, max_seconds=cap)


# ---- retries ---------------------------------------------------------------------------------------------------------


def retries(view: View) -> Iterator[Finding]:
    """Many retries, and retries of what may happen twice."""
    config = (view.node.get("runner_config") or view.node).get("retry_config")
    shared = config.get("max_retries") if config else None
    sharing = [each for each in view.operations if each.node.get("max_retries") is None]
    if shared is not None:
        yield from _retries(view, "", shared, next((each for each in sharing if _repeats_a_write(view, each)), None))
    for each in view.operations:
        own = each.node.get("max_retries")
        if own is not None:
            yield from _retries(view, each.name, own, each if _repeats_a_write(view, each) else None)


def _retries(view: View, operation: str, stated: Node, unsafe: Named | None) -> Iterator[Finding]:
    count = stated.value
    if not isinstance(count, int) or stated.unresolved:
        return
    if count > _MOST_RETRIES:
        message = f"{view.name} tries a failing job {count + 1} times"
        yield view.found("SQJ305", message, stated.position, operation)
    if unsafe is not None and count > 0:
        message = f"{view.name}.{unsafe.name} is tried up to {count + 1} times: does the target know Idempotency-Key?"
        yield view.found("SQJ302", message, stated.position, operation)


def _repeats_a_write(view: View, operation: Named) -> bool:
    fields = declared_fields(operation.node.get("input_schema")) or frozenset()
    verb = method(operation.node.get("request"))
    return repeats_a_write(view.kind, verb, fields, has_url=view.config("base_url") is not None)


def repeats_a_write(kind: ExecutionType, verb: str, fields: Iterable[str], *, has_url: bool) -> bool:
    """Whether a repetition could do the work twice, and the input has no key of its own against that."""
    writes = kind is ExecutionType.HTTP and has_url and verb in ("POST", "PATCH")
    return writes and frozenset(fields).isdisjoint(_KEY_FIELDS)


def backoff(view: View) -> Iterator[Finding]:
    """Waits that are cut at once, or that last longer than the work may, and statuses that never change."""
    node = (view.node.get("runner_config") or view.node).get("retry_config")
    if node is None or any(pair.node.unresolved for pair in node.pairs.values()):
        return
    first, cap = (_seconds(node, key, default) for key, default in (("base_seconds", 1.0), ("max_seconds", 300.0)))
    if cap < first:
        message = f"{view.name}: the first wait of {first:g} s is above max_seconds, {cap:g} s"
        yield view.found("SQJ303", message, _nearest(node, "max_seconds", "base_seconds").position)
    yield from _long_wait(view, node, first, cap)
    statuses = node.get("retry_status_codes")
    for item in statuses.items if statuses else ():
        if isinstance(item.value, int) and item.value < 500 and item.value not in _PASSING:
            message = f"{view.name}: status {item.value} will be the same at the next attempt"
            yield view.found("SQJ308", message, item.position)


def _long_wait(view: View, node: Node, first: float, cap: float) -> Iterator[Finding]:
    count, policy = data(node).get("max_retries", 2), _backoff(node)
    longest = policy.delay(int(count), 1.0) if count else 0.0
    limit = view.policy.max_execution_time
    if cap >= first and longest > limit:
        message = f"{view.name} waits {longest:g} s before its last attempt; max_execution_time is {limit:g} s"
        yield view.found("SQJ304", message, _nearest(node, "max_seconds", "backoff_factor", "base_seconds").position)


def _seconds(node: Node, key: str, default: float) -> float:
    stated = node.get(key)
    return parse_seconds(stated.value) if stated else default


def _nearest(node: Node, *keys: str) -> Node:
    return next((found for key in keys if (found := node.get(key))), node)


# ---- resources -------------------------------------------------------------------------------------------------------


def resources(view: View) -> Iterator[Finding]:
    """Limits that are not stated, and limits that another one makes useless."""
    if view.kind not in (ExecutionType.SHELL, ExecutionType.DOCKER):
        return
    node = (view.node.get("security_policy") or view.node).get("resource_limits")
    limits, default = view.policy.resources, DEFAULT_RESOURCES
    if node is None:
        amount = f"{default.memory_mb} MiB, {default.cpu_cores:g} CPU and {default.pids} processes"
        yield view.found("SQJ307", f"{view.name} states no resource_limits, so {amount} apply", view.position)
        return
    most = view.policy.max_execution_time * (limits.cpu_cores or 1.0)
    if limits.cpu_seconds is not None and limits.cpu_seconds > most:
        message = f"{view.name}: an attempt can use {most:g} s of CPU, and cpu_seconds is {limits.cpu_seconds:g}"
        yield view.found("SQJ309", message, _nearest(node, "cpu_seconds").position)
    if view.kind is ExecutionType.SHELL and "disk_mb" in node.pairs and (limits.disk_mb or 0) > (limits.memory_mb or 0):
        message = f"{view.name}: {limits.disk_mb} MiB of scratch do not fit into {limits.memory_mb} MiB of memory"
        yield view.found("SQJ310", message, _nearest(node, "disk_mb").position)
