"""What a runner is: plan (pure) -> judge (policy) -> execute (the only I/O), and the values that pass between them.

A runner states what it would touch, as a Footprint; only `policy.judge` says no. What is executed is the very plan
value that was judged, so what dry-run prints is what run does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from .footprint import Endpoint, Footprint, FunctionRef, Mount, ResourceRequirements, Violation
from .functions import LATEST, FunctionName, parse_function, region_in_host
from .job import Category, ExecutionType
from .outcome import (
    Cancelled,
    Failed,
    Interrupted,
    JobResult,
    LogChunk,
    Outcome,
    Refused,
    Succeeded,
)
from .stop import StopReason, StopSignal

if TYPE_CHECKING:
    from .policy import Policy
    from .registry.model import Operation, Service
    from .secrets import Secrets

SpecT = TypeVar("SpecT")


# ---- what is asked and planned --------------------------------------------------------------------------------------


class Call(NamedTuple):
    """One attempt of one job, as a runner sees it: an operation, validated input, and the job's identity.

    A tuple for the same reason as Footprint: every job makes one.
    """

    operation: Operation
    input: Mapping[str, Any]
    policy: Policy  # effective for this job: the limits to plan with
    job_id: UUID
    lease_seq: int = 0
    attempt: int = 1
    idempotency_key: str = ""  # stable across the attempts of one job
    correlation_id: str = ""
    timeout_seconds: float = 300.0


class Plan(Protocol):
    """Exactly what will be done: pure data, no secret in it."""

    @property
    def footprint(self) -> Footprint:
        """All that executing this plan would touch."""

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON-able data for dry-run and audit; secrets appear by name only."""


PlanT = TypeVar("PlanT", bound=Plan)


class PlanError(Exception):
    """The input or configuration cannot be made into a plan: a job's failure, not a bug."""

    def __init__(self, message: str, category: Category = Category.INVALID_INPUT) -> None:
        super().__init__(message)
        self.message = message
        self.category = category


# ---- the surroundings of one execution ----------------------------------------------------------------------------


def _allow_all(_footprint: Footprint) -> tuple[Violation, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionContext:
    """What a runner may use while it executes: the clock it has left, secrets, the judge, and the stop signal.

    `judge` is asked again with what only execution can know (resolved addresses and paths).
    """

    job_id: UUID
    timeout_seconds: float
    secrets: Secrets
    lease_seq: int = 0
    attempt: int = 1
    worker_id: str = ""
    stop: StopSignal = field(default_factory=StopSignal)
    judge: Callable[[Footprint], tuple[Violation, ...]] = _allow_all


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: status is ok, warn, fail or skip; `fix` is what to type."""

    name: str
    status: str
    detail: str
    fix: str = ""


class JobRunner(ABC, Generic[SpecT, PlanT]):
    """Executes one execution type. Holds pools and caches; holds no job's data between calls."""

    execution_type: ClassVar[ExecutionType]
    version: ClassVar[str]  # stored in the row as runner_version, e.g. "http/1"

    @abstractmethod
    def validate_config(self, service: Service) -> SpecT:
        """Return the service's settings, typed; raise ConfigError naming the field. Pure; called once per service."""

    @abstractmethod
    def plan(self, spec: SpecT, call: Call) -> PlanT:
        """Return exactly what will be done. Pure and deterministic; raise PlanError for input that has no plan."""

    @abstractmethod
    async def execute(self, plan: PlanT, context: ExecutionContext) -> JobResult:
        """Do what the plan says, within its limits, and return exactly one outcome; never raise for a job's failure."""

    @abstractmethod
    def get_resource_requirements(self, plan: PlanT) -> ResourceRequirements:
        """Return what executing the plan may consume."""

    @abstractmethod
    async def check(self) -> list[Check]:
        """Return what this host can really enforce for this runner."""

    async def cancel(self, context: ExecutionContext) -> None:
        """Ask a running execution to stop; its `execute` returns once everything it started has ended."""
        context.stop.request(StopReason.CANCELLED)

    async def sweep(self, alive: frozenset[str]) -> list[str]:  # noqa: ARG002 - the default leaves nothing to sweep
        """Remove what crashed workers left behind, except for the worker ids in `alive`; return what was removed."""
        return []

    async def aclose(self) -> None:
        """Release pools; the runner is not used afterwards."""


#: The original plan's name for the same thing.
ExecutionRunner = JobRunner

__all__ = [
    "LATEST",
    "Call",
    "Cancelled",
    "Check",
    "Endpoint",
    "ExecutionContext",
    "ExecutionRunner",
    "Failed",
    "Footprint",
    "FunctionName",
    "FunctionRef",
    "Interrupted",
    "JobResult",
    "JobRunner",
    "LogChunk",
    "Mount",
    "Outcome",
    "Plan",
    "PlanError",
    "Refused",
    "ResourceRequirements",
    "StopReason",
    "StopSignal",
    "Succeeded",
    "Violation",
    "parse_function",
    "region_in_host",
]
