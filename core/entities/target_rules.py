"""Rules about what a call names, and about how long and how often it is tried."""

from __future__ import annotations

from collections.abc import Iterator

from ..registry.model import Finding
from ..registry.reliability_rules import repeats_a_write
from .field_types import of_schema
from .hints import hint, near
from .view import CallView


def service(view: CallView) -> Iterator[Finding]:
    """A service that the registry does not have."""
    stated = view.call.service
    if view.registry is None or view.service is not None or not stated.value:
        return
    known = [each.name for each in view.registry.services.values()]
    having = [each.name for each in view.registry.services.values() if each.operation(view.call.operation.value)]
    message = f"the registry has no service {stated.value[:80]!r}"
    likely = f"{having[0]} has an operation of that name" if len(having) == 1 and not near(stated.value, known) else ""
    yield view.found("SQJ611", message, stated.position, likely or hint(stated.value, known, "the registry has"))


def operation(view: CallView) -> Iterator[Finding]:
    """An operation that the service does not have."""
    stated = view.call.operation
    if view.service is None or view.operation is not None or not stated.value:
        return
    known = [each.name for each in view.service.operations.values()]
    message = f"{view.service.name} has no operation {stated.value[:80]!r}"
    yield view.found("SQJ612", message, stated.position, hint(stated.value, known, "it has"))


# ---- time and retries ------------------------------------------------------------------------------------------------


def timeout(view: CallView) -> Iterator[Finding]:
    """A step that gives its job more time than the policy, or than the operation itself, allows."""
    stated = view.call.timeout
    if stated is None or view.service is None or view.operation is None:
        return
    limit = view.service.policy.max_execution_time
    own = view.operation.timeout or view.service.timeout
    if stated.value > limit:
        message = f"the step gives {view.call.whole} {stated.value} s; its service's max_execution_time is {limit:g} s"
        yield view.found("SQJ631", message, stated.position)
    elif own is not None and stated.value > own:
        message = f"the step gives {view.call.whole} {stated.value} s; the registry gives it {own:g} s"
        yield view.found("SQJ632", message, stated.position)


def retries(view: CallView) -> Iterator[Finding]:
    """Retries of what could then be done twice, when nothing in the step says what makes two attempts one."""
    stated = view.call.max_retries
    if stated is None or stated.value < 1 or view.call.idempotency_key or view.service is None or not view.operation:
        return
    request = view.operation.mapping.get("request", {})
    fields = of_schema(view.operation.input_schema).fields or {}
    has_url = view.service.runner_config.get("base_url") is not None
    method = str(request.get("method", "POST")).upper()
    if repeats_a_write(view.service.execution_type, method, fields, has_url=has_url):
        message = f"{view.call.whole} is tried up to {stated.value + 1} times: does the target know Idempotency-Key?"
        yield view.found("SQJ633", message, stated.position)
