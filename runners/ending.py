"""What a program's end means: its exit code, limits, streams and counters to one outcome. Pure.

Shared by programs in a sandbox and in a container.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.contract import Failed, LogChunk, Outcome, ResourceRequirements, StopReason, Succeeded
from ..core.job import Category
from .capture import Kept, Redact, cut, safe_json
from .cgroup import MIB, GroupUsage

LONGEST_LAST_LINE = 500  # bytes of stderr in an error message


class Bounds(Protocol):
    """What of a plan decides how its end is read."""

    @property
    def resources(self) -> ResourceRequirements:
        """The limits that it ran under."""

    @property
    def output_bytes(self) -> int:
        """The most output that is kept."""

    @property
    def streams(self) -> bool:
        """Whether the output is {exit_code, stdout, stderr}, even where stdout is JSON."""

    @property
    def any_json(self) -> bool:
        """Whether JSON other than an object is output too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What was seen of one job's end."""

    exit_code: int | None  # None: the program was never started
    stop: StopReason | None
    flooded: bool
    cpu_exceeded: bool
    confirmed_dead: bool
    seconds: float
    timeout_seconds: float
    usage: GroupUsage | None  # None: no control group measured it
    disk_exceeded: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The captured output as safe text."""

    stdout: str
    stderr: str
    cut_stdout: bool
    cut_stderr: bool

    @classmethod
    def of(cls, stdout: Kept, stderr: Kept, redact: Redact, most: int) -> Said:
        """Return both streams, together at most `most` bytes; stderr gets a quarter at most."""
        last = stderr.text(redact, most // 4)
        room = most - len(last.encode())
        return cls(stdout.text(redact, room), last, stdout.total > room, stderr.total > most // 4)

    def logs(self) -> tuple[LogChunk, ...]:
        """Return what is stored as the job's log; nothing for a stream without output."""
        pieces = (("stdout", self.stdout, self.cut_stdout), ("stderr", self.stderr, self.cut_stderr))
        return tuple(LogChunk(stream, text, truncated) for stream, text, truncated in pieces if text)

    def output(self, exit_code: int | None) -> dict[str, Any]:
        """Return the streams as a job's output."""
        streams: dict[str, Any] = {"exit_code": exit_code, "stdout": self.stdout, "stderr": self.stderr}
        return {**streams, "truncated": True} if self.cut_stdout or self.cut_stderr else streams


def outcome(plan: Bounds, ending: Ending, said: Said, stdout: bytes | None, redact: Redact) -> Outcome | None:
    """Return what became of a job that has ended, None where its program was never started and nothing stopped it.

    `stdout` is its whole raw output, None where it was cut.
    """
    if not ending.confirmed_dead:
        return Failed(Category.INFRASTRUCTURE, "the job's processes hang in the kernel and could not be killed")
    if ending.stop in (StopReason.CANCELLED, StopReason.INTERRUPTED):
        return ending.stop.outcome(ending.timeout_seconds)
    exhausted = _exhausted(plan, ending)
    if exhausted:
        return Failed(Category.RESOURCE_EXHAUSTED, exhausted, output=said.output(ending.exit_code))
    if ending.stop is not None:
        return ending.stop.outcome(ending.timeout_seconds)
    if ending.exit_code == 0:
        return Succeeded(_result(plan, said, stdout, redact))
    return None if ending.exit_code is None else _failed(ending.exit_code, said)


def _failed(exit_code: int, said: Said) -> Failed:
    message = _failure(exit_code, said)
    return Failed(Category.TARGET_ERROR, message, retryable=True, output=said.output(exit_code))


def _exhausted(plan: Bounds, ending: Ending) -> str:
    """Return which limit ended the job, or "". An out-of-memory kill counts even where the exit code is 0."""
    usage, limits = ending.usage or GroupUsage(), plan.resources
    if usage.oom_kills:
        return f"memory limit of {limits.memory_mb} MiB reached: the kernel killed {usage.oom_kills} of its processes"
    if ending.flooded:
        return f"wrote more than {flood_limit(plan)} bytes of output (max_output_bytes is {plan.output_bytes})"
    if ending.cpu_exceeded or _ended_by(ending.exit_code, signal.SIGXCPU):
        return f"cpu_seconds limit of {limits.cpu_seconds:g} s reached" if limits.cpu_seconds else ""
    if usage.forks_refused and ending.exit_code and ending.stop is None:
        return f"limit of {limits.pids} processes and threads reached, then {_exit_words(ending.exit_code)}"
    if ending.disk_exceeded or _ended_by(ending.exit_code, signal.SIGXFSZ):
        what = "" if ending.disk_exceeded else " for one file"
        return f"disk_mb limit of {limits.disk_mb} MiB{what} reached"
    return ""


def flood_limit(plan: Bounds) -> int:
    """Return at how many bytes of output a job is ended rather than listened to."""
    return 8 * plan.output_bytes


def _result(plan: Bounds, said: Said, stdout: bytes | None, redact: Redact) -> Any:
    if plan.streams or stdout is None:
        return said.output(0)
    try:
        value = safe_json(stdout, redact)
    except ValueError:
        return said.output(0)
    return value if plan.any_json or isinstance(value, dict) else said.output(0)


def _failure(exit_code: int, said: Said) -> str:
    lines = said.stderr.strip().splitlines()
    last = cut(lines[-1].strip(), LONGEST_LAST_LINE) if lines else ""
    return _exit_words(exit_code) + (f": {last}" if last else "")


def _exit_words(exit_code: int) -> str:
    number = -exit_code if exit_code < 0 else exit_code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {exit_code}"
    if exit_code < 0:
        return f"killed by signal {number} ({name})"
    return f"exit code {exit_code} (killed by signal {number} {name}, or its own)"


def _ended_by(exit_code: int | None, number: signal.Signals) -> bool:
    return exit_code in (-number, 128 + number)


# ---- usage ---------------------------------------------------------------------------------------------------------


def usage_of(ending: Ending) -> Mapping[str, Any]:
    """Return resource usage by the keys of `resource_usage`; "source" says whether control groups measured it."""
    usage = ending.usage
    known: dict[str, Any] = {"duration_seconds": round(ending.seconds, 4), "exit_code": ending.exit_code}
    if usage is None:
        return {**known, "source": "estimate", "limits": "weak"}
    if usage.cpu_seconds is not None:
        known["cpu_seconds"] = round(usage.cpu_seconds, 4)
        known["cpu_usage_percent"] = round(100 * usage.cpu_seconds / max(ending.seconds, 0.001), 1)
    if usage.peak_bytes is not None:
        known["memory_mb"] = known["peak_memory_mb"] = round(usage.peak_bytes / MIB, 2)
    if usage.io_bytes is not None:
        known["disk_mb"] = round(usage.io_bytes / MIB, 2)
    return {**known, "source": "cgroup"}
