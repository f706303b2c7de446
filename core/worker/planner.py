"""From an operation's name to a judged plan: resolve, validate, plan, judge. Shared by the worker and by `run`.

What does not change from job to job is made once per operation (Prepared); a job pays only for its own input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from ..contract import Call, Footprint, JobRunner, Plan, Violation
from ..errors import InvalidInput
from ..job import ExecutionType, JobRecord, folded
from ..lanes import Breaker, limits_of
from ..lifecycle import DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT, Origin
from ..narrow import Ceiling, config_violations, narrow
from ..policy import Policy
from ..registry.lookup import find
from ..registry.model import Operation, Registry, Service
from ..registry.schemas import Validator, for_input, for_output, parse_input
from ..verdicts import Verdicts
from .lane_board import ServiceTerms

_NO_VIOLATIONS: tuple[Violation, ...] = ()


class Runners(Protocol):
    """Gives the runner of an execution type; raises RunnerUnavailable when this host has none."""

    def runner(self, execution_type: ExecutionType) -> JobRunner[Any, Any]:
        """Return the one runner for that type."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One operation, ready to plan: everything about it that does not depend on a job."""

    service: Service
    operation: Operation
    runner: JobRunner[Any, Any]
    spec: Any
    policy: Policy
    verdicts: Verdicts
    input: Validator
    output: Validator | None
    origin: Origin

    def read(self, document: str) -> dict[str, Any]:
        """Return a job's input as data; raise InvalidInput naming every problem."""
        data: dict[str, Any] = parse_input(document)
        self._refuse(self.input.check_parsed(data))
        return data

    def check(self, data: object) -> None:
        """Raise InvalidInput unless `data` fits the operation's input_schema."""
        self._refuse(self.input.check(data))

    def _refuse(self, problems: tuple[str, ...]) -> None:
        if problems:
            name = f"{self.service.name}.{self.operation.name}"
            raise InvalidInput(f"the input does not fit {name}: {'; '.join(problems)}", problems=problems)

    def max_attempts(self, job: JobRecord) -> int:
        """Return how often the job may be tried: the row's word, else the operation's, else the service's."""
        if job.max_attempts is not None:
            return job.max_attempts
        for retries in (self.operation.max_retries, self.service.retry.max_retries):
            if retries is not None:
                return retries + 1
        return DEFAULT_MAX_ATTEMPTS

    def timeout(self, job: JobRecord, policy: Policy) -> float:
        """Return the attempt's seconds: the row's word, else the operation's, else the service's, else the default.

        `policy` is the job's; where its row has narrowed the time, what the registry says is shortened to it.
        """
        if job.timeout_seconds is not None:
            return float(job.timeout_seconds)
        stated = (seconds for seconds in (self.operation.timeout, self.service.timeout) if seconds is not None)
        seconds = next(stated, min(DEFAULT_TIMEOUT, policy.max_execution_time))
        narrowed = policy.max_execution_time < self.policy.max_execution_time
        return float(min(seconds, policy.max_execution_time) if narrowed else seconds)

    def seconds_left(self, job: JobRecord, now: float) -> float | None:
        """Return seconds to the job's deadline: the row's, else the operation's, else the service's; None without one.

        `now` in monotonic seconds. What the registry says counts from the job's due time.
        """
        if job.deadline is not None:
            return job.deadline - now
        stated = self.service.deadline if self.operation.deadline is None else self.operation.deadline
        return None if stated is None or job.due is None else job.due + stated - now


class Draft(NamedTuple):
    """A plan and the verdict on it. Nothing has been touched."""

    prepared: Prepared
    call: Call
    plan: Plan
    footprint: Footprint
    violations: tuple[Violation, ...]


class Planner:
    """Resolves operations of one registry under one host ceiling. Replaced whole when the registry is reloaded."""

    def __init__(self, registry: Registry, runners: Runners, ceiling: Ceiling | None = None) -> None:
        self.registry = registry
        self._runners = runners
        self._ceiling = ceiling
        self._prepared: dict[tuple[str, str], Prepared] = {}
        self._specs: dict[str, Any] = {}
        self._terms: dict[str, ServiceTerms] = {}

    def prepared(self, service_name: str, operation_name: str) -> Prepared:
        """Return the operation, ready to plan; raise NotFound, RunnerUnavailable or ConfigError."""
        key = (folded(service_name), folded(operation_name))  # rows write names in any case: one entry for all
        found = self._prepared.get(key)
        return found or self._prepared.setdefault(key, self._prepare(service_name, operation_name))

    def _prepare(self, service_name: str, operation_name: str) -> Prepared:
        service, operation = find(self.registry, service_name, operation_name)
        runner, policy = self._runners.runner(service.execution_type), self._under_ceiling(service)
        if service.name not in self._specs:
            self._specs[service.name] = runner.validate_config(service)
        return Prepared(
            service=service,
            operation=operation,
            runner=runner,
            spec=self._specs[service.name],
            policy=policy,
            verdicts=Verdicts(policy),
            input=for_input(operation),
            output=for_output(operation),
            origin=self._origin(service, runner, policy),
        )

    def _origin(self, service: Service, runner: JobRunner[Any, Any], policy: Policy) -> Origin:
        sandbox = policy.sandbox if service.execution_type is ExecutionType.SHELL else ""
        return Origin(service.execution_type, runner.version, self.registry.digest, policy.digest(), sandbox)

    def terms(self, service_name: str) -> ServiceTerms:
        """Return what the registry, under the ceiling, says of claiming a service; nothing of one it does not have."""
        found = self._terms.get(service_name)
        return found or self._terms.setdefault(service_name, self._terms_of(self.registry.service(service_name)))

    def service_types(self) -> dict[str, str]:
        """Return the execution type of each service, by its folded name."""
        return {name: service.execution_type.value for name, service in self.registry.services.items()}

    def breakers(self) -> Callable[[str], Breaker | None] | None:
        """Return what finds a service's breaker; None when no service has one."""
        if all(self.terms(name).limits.breaker is None for name in self.registry.services):
            return None
        return lambda name: self.terms(name).limits.breaker

    def counted_services(self) -> frozenset[str]:
        """Return the services whose claims count what all workers do."""
        return frozenset(name for name in self.registry.services if self.terms(name).limits.counted)

    def _terms_of(self, service: Service | None) -> ServiceTerms:
        if service is None:
            return ServiceTerms()
        return ServiceTerms(service.execution_type.value, limits_of(self._under_ceiling(service)))

    def _under_ceiling(self, service: Service) -> Policy:
        if self._ceiling is None:
            return service.policy
        policy, _decided = self._ceiling.hold(service.policy, service.execution_type)
        return policy

    def origin(self, prepared: Prepared, job: JobRecord) -> Origin:
        """Return what a settlement of the job says about its origin: the policy's digest is that of the job's own."""
        if not (job.security_context or job.runner_config):
            return prepared.origin
        return replace(prepared.origin, policy_digest=_narrowed(prepared, job)[0].digest())

    def draft(
        self, prepared: Prepared, job: JobRecord, data: Mapping[str, Any], seconds_left: float | None = None
    ) -> Draft:
        """Return the judged plan of one attempt; raise PlanError where the input has no plan. Pure.

        `seconds_left` to the job's deadline shorten the attempt's timeout.
        """
        policy, judged, violations = prepared.policy, prepared.verdicts.judge, _NO_VIOLATIONS
        if job.security_context or job.runner_config:
            policy, violations = _narrowed(prepared, job)
            judged = Verdicts(policy).judge
        timeout = prepared.timeout(job, policy)
        call = Call(
            operation=prepared.operation,
            input=data,
            policy=policy,
            job_id=job.id,
            lease_seq=job.lease_seq,
            attempt=job.attempts,
            idempotency_key=job.idempotency_key or "",
            correlation_id=job.correlation_id or "",
            timeout_seconds=timeout if seconds_left is None else min(timeout, seconds_left),
        )
        plan = prepared.runner.plan(prepared.spec, call)
        footprint = plan.footprint
        return Draft(prepared, call, plan, footprint, (*violations, *judged(footprint)))


def _narrowed(prepared: Prepared, job: JobRecord) -> tuple[Policy, tuple[Violation, ...]]:
    """Apply what the row asks for: less is granted, more is a violation."""
    policy, violations = narrow(prepared.policy, job.security_context or {}, prepared.service.declared_policy)
    return policy, (*violations, *config_violations(prepared.service, job.runner_config or {}))
