"""What the end of a container means, and what the engine's refusals mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.contract import Failed, Interrupted, Outcome
from ..core.job import Category
from .cgroup import GroupUsage
from .docker_create import Image
from .docker_engine import EngineError
from .docker_usage import Sample
from .ending import Ending, usage_of

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


def with_oom(usage: GroupUsage | None, state: Mapping[str, Any]) -> GroupUsage | None:
    """Return the usage with the engine's own word about an out-of-memory kill."""
    if not state.get("OOMKilled"):
        return usage
    known = usage or GroupUsage()
    return known if known.oom_kills else GroupUsage(known.cpu_seconds, known.peak_bytes, known.io_bytes, 1)


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
