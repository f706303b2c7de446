"""What the end of a container means, and what the engine's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..core.contract import Failed, Interrupted, Outcome, ResourceRequirements
from ..core.job import Category
from .cgroup import MIB, GroupUsage
from .docker_create import Image
from .docker_engine import EngineError
from .docker_usage import Sample
from .ending import Ending, usage_of

KILLED = 137  # exit code of a program that ended by SIGKILL
BATCH = 256 * 1024  # bytes; the kernel charges memory in batches of 64 pages, on each processor
RETRY_SECONDS = 5.0  # before a job is claimed again that found no engine

#: The engine's words for a command that the image does not have, or that is no program.
_NO_PROGRAM = ("executable file not found", "no such file or directory", "exec format error", "permission denied")


def engine_outcome(error: EngineError, *, started: bool) -> Outcome:
    """Return what becomes of a job that the engine refused, or was not there for.

    Before the start nothing has happened, so the attempt is given back; a container that was lost half way may have
    done its work.
    """
    if error.down and not started:
        return Interrupted(error.message, RETRY_SECONDS)
    if error.down:
        return Failed(Category.INFRASTRUCTURE, f"lost while the job ran: {error.message}", retryable=True)
    words = error.message.lower()
    if any(sign in words for sign in _NO_PROGRAM):
        return Failed(Category.TARGET_ERROR, f"the image cannot run this command: {error.message}")
    broken = (error.status or 500) >= 500
    message = f"the container could not be started: {error.message}"
    return Failed(Category.INFRASTRUCTURE, message, retryable=broken)


def image_missing(image: str) -> Outcome:
    """Return the failure of a job whose image this engine does not have: trying again would not bring it."""
    message = f"the image {image!r} is not on this host's engine, and nothing is pulled for a job"
    return Failed(Category.INFRASTRUCTURE, f"{message} (docker pull {image}, then retry)")


def may_be_oom(state: Mapping[str, Any], usage: GroupUsage | None, limits: ResourceRequirements) -> bool:
    """Whether the kernel may have killed for want of memory although the engine does not say so, or not yet."""
    return not state.get("OOMKilled") and (state.get("ExitCode") == KILLED or _at_limit(usage, limits))


def _at_limit(usage: GroupUsage | None, limits: ResourceRequirements) -> bool:
    """Whether the measured peak reached the limit, but for the pages that the kernel charges in batches."""
    peak, most = usage.peak_bytes if usage else None, limits.memory_mb
    return peak is not None and most is not None and peak >= most * MIB - BATCH


def with_oom(
    usage: GroupUsage | None, state: Mapping[str, Any], limits: ResourceRequirements | None
) -> GroupUsage | None:
    """Return the usage with the out-of-memory kill that the engine reports, or that it missed.

    Its word is lost when the container is gone before it is heard: then a SIGKILL at the limit is what it looks like.
    `limits` None: the SIGKILL was ours.
    """
    missed = limits is not None and state.get("ExitCode") == KILLED and _at_limit(usage, limits)
    if not (state.get("OOMKilled") or missed):
        return usage
    known = usage or GroupUsage()
    return known if known.oom_kills else replace(known, oom_kills=1)


def usage(ending: Ending, sample: Sample, image: Image, container_id: str, source: str) -> dict[str, Any]:
    """Return resource usage by the keys of `resource_usage`, where it is from, and which image it really was."""
    known = dict(usage_of(ending))
    known.pop("limits", None)  # the engine holds them whether or not somebody measures
    known["source"] = source
    if sample.network_bytes is not None:
        known["network_bytes"] = sample.network_bytes
    known["container_id"] = container_id[:12]
    known["image_id"] = image.id
    return {**known, "image_digest": image.digest} if image.digest else known
