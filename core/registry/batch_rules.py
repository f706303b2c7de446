"""Domain rules of container services on AWS Batch: what it needs, has no use for, and could not hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..job import ExecutionType
from .model import Finding
from .nodes import locate
from .view import View

#: The runner refuses the same keys; a test holds the lists together.
ONLY_LOCAL: Final = ("volumes", "runtime", "entrypoint", "working_dir")
ONLY_BATCH: Final = (
    *("job_queue", "job_definition", "job_role_arn", "execution_role_arn"),
    *("region", "log_group", "endpoint_url", "auth_config"),
)
NOT_HELD: Final = ("pids", "max_processes", "cpu_seconds")
_NEEDED: Final = ("job_queue", "region")


def engines(view: View) -> Iterator[Finding]:
    """Keys that the other engine has, and what AWS Batch cannot do without."""
    if view.kind is not ExecutionType.DOCKER:
        return
    batch = view.config("engine") == "aws_batch"
    for key in ONLY_LOCAL if batch else ONLY_BATCH:
        if view.config(key) is not None:
            message = f"{view.name}: {key} means nothing to engine {'aws_batch' if batch else 'local'}"
            yield view.found("SQJ541", message, view.at("runner_config", key))
    if batch:
        yield from _missing(view)
        yield from _contradicting(view)
        yield from _unheld(view)


def _missing(view: View) -> Iterator[Finding]:
    for key in _NEEDED:
        if view.config(key) is None:
            message = f"{view.name}: engine aws_batch needs {key}"
            yield view.found("SQJ540", message, view.at("runner_config", "engine"))


def _contradicting(view: View) -> Iterator[Finding]:
    region = view.config("region")
    for key in ("job_queue", "job_definition"):
        parts = str(view.config(key) or "").split(":")
        if parts[0] == "arn" and region is not None and parts[3:4] != [region]:
            message = f"{view.name}: {key} is in {parts[3]}, region is {region}"
            yield view.found("SQJ542", message, view.at("runner_config", key))
    if view.config("job_definition") is not None and view.config("tmpfs") is not None:
        message = f"{view.name}: tmpfs is part of the job definition, which job_definition names"
        yield view.found("SQJ542", message, view.at("runner_config", "tmpfs"))


def _unheld(view: View) -> Iterator[Finding]:
    if view.config("network_mode") == "none":
        message = f"{view.name}: an AWS Batch job has the network of its compute environment, never none"
        yield view.found("SQJ543", message, view.at("runner_config", "network_mode"))
    if view.policy.network_isolation:
        message = f"{view.name}: network_isolation is true, which AWS Batch cannot hold: every job would be refused"
        where = view.at("security_policy", "network_isolation")
        yield view.found("SQJ543", message, where, help_text="write  network_isolation: false  if that is meant")
    limits = locate(view.node, ("security_policy", "resource_limits"))
    for key in NOT_HELD:
        stated = limits.get(key)
        if stated is not None:
            yield view.found("SQJ543", f"{view.name}: AWS Batch cannot hold {key}", stated.position)
