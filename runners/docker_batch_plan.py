"""From a job's input to one job of AWS Batch: the local container's plan, and how Batch is asked for it. Pure."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.contract import Call, Footprint, PlanError, ResourceRequirements
from ..core.job import Category
from .arguments import JOB_NAMES
from .docker_batch_config import NOT_HELD, BatchSpec
from .docker_batch_definition import definition_name, properties, requirements
from .docker_describe import described
from .docker_plan import DockerPlan, make_plan
from .service_settings import endpoint

#: Characters of overrides in JSON that one task may have (ECS API reference, TaskOverride).
LARGEST_OVERRIDES: Final = 8192
#: Seconds; Batch takes no shorter duration of an attempt (Batch API reference, JobTimeout).
SHORTEST_DURATION: Final = 60
#: Where the container finds the input: Batch gives it no stdin.
INPUT: Final = "SPECQL_JOB_INPUT"
#: Batch puts a definition's parameter in the place of a word that begins so.
_REFERENCE: Final = "Ref::"
#: Limits that stand in the definition, or nowhere: a job cannot have less of them than its service.
_FIXED: Final = ("pids", "open_files", "cpu_seconds", "disk_mb")


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """One Batch job. `inner` is what the local engine would be asked for; `job_name` is one per lease."""

    spec: BatchSpec
    inner: DockerPlan
    job_name: str
    family: str  # what the names of all of the job's attempts begin with
    environment: tuple[tuple[str, str], ...]
    registers: Mapping[str, Any] | None  # the definition's properties, None where the registry names one

    @property
    def definition(self) -> str:
        """The definition's name: the registry's, or one that its content decides."""
        return self.spec.job_definition or definition_name(self.spec.service, self.registers or {})

    @property
    def footprint(self) -> Footprint:
        """The local plan's, with the network that Batch's machines have, the region, and credentials by name."""
        spec = self.spec
        return self.inner.footprint._replace(
            network="all",
            regions=(spec.region,),
            endpoints=tuple(endpoint(url) for url in (spec.endpoint_url,) if url),
            secrets=tuple(str(ref) for ref in spec.access.secrets),
        )

    @property
    def resources(self) -> ResourceRequirements:
        """The job's limits, as its policy states them."""
        return self.inner.resources

    def overrides(self) -> dict[str, Any]:
        """Return what differs from the definition for this job."""
        command = {} if self.inner.command is None else {"command": list(self.inner.command)}
        variables = [{"name": name, "value": value} for name, value in self.environment]
        return {**command, "environment": variables, "resourceRequirements": requirements(self.inner.resources)}

    def submission(self, definition: str) -> dict[str, Any]:
        """Return the parameters of SubmitJob; `definition` is the ARN that was looked at, revision included."""
        return {
            "jobName": self.job_name,
            "jobQueue": self.spec.job_queue,
            "jobDefinition": definition,
            "containerOverrides": self.overrides(),
            "retryStrategy": {"attempts": 1},  # the queue retries
            "timeout": {"attemptDurationSeconds": self.duration},
        }

    @property
    def duration(self) -> int:
        """Seconds after which Batch itself ends the job, whatever became of the worker."""
        return max(math.ceil(self.inner.timeout_seconds), SHORTEST_DURATION)

    def describe(self) -> dict[str, Any]:
        """Return the plan as data, with lines for the AWS CLI; of the environment names only."""
        spec = self.spec
        local = described(self.inner)
        for key in ("mounts", "runtime", "capabilities", "entrypoint", "working_dir", "stdin_bytes"):
            del local[key]
        held = {name: value for name, value in local["resources"].items() if name not in NOT_HELD}
        return {
            **local,
            "resources": held,
            "command": command_line(self),
            "engine": "aws_batch",
            "region": spec.region,
            "job_queue": spec.job_queue,
            "job_name": self.job_name,
            "job_definition": self.definition,
            "registers": dict(self.registers) if self.registers is not None else None,
            "network": "that of the compute environment",
            "tmpfs": local["tmpfs"] if self.registers is not None else "(as the definition says)",
            "input_variable": INPUT,
            "input_bytes": len(self.inner.stdin),
            "log_group": spec.log_group,
            "role_arn": spec.access.role_arn or None,
            "profile": spec.access.profile or None,
            "endpoint_url": spec.endpoint_url or None,
            "secrets": list(self.footprint.secrets),
        }


def make_batch_plan(spec: BatchSpec, call: Call) -> BatchPlan:
    """Return the Batch job that this call makes; raise PlanError for input that makes none."""
    _refuse_narrowed(spec.limits, call.policy.resources)
    inner = make_plan(spec.container, call)
    if any(_REFERENCE in word for word in inner.command or ()):
        raise PlanError(f"an argument contains {_REFERENCE}, which AWS Batch would replace by a parameter")
    told = (str(call.job_id), str(call.lease_seq), str(call.attempt))
    extra = {**dict(zip(JOB_NAMES, told, strict=True)), INPUT: inner.stdin.decode("ascii")}
    family = f"specql-{call.job_id}-"
    plan = BatchPlan(
        spec=spec,
        inner=inner,
        job_name=f"{family}{call.lease_seq}",
        family=family,
        environment=tuple({**inner.environment, **extra}.items()),
        registers=None if spec.job_definition else properties(spec, inner),
    )
    size = len(json.dumps(plan.overrides(), ensure_ascii=False))
    if size > LARGEST_OVERRIDES:
        message = f"command, environment and input are {size} characters of JSON; AWS Batch takes {LARGEST_OVERRIDES}"
        raise PlanError(f"{message} (store the data elsewhere and pass its address)")
    return plan


def _refuse_narrowed(own: ResourceRequirements, asked: ResourceRequirements) -> None:
    for name in _FIXED:
        if getattr(own, name) != getattr(asked, name):
            message = f"resource_limits.{name} cannot be narrowed for one job on AWS Batch: its definition holds it"
            raise PlanError(message, Category.POLICY_VIOLATION)


def command_line(plan: BatchPlan) -> str:
    """Return lines for the AWS CLI that make the same job; variables of the registry come from the shell."""
    spec = plan.spec
    place = ["--region", spec.region]
    place += ["--profile", spec.access.profile] if spec.access.profile else []
    place += ["--endpoint-url", spec.endpoint_url] if spec.endpoint_url else []
    words = ["aws", "batch", "submit-job", *place, "--job-name", plan.job_name, "--job-queue", spec.job_queue]
    words += ["--job-definition", plan.definition, "--retry-strategy", "attempts=1"]
    words += ["--timeout", f"attemptDurationSeconds={plan.duration}"]
    line = f"{shlex.join(words)} --container-overrides {_quoted(plan)}"
    if plan.registers is None:
        return line
    made = {"jobDefinitionName": plan.definition, "type": "container", "containerProperties": plan.registers}
    register = ["aws", "batch", "register-job-definition", *place, "--cli-input-json", json.dumps(made)]
    return f"{shlex.join(register)} && {line}"


def _quoted(plan: BatchPlan) -> str:
    """The overrides as one shell word in which "$NAME" stands for the value of each variable of registry and input."""
    named = {name for name, _ in plan.environment if name in plan.inner.environment}
    shown = plan.overrides()
    shown["environment"] = [
        {"name": name, "value": f"\0{name}\0" if name in named else value} for name, value in plan.environment
    ]
    text = shlex.quote(json.dumps(shown))
    for name in named:
        text = text.replace(f"\\u0000{name}\\u0000", f"'\"${name}\"'")
    return text
