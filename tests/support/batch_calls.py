"""Container jobs on AWS Batch: moto, whose Batch really runs containers on the tests' engine, and calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from specql_jobs.core.contract import JobResult, Refused, StopSignal
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.permissions import DEFAULT_RESOURCES
from specql_jobs.core.policy import Policy, judge
from specql_jobs.core.registry.model import Service
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.docker_batch_plan import BatchPlan

from .builders import JOB_ID, make_call, make_context, make_operation, make_service
from .dockerd import BUSYBOX, TestEngine
from .lambda_host import REGION
from .moto_server import client, moto

QUEUE: Final = "scoring"


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A running Batch with one queue, seen from outside the runner."""

    url: str

    @property
    def api(self) -> Any:
        """A plain boto3 client of it."""
        return client("batch", self.url)

    def jobs(self, job_id: UUID = JOB_ID) -> list[dict[str, Any]]:
        """Return all Batch jobs of one job, the oldest first."""
        names = [{"name": "JOB_NAME", "values": [f"specql-{job_id}-*"]}]
        listed = self.api.list_jobs(jobQueue=QUEUE, filters=names)["jobSummaryList"]
        return sorted(listed, key=lambda each: each["createdAt"])

    def definitions(self) -> list[dict[str, Any]]:
        """Return every definition."""
        found: list[dict[str, Any]] = self.api.describe_job_definitions()["jobDefinitions"]
        return found

    def define(self, name: str, **properties: Any) -> str:
        """Register a definition like the ones that a plan makes, but for `properties`; return its ARN."""
        limits = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}]
        made = {"image": BUSYBOX, "user": "65534:65534", "readonlyRootFilesystem": True, "resourceRequirements": limits}
        made |= properties
        answer = self.api.register_job_definition(jobDefinitionName=name, type="container", containerProperties=made)
        return str(answer["jobDefinitionArn"])


@contextmanager
def far_end(engine: TestEngine) -> Iterator[FarEnd]:
    """Yield a Batch with a queue, whose containers run on `engine`, without a network."""
    with moto({"DOCKER_HOST": engine.url, "MOTO_DOCKER_NETWORK_MODE": "none"}) as url:
        role = client("iam", url).create_role(RoleName="batch", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        batch = client("batch", url)
        made = batch.create_compute_environment(computeEnvironmentName="machines", type="UNMANAGED", serviceRole=role)
        order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
        batch.create_job_queue(jobQueueName=QUEUE, state="ENABLED", priority=1, computeEnvironmentOrder=order)
        yield FarEnd(url)


def batch_policy(**terms: Any) -> Policy:
    """Return what a service on Batch needs: image, region, network, and this machine as its endpoint."""
    stated = {"allowed_images": (BUSYBOX,), "allowed_regions": (REGION,), "allowed_domains": ("127.0.0.1",)}
    opened = {"allow_private_networks": True, "network_isolation": False, "network_access": "all"}
    return Policy(**{**stated, **opened, "resources": replace(DEFAULT_RESOURCES, memory_mb=64), **terms})


def batch_service(url: str, command: list[str] | None = None, policy: Policy | None = None, **config: Any) -> Service:
    """Return a service whose containers AWS Batch at `url` starts."""
    settings = {"engine": "aws_batch", "image": BUSYBOX, "job_queue": QUEUE, "region": REGION, "endpoint_url": url}
    mapping = {} if command is None else {"command": command}
    operations = {"op": make_operation(mapping=mapping, output_schema=None)}
    return make_service(
        ExecutionType.DOCKER,
        runner_config={**settings, **config},
        policy=policy or batch_policy(),
        operations=operations,
    )


def code(text: str) -> list[str]:
    """Return the command that runs shell code; its braces are no placeholders."""
    return ["/bin/sh", "-c", text.replace("{", "{{").replace("}", "}}")]


def planned(service: Service, values: Mapping[str, Any] | None = None, **call: Any) -> BatchPlan:
    """Return the plan of one call."""
    runner = DockerRunner()
    plan = runner.plan(runner.validate_config(service), make_call(service, values, **call))
    assert isinstance(plan, BatchPlan)
    return plan


async def perform(
    service: Service,
    values: Mapping[str, Any] | None = None,
    *,
    seconds: float = 60.0,
    stop: StopSignal | None = None,
    lease_seq: int = 1,
    attempt: int = 1,
    job_id: UUID = JOB_ID,
    **call: Any,
) -> JobResult:
    """Plan, judge and execute one call as a worker would."""
    times: dict[str, Any] = {"lease_seq": lease_seq, "attempt": attempt, "timeout_seconds": seconds}
    plan = planned(service, values, job_id=job_id, **times, **call)
    violations = judge(plan.footprint, call.get("policy", service.policy))
    if violations:
        return JobResult(Refused(violations))
    runner = DockerRunner()
    context = replace(make_context(policy=service.policy, stop=stop, **times), job_id=job_id)
    try:
        return await runner.execute(plan, context)
    finally:
        await runner.aclose()
