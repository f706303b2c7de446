"""What the end of a Batch job means: its status, reason, exit code and log lines to one result. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ..core.contract import Failed, JobResult, Outcome
from ..core.job import Category
from .answers import one_line
from .capture import Kept, Redact
from .cgroup import GroupUsage
from .docker_batch_plan import BatchPlan
from .ending import Ending, Said, outcome

SUCCEEDED: Final = "SUCCEEDED"
FINAL: Final = frozenset((SUCCEEDED, "FAILED"))
LONGEST_REASON: Final = 300  # characters of what Batch says

_OUT_OF_MEMORY: Final = re.compile(r"OutOfMemory", re.IGNORECASE)
_HOST_GONE: Final = re.compile(r"Host EC2|terminated\b.*instance|spot interruption", re.IGNORECASE)
_TOO_LONG: Final = re.compile(r"attempt duration exceeded", re.IGNORECASE)
#: The image is not there, or may not be had: trying again would not bring it.
_NO_IMAGE: Final = re.compile(
    r"CannotPull\w*:?.*(?:not found|manifest unknown|does not exist|denied|unauthorized|no basic auth)", re.IGNORECASE
)
_NO_PROGRAM: Final = re.compile(
    r"Cannot(?:Start|Create)ContainerError:?.*(?:executable file not found|no such file|exec format|permission denied)",
    re.IGNORECASE,
)


def exit_code(job: Mapping[str, Any]) -> int | None:
    """Return the container's exit code, None where it has none; `job` is described or listed."""
    places = (job.get("container"), *(each.get("container") for each in reversed(job.get("attempts") or ())))
    return next((int(each["exitCode"]) for each in places if each and each.get("exitCode") is not None), None)


def reasons(job: Mapping[str, Any]) -> str:
    """Return what Batch and its host say about the end, on one line."""
    attempts = list(job.get("attempts") or ())
    last = attempts[-1] if attempts else {}
    told = [(each.get("statusReason"), (each.get("container") or {}).get("reason")) for each in (job, last)]
    return "; ".join(dict.fromkeys(one_line(str(text))[:LONGEST_REASON] for pair in told for text in pair if text))


def result(plan: BatchPlan, job: Mapping[str, Any], code: int | None, log: Kept, redact: Redact) -> JobResult:
    """Return what became of a job that has ended. `log` are its lines, stdout and stderr in one."""
    why, seconds = reasons(job), _seconds(job)
    said = Said.of(log, Kept(0), redact, plan.inner.output_bytes)
    ended_itself = job["status"] == SUCCEEDED
    broken = None if ended_itself else _broken(plan, why)
    found: Outcome | None = broken
    if found is None:
        ending = Ending(
            exit_code=0 if ended_itself else code,
            stop=None,
            flooded=False,
            cpu_exceeded=False,
            confirmed_dead=True,
            seconds=seconds,
            timeout_seconds=plan.inner.timeout_seconds,
            usage=GroupUsage(oom_kills=1) if _OUT_OF_MEMORY.search(why) else None,
        )
        found = outcome(plan.inner, ending, said, answer(log, plan.inner.output_bytes), redact)
    if found is None:
        message = f"AWS Batch ended its job without an exit code: {why or 'no reason given'}"
        found = Failed(Category.INFRASTRUCTURE, redact(message), retryable=True)
    return JobResult(found, {**usage(plan, job), "exit_code": 0 if ended_itself else code}, said.logs())


def _broken(plan: BatchPlan, why: str) -> Failed | None:
    """Return the failure of a job that its host, its image or Batch ended, not the program itself."""
    if _HOST_GONE.search(why):
        return Failed(Category.INFRASTRUCTURE, f"the machine under the Batch job is gone: {why}", retryable=True)
    if _TOO_LONG.search(why):
        message = f"AWS Batch ended the job after {plan.duration} s: {why}"
        return Failed(Category.TIMEOUT, message, retryable=True)
    if _NO_IMAGE.search(why):
        return Failed(Category.INFRASTRUCTURE, f"AWS Batch cannot have the image {plan.inner.image!r}: {why}")
    if _NO_PROGRAM.search(why):
        return Failed(Category.TARGET_ERROR, f"the image cannot run this command: {why}")
    return None


def answer(log: Kept, most: int) -> bytes | None:
    """Return the bytes that may be the output: all lines where they are JSON, else the last; None for a cut log."""
    whole = log.whole(most)
    if whole is None:
        return None
    try:
        json.loads(whole)
    except (ValueError, RecursionError):
        lines = whole.strip().splitlines()
        return lines[-1] if lines else whole
    return whole


def usage(plan: BatchPlan, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return resource usage: times, and what was reserved, for Batch does not say what was used of it."""
    container = job.get("container") or {}
    known = {
        "duration_seconds": _seconds(job),
        "queued_seconds": _between(job, "createdAt", "startedAt"),
        "started_at": _time(job.get("startedAt")),
        "stopped_at": _time(job.get("stoppedAt")),
        "vcpus": _reserved(container, "vcpus", "VCPU") or plan.inner.resources.cpu_cores,
        "memory_mb": _reserved(container, "memory", "MEMORY") or plan.inner.resources.memory_mb,
        "batch_job_id": job.get("jobId"),
        "source": "aws_batch",
    }
    return {key: value for key, value in known.items() if value is not None}


def _reserved(container: Mapping[str, Any], key: str, kind: str) -> float | None:
    stated = [each["value"] for each in container.get("resourceRequirements") or () if each.get("type") == kind]
    value = stated[0] if stated else container.get(key)
    return None if value is None else float(value)


def _seconds(job: Mapping[str, Any]) -> float:
    return _between(job, "startedAt", "stoppedAt") or 0.0


def _between(job: Mapping[str, Any], first: str, last: str) -> float | None:
    one, other = job.get(first), job.get(last)
    return None if not one or not other else round(max(int(other) - int(one), 0) / 1000, 3)


def _time(milliseconds: object) -> str | None:
    if not isinstance(milliseconds, int) or milliseconds <= 0:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
