"""The runner under test, the jobs that show what it does, and the way a worker would take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from ..contract import ExecutionContext, JobRunner, StopSignal
from ..job import ExecutionType, JobRecord
from ..policy import Policy, judge
from ..registry.model import Registry, Service
from ..secrets import Secrets
from ..worker.planner import Draft, Planner


@dataclass(frozen=True, slots=True)
class Try:
    """One job: an operation of the subject's service, and its input."""

    operation: str
    input: Mapping[str, Any] = field(default_factory=dict)


def _nothing() -> list[str]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A runner with a service of its type and jobs whose ends are known. The far end is real.

    `waits` does not end within a minute unless it is stopped; `floods` says more than its policy's max_output_bytes.
    `secret` is a value that `secrets` resolves and that the service uses; "" where the type knows no secrets.
    `begun` says, seen from outside, whether a `waits` job is under way; `left` names what of the jobs is still there
    (processes, containers, connections, folders) and must become empty. `touches_nothing`: the footprint is empty.
    """

    runner: JobRunner[Any, Any]
    service: Service
    succeeds: Try
    fails: Try
    waits: Try
    floods: Try | None = None
    secrets: Secrets = field(default_factory=Secrets)
    secret: str = ""
    begun: Callable[[], bool]
    left: Callable[[], list[str]] = _nothing
    touches_nothing: bool = False

    def runner_of(self, _type: ExecutionType) -> JobRunner[Any, Any]:
        """Return the runner: a worker asks its installation by type."""
        return self.runner

    def draft(self, tried: Try, *, job_id: UUID | None = None, attempt: int = 1) -> Draft:
        """Plan and judge one job as a worker does."""
        planner = Planner(Registry(services={self.service.name.lower(): self.service}, digest="0" * 64), _One(self))
        prepared = planner.prepared(self.service.name, tried.operation)
        job = JobRecord(job_id or uuid4(), self.service.name, tried.operation, lease_seq=attempt, attempts=attempt)
        return planner.draft(prepared, job, dict(tried.input))

    def context(
        self, draft: Draft, *, stop: StopSignal | None = None, seconds: float | None = None
    ) -> ExecutionContext:
        """Return the surroundings that a worker would give one execution."""
        call = draft.call
        return ExecutionContext(
            job_id=call.job_id,
            timeout_seconds=call.timeout_seconds if seconds is None else seconds,
            secrets=self.secrets,
            lease_seq=call.lease_seq,
            attempt=call.attempt,
            worker_id="conformance",
            stop=stop or StopSignal(),
            judge=lambda footprint: judge(footprint, call.policy),
        )

    def under(self, policy: Policy, tried: Try) -> tuple[str, ...]:
        """Return the codes of what `policy` does not allow of one job."""
        return tuple(violation.code for violation in judge(self.draft(tried).footprint, policy))


@dataclass(frozen=True, slots=True)
class _One:
    """An installation with the one runner."""

    subject: Subject

    def runner(self, execution_type: ExecutionType) -> JobRunner[Any, Any]:
        return self.subject.runner_of(execution_type)


class Rules:
    """Gives each rule its subject; whoever tests a runner says how one is made."""

    def subject(self) -> AbstractContextManager[Subject]:
        """Yield a fresh subject; what it started is ended afterwards."""
        raise NotImplementedError("a conformance class yields its Subject from `subject`")
