"""The registry as immutable values: what services exist, how each is executed, and what each may touch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from ..job import ExecutionType, folded
from ..lifecycle import RetryPolicy
from ..policy import Policy

NO_MAPPING: Mapping[str, Any] = MappingProxyType({})


def _no_mapping() -> Mapping[str, Any]:
    return NO_MAPPING  # a factory, because a mapping proxy has no hash before Python 3.12


class Position(NamedTuple):
    """Where a node stands in a file: line and column from 1; `end_column` is after its last character."""

    path: str
    line: int
    column: int
    end_line: int = 0
    end_column: int = 0


class Severity(StrEnum):
    """How bad a finding is; only errors make a registry unusable."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in a registry: stable code, where, what, and how to mend it."""

    code: str  # SQJnnn
    name: str  # the rule's word, kebab-case
    severity: Severity
    message: str
    position: Position
    service: str = ""
    operation: str = ""
    help: str = ""


class OnMissed(StrEnum):
    """What becomes of ticks that passed while no worker was alive."""

    RUN_ONCE = "run_once"  # one job, for the latest of them
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Jobs of one operation that the clock makes."""

    name: str
    cron: str  # five fields, or six with seconds first, or a nickname such as @daily
    timezone: str = "UTC"
    input: Mapping[str, Any] = field(default_factory=_no_mapping)
    tenant_id: UUID | None = None
    priority: int = 0
    on_missed: OnMissed = OnMissed.RUN_ONCE
    skip_overlap: bool = False  # let a tick pass while the job of the one before has not ended
    enabled: bool = True
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A call that a service offers. Schemas are full JSON Schema here, whatever the file's form was."""

    name: str
    service: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None  # None: any output
    output_shorthand: bool = False
    shorthand: bool = False  # the file used {field: type}; the schema then has only draft-4 types, properties and items
    timeout: float | None = None  # seconds
    deadline: float | None = None  # seconds from the job's first due time on, over all attempts
    max_retries: int | None = None
    #: request, argv, command or payload under that key, as written; {} = the execution type's default mapping.
    mapping: Mapping[str, Any] = field(default_factory=_no_mapping)
    schedules: tuple[Schedule, ...] = ()
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: how it is executed and what it is allowed to touch."""

    name: str
    execution_type: ExecutionType
    policy: Policy
    type: str = ""
    category: str = ""
    runner_config: Mapping[str, Any] = field(default_factory=_no_mapping)
    #: Every value that the file gives each runner_config key, over all environments: what a row may repeat.
    declared_config: Mapping[str, tuple[Any, ...]] = field(default_factory=_no_mapping)
    #: The same for security_policy: a row that repeats what some environment states asks for nothing.
    declared_policy: Mapping[str, tuple[Any, ...]] = field(default_factory=_no_mapping)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float | None = None  # seconds; for operations that state none
    deadline: float | None = None  # the same
    operations: Mapping[str, Operation] = field(default_factory=_no_mapping)  # by lower-case name
    position: Position | None = None

    def operation(self, name: str) -> Operation | None:
        """Return the operation of that name, in any case, or None."""
        return self.operations.get(folded(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All services that this host knows, with the digest of the files they came from."""

    services: Mapping[str, Service]  # by lower-case name
    digest: str  # sha256 of the files' bytes and the chosen environment, hex
    paths: tuple[str, ...] = ()
    environment: str = ""

    def service(self, name: str) -> Service | None:
        """Return the service of that name, in any case, or None."""
        return self.services.get(folded(name))

    def operations(self) -> Iterator[tuple[Service, Operation]]:
        """Yield every operation with its service, in file order."""
        for service in self.services.values():
            for operation in service.operations.values():
                yield service, operation
