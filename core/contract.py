"""What a runner is: plan (pure) -> judge (policy) -> execute (the only I/O), and the values that pass between them.

A runner states what it would touch, as a Footprint; only `policy.judge` says no. What is executed is the very plan
value that was judged, so what dry-run prints is what run does.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from .job import Category, ExecutionType

if TYPE_CHECKING:
    from .policy import Policy
    from .registry.model import Operation, Service
    from .secrets import Secrets

T = TypeVar("T")
SpecT = TypeVar("SpecT")


# ---- what would be touched ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A network address that a plan would connect to. `address` is the resolved IP, known only while executing."""

    scheme: str
    host: str  # lower case, no brackets
    port: int
    address: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A host path made visible to a job. `host_path` is absolute; `mode` is "ro" or "rw"."""

    host_path: str
    job_path: str
    mode: str


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A cloud function that a plan would invoke."""

    provider: str
    region: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequirements:
    """What an execution may consume. None means: this runner does not limit it."""

    memory_mb: int | None = None  # MiB, all processes of the job together
    cpu_cores: float | None = None  # share of CPU time, 1.0 = one core
    cpu_seconds: float | None = None  # total CPU time, all processes
    pids: int | None = None  # processes and threads
    open_files: int | None = None  # per process
    disk_mb: int | None = None  # MiB of private scratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """All that a plan would touch, in words common to every runner. Policy judges this and nothing else."""

    endpoints: tuple[Endpoint, ...] = ()
    commands: tuple[str, ...] = ()  # executables on this host
    images: tuple[str, ...] = ()
    functions: tuple[FunctionRef, ...] = ()
    mounts: tuple[Mount, ...] = ()
    working_directory: str = ""  # on this host; "" = private scratch
    network: str = "none"  # none | localhost | all; processes and containers only
    localhost_ports: tuple[int, ...] = ()
    env: tuple[str, ...] = ()  # names set by the registry
    input_env: tuple[str, ...] = ()  # names set by the job's input
    secrets: tuple[str, ...] = ()  # names, never values
    sandbox: str = ""  # "" (not a process) | required | none
    request_bytes: int = 0
    output_bytes: int = 0  # the most that this plan would accept as output
    timeout_seconds: float = 0.0
    resources: ResourceRequirements = field(default_factory=ResourceRequirements)


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that policy does not allow. `field` is the policy key that decided it."""

    code: str
    message: str
    field: str


# ---- what is asked and planned --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt of one job, as a runner sees it: an operation, validated input, and the job's identity."""

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


# ---- what came of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The target did what was asked. `output` is JSON-able."""

    output: Any = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `message` is safe to store and show; `retry_after` is seconds, asked for by the target.

    `output` is what the target said all the same (an error body, the exit code), for people to read.
    """

    category: Category
    message: str
    retryable: bool = False
    retry_after: float | None = None
    output: Any = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Policy said no; nothing was executed, or it was stopped before it touched what was refused."""

    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person cancelled the job, and the runner has stopped."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The worker is shutting down, or this host cannot run it now: give the attempt back."""

    message: str = ""
    delay_seconds: float = 0.0


Outcome = Succeeded | Failed | Refused | Cancelled | Interrupted


@dataclass(frozen=True, slots=True)
class LogChunk:
    """A piece of captured output: `stream` is stdout, stderr or http; `text` is redacted and bounded."""

    stream: str
    text: str
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class JobResult:
    """One execution's outcome, resource usage (keys of CONTRACT 5) and captured output."""

    outcome: Outcome
    usage: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[LogChunk, ...] = ()


# ---- the surroundings of one execution ------------------------------------------------------------------------------


class StopReason(StrEnum):
    """Why an execution must end before its work is done."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    def outcome(self, timeout_seconds: float) -> Outcome:
        """Return the outcome of an execution that was stopped for this reason and has stopped."""
        match self:
            case StopReason.TIMEOUT:
                return Failed(Category.TIMEOUT, f"stopped after its timeout of {timeout_seconds:g} s", retryable=True)
            case StopReason.CANCELLED:
                return Cancelled()
            case StopReason.INTERRUPTED:
                return Interrupted("the worker is shutting down")


class StopSignal:
    """Asks one execution to stop: set once by the worker, raced against the work by the runner."""

    __slots__ = ("_waiters", "reason")

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self._waiters: list[asyncio.Future[None]] = []

    def request(self, reason: StopReason) -> None:
        """Ask the execution to stop; the first reason stays."""
        if self.reason is None:
            self.reason = reason
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def race(self, work: Awaitable[T], seconds: float) -> T | StopReason:
        """Return the result of `work`, or why it was stopped; stopped work has been cancelled and awaited."""
        if self.reason is not None:
            if asyncio.iscoroutine(work):
                work.close()
            return self.reason
        task = asyncio.ensure_future(work)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait({task, waiter}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            return self.reason or StopReason.TIMEOUT
        finally:
            self._waiters.remove(waiter)
            waiter.cancel()
            await _end(task)


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel `task` if it still runs and wait until it has ended; its own late error has no reader any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()


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
