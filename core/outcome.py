"""What came of an execution: outcomes are values, one type each, matched once in `lifecycle.settle`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .footprint import Violation
from .job import Category


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


#: Keys of an execution's usage, as far as its runner knows them: numbers, and words.
USAGE_NUMBERS = (
    "duration_seconds",
    "cpu_seconds",
    "cpu_usage_percent",
    "memory_mb",
    "peak_memory_mb",
    "disk_mb",
    "network_bytes",
    "exit_code",
    "status_code",
    "billed_ms",
    "cost_usd",
)
USAGE_WORDS = ("container_id", "image_id", "image_digest")


@dataclass(frozen=True, slots=True)
class JobResult:
    """One execution's outcome, resource usage (USAGE_NUMBERS, USAGE_WORDS) and captured output."""

    outcome: Outcome
    usage: Mapping[str, Any] = field(default_factory=dict)
    logs: tuple[LogChunk, ...] = ()
