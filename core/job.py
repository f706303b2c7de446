"""The words for a job: its execution type, status, error category, and the frozen records that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class ExecutionType(StrEnum):
    """How a service is executed. Stored and printed in lower case; read in any case and by alias."""

    HTTP = "http"
    SHELL = "shell"
    DOCKER = "docker"
    SERVERLESS = "serverless"

    @classmethod
    def parse(cls, text: str) -> ExecutionType:
        """Return the type that `text` names, in any case or by alias; raise ValueError for anything else."""
        word = text.strip().lower()
        return cls(EXECUTION_TYPE_ALIASES.get(word, word))


#: Other words that registries and rows use for an execution type (accepted on input, never printed).
EXECUTION_TYPE_ALIASES = {
    "local_process": "shell",
    "process": "shell",
    "script": "shell",
    "container": "docker",
    "lambda": "serverless",
    "function": "serverless",
    "api": "http",
}


class Status(StrEnum):
    """The five states of a job. `failed` is the dead-letter queue: nothing more happens by itself."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to the job by itself."""
        return self in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class Category(StrEnum):
    """Why an attempt failed: a closed list, stored in `error_category`."""

    INVALID_INPUT = "invalid_input"
    INVALID_OUTPUT = "invalid_output"
    POLICY_VIOLATION = "policy_violation"
    TIMEOUT = "timeout"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    CANCELLED = "cancelled"
    TARGET_ERROR = "target_error"  # the called thing said no: 4xx, exit code, function error
    TARGET_UNAVAILABLE = "target_unavailable"  # connect, 5xx, throttled
    INFRASTRUCTURE = "infrastructure"  # docker, the sandbox or AWS could not start it
    WORKER_LOST = "worker_lost"
    CRASH_LOOP = "crash_loop"
    CALLBACK_ERROR = "callback_error"
    DEPENDENCY_FAILED = "dependency_failed"  # a job that it waited for failed or was cancelled; never executed
    INTERNAL = "internal"


class DependencyFailure(StrEnum):
    """What becomes of a job when one that it waits for fails or is cancelled."""

    FAIL = "fail"  # it fails too, with `dependency_failed`
    SKIP = "skip"  # it is cancelled
    RUN = "run"  # it runs all the same


class JobRecord(NamedTuple):
    """One claimed job: the small columns that a claim returns. Its input is fetched apart (see Store.documents)."""

    id: UUID
    service_name: str
    operation: str
    lease_seq: int  # the fence: only rises, never reset
    attempts: int  # this attempt's number, from 1; what max_attempts bounds
    max_attempts: int | None = None  # None: the registry decides
    timeout_seconds: int | None = None  # None: the registry decides
    crash_count: int = 0
    idempotency_key: str | None = None
    tenant_id: UUID | None = None
    correlation_id: str | None = None
    has_callback: bool = False  # whether one was registered, for either outcome, when the job was claimed
    runner_config: dict[str, object] | None = None  # what the row asks for; may only repeat the registry
    security_context: dict[str, object] | None = None  # what the row asks for; may only narrow the policy
    due: float | None = None  # when it was due, in this host's monotonic seconds; None: outside of the queue
    deadline: float | None = None  # likewise; None: the registry decides


@dataclass(frozen=True, slots=True)
class NewJob:
    """One job to enqueue. `input_data` is JSON text of an object."""

    service_name: str
    operation: str
    input_data: str = "{}"
    execution_type: ExecutionType | None = None
    run_at: datetime | None = None
    delay_seconds: float | None = None  # relative to the database's clock; excludes run_at
    priority: int = 0  # higher runs first
    idempotency_key: str | None = None
    tenant_id: UUID | None = None
    correlation_id: str | None = None
    max_attempts: int | None = None
    timeout_seconds: int | None = None
    id: UUID | None = None  # None: made when it is inserted. To be named in depends_on by later jobs of the same batch
    depends_on: tuple[UUID, ...] = ()  # jobs that exist, or earlier ones of the same batch; see docs/dependencies.md
    on_dependency_failure: DependencyFailure = DependencyFailure.FAIL
    parent_id: UUID | None = None  # the job that made this one: a link for people, nothing waits for it
    deadline_seconds: float | None = None  # from its first due time on; no attempt starts after it


def folded(name: str) -> str:
    """Return a name as registries keep it and the queue's order folds it: ASCII letters only.

    Like lower(name COLLATE "C"). Python also folds letters to ASCII (the Kelvin sign) that Postgres does not: a row
    with one must not be another service to a pause than to the worker.
    """
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")
