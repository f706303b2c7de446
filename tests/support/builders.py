"""Services, calls and contexts for runner tests, built directly: no registry file, no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from specql_jobs.core.contract import Call, ExecutionContext, Footprint, StopSignal, Violation
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy, judge
from specql_jobs.core.registry.model import Operation, Service
from specql_jobs.core.secrets import Secrets

JOB_ID = UUID("00000000-0000-4000-8000-00000000cafe")


def make_operation(
    name: str = "op",
    *,
    service: str = "svc",
    mapping: Mapping[str, Any] | None = None,
    output_schema: Mapping[str, Any] | None = None,
    timeout: float | None = None,
) -> Operation:
    """Return an operation that takes any object; `mapping` is its request, argv, command or payload."""
    return Operation(
        name=name,
        service=service,
        input_schema={"type": "object"},
        output_schema=output_schema,
        timeout=timeout,
        mapping=mapping or {},
    )


def make_service(
    execution_type: ExecutionType = ExecutionType.HTTP,
    *,
    name: str = "svc",
    runner_config: Mapping[str, Any] | None = None,
    policy: Policy | None = None,
    operations: Mapping[str, Operation] | None = None,
    **extra: Any,
) -> Service:
    """Return a service with the default (restrictive) policy and one operation `op`, unless told otherwise."""
    return Service(
        name=name,
        execution_type=execution_type,
        policy=policy or Policy(),
        runner_config=runner_config or {},
        operations=operations or {"op": make_operation(service=name)},
        **extra,
    )


def make_call(
    service: Service,
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the glossary's word, as in Call
    *,
    operation: str | Operation = "op",
    mapping: Mapping[str, Any] | None = None,
    **extra: Any,
) -> Call:
    """Return one attempt of `operation`; a `mapping` replaces the one of the named operation."""
    found = operation if isinstance(operation, Operation) else service.operation(operation)
    if found is None or mapping is not None:
        found = make_operation(str(operation), service=service.name, mapping=mapping)
    values: dict[str, Any] = {"policy": service.policy, "job_id": JOB_ID, **extra}
    return Call(operation=found, input=input or {}, **values)


def make_context(
    *,
    policy: Policy | None = None,
    secrets: Mapping[str, str] | None = None,
    timeout_seconds: float = 10.0,
    stop: StopSignal | None = None,
    **extra: Any,
) -> ExecutionContext:
    """Return the surroundings of one execution; the judge is the real one, under `policy` (default: restrictive)."""
    return ExecutionContext(
        job_id=JOB_ID,
        timeout_seconds=timeout_seconds,
        secrets=Secrets(dict(secrets or {})),
        stop=stop or StopSignal(),
        judge=judged_by(policy or Policy()),
        **extra,
    )


def judged_by(policy: Policy) -> Callable[[Footprint], tuple[Violation, ...]]:
    """Return the judge that a worker would hand to a runner under `policy`."""
    return lambda footprint: judge(footprint, policy)
