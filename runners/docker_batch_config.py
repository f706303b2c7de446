"""What a registry says about container jobs on AWS Batch: where they go, whose rights are used, what cannot be held."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..core.contract import ResourceRequirements
from ..core.errors import ConfigError
from .arguments import wrong
from .aws_access import REGION, AwsAccess, AwsPlace, allowed, partition_of, read_access, role_account
from .docker_spec import DockerSpec, read_spec
from .service_settings import auth_of, url_of

if TYPE_CHECKING:
    from ..core.registry.model import Service

ENGINES: Final = ("local", "aws_batch")
#: Where AWS Batch itself sends what containers write (Batch user guide, "awslogs").
LOG_GROUP: Final = "/aws/batch/job"

#: Keys that say something to one engine only; a service of the other that states one is refused.
ONLY_LOCAL: Final = ("volumes", "runtime", "entrypoint", "working_dir")
ONLY_BATCH: Final = (
    *("job_queue", "job_definition", "job_role_arn", "execution_role_arn"),
    *("region", "log_group", "endpoint_url", "auth_config"),
)
#: Limits that AWS Batch has no word for.
NOT_HELD: Final = ("pids", "max_processes", "cpu_seconds")

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}"
_ARN = r"arn:aws[a-z-]*:batch:(?P<region>[a-z0-9-]{1,40}):[0-9]{12}"
_QUEUE = re.compile(rf"{_NAME}|{_ARN}:job-queue/{_NAME}")
_DEFINITION = re.compile(rf"{_NAME}(?::[0-9]{{1,9}})?|{_ARN}:job-definition/{_NAME}(?::[0-9]{{1,9}})?")
_GROUP = re.compile(r"[A-Za-z0-9._/#-]{1,512}")
_ROLE = re.compile(r"(?:arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512})?")


@dataclass(frozen=True, slots=True)
class BatchSpec:
    """A service whose containers AWS Batch starts. `job_definition` "" is registered from the plan."""

    service: str
    container: DockerSpec
    limits: ResourceRequirements  # the service's own, before a ceiling or a row narrows them
    region: str
    job_queue: str
    job_definition: str
    job_role_arn: str
    execution_role_arn: str
    log_group: str
    endpoint_url: str
    access: AwsAccess

    @property
    def place(self) -> AwsPlace:
        """Where it calls AWS, and as whom."""
        policy = json.dumps(session_policy(self), separators=(",", ":")) if self.access.role_arn else ""
        return AwsPlace(self.service, self.region, self.access, self.endpoint_url, policy)


def is_batch(service: Service) -> bool:
    """Whether AWS Batch starts the service's containers; raise ConfigError for a key that its engine has no use for."""
    engine = str(service.runner_config.get("engine", "local"))
    if engine not in ENGINES:
        raise wrong(service, "engine", f"must be one of {', '.join(ENGINES)}")
    stray = ONLY_LOCAL if engine == "aws_batch" else ONLY_BATCH
    for key in stray:
        if key in service.runner_config:
            raise wrong(service, key, f"means nothing to engine {engine}")
    return engine == "aws_batch"


def read_batch(service: Service) -> BatchSpec:
    """Return the settings of a service on AWS Batch; raise ConfigError naming the field that is wrong."""
    config = service.runner_config
    _refuse_unheld(service)
    region = _text(service, "region", REGION)
    spec = BatchSpec(
        service=service.name,
        container=read_spec(service),
        limits=service.policy.resources,
        region=region,
        job_queue=_placed(service, "job_queue", _QUEUE, region),
        job_definition=_placed(service, "job_definition", _DEFINITION, region) if "job_definition" in config else "",
        job_role_arn=_text(service, "job_role_arn", _ROLE),
        execution_role_arn=_text(service, "execution_role_arn", _ROLE),
        log_group=_text(service, "log_group", _GROUP, LOG_GROUP),
        endpoint_url=url_of(config, "endpoint_url"),
        access=read_access(auth_of(config)),
    )
    if spec.job_definition and spec.container.tmpfs:
        raise wrong(service, "tmpfs", "is part of the job definition, which the registry names: remove one of the two")
    return spec


def _refuse_unheld(service: Service) -> None:
    """Refuse what AWS Batch could not hold, rather than run without it."""
    if service.runner_config.get("network_mode") == "none":
        raise wrong(service, "network_mode", "none cannot be held: an AWS Batch job has its environment's network")
    stated = [item for item in service.declared_policy.get("resource_limits", ()) if isinstance(item, Mapping)]
    unheld = next((key for key in NOT_HELD if any(key in item for item in stated)), "")
    if unheld:
        message = f"service {service.name}: AWS Batch cannot hold resource_limits.{unheld}"
        raise ConfigError(message, hint=f"remove {unheld}, or use engine: local")


def _text(service: Service, key: str, pattern: re.Pattern[str], default: str = "") -> str:
    value = service.runner_config.get(key, default)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        missing = key not in service.runner_config
        raise wrong(service, key, "is needed by engine aws_batch" if missing else f"is no {key.replace('_', ' ')}")
    return value


def _placed(service: Service, key: str, pattern: re.Pattern[str], region: str) -> str:
    value = _text(service, key, pattern)
    match = pattern.fullmatch(value)
    if match and match["region"] not in (None, region):
        raise wrong(service, key, f"is in {match['region']} and region is {region}: keep one of the two")
    return value


def session_policy(spec: BatchSpec) -> dict[str, Any]:
    """Return what the assumed role may do for this service: its queue, its definition, its jobs, its logs."""
    start = f"arn:{partition_of(spec.region)}"
    here = f"{spec.region}:{role_account(spec.access.role_arn)}"
    queue, definition = spec.job_queue, spec.job_definition or "specql-jobs-*"
    queue = queue if queue.startswith("arn:") else f"{start}:batch:{here}:job-queue/{queue}"
    if not definition.startswith("arn:"):
        definition = f"{start}:batch:{here}:job-definition/{definition}"
    logs = f"{start}:logs:{here}:log-group:{spec.log_group}"
    made = [] if spec.job_definition else ["batch:RegisterJobDefinition"]
    roles = [role for role in (spec.job_role_arn, spec.execution_role_arn) if role]
    return {
        "Version": "2012-10-17",
        "Statement": [
            allowed(["batch:SubmitJob", *made], [queue, definition, f"{definition}:*"]),
            allowed(["batch:TerminateJob", "batch:TagResource"], [f"{start}:batch:{here}:job/*"]),
            allowed(["batch:DescribeJobs", "batch:ListJobs", "batch:DescribeJobDefinitions"], ["*"]),
            allowed(["logs:GetLogEvents"], [f"{logs}:*"]),
            *([allowed(["iam:PassRole"], roles)] if roles and made else []),
        ],
    }
