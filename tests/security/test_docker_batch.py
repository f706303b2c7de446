"""Attacks on container jobs that go to AWS Batch: what Batch has received says whether they worked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest
from support.batch_calls import FarEnd, batch_policy, batch_service, code, far_end, perform, planned
from support.dockerd import BUSYBOX, OTHER_NAME, TestEngine
from support.http_target import HttpTarget, reply
from support.serverless_calls import ENVIRONMENT, SECRET, failure

from specql_jobs.core.contract import PlanError, Refused, StopSignal, Succeeded
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category, JobRecord
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.worker.attempt import Surroundings, attempt
from specql_jobs.core.worker.planner import Planner
from specql_jobs.runners import RunnerRegistry
from specql_jobs.runners.docker_batch_plan import LARGEST_OVERRIDES

REGISTRY: Final = """
services:
  score:
    category: science
    execution_type: docker
    runner_config:
      {{engine: aws_batch, image: "{image}", job_queue: scoring, region: eu-west-1, endpoint_url: "{url}"}}
    security_policy:
      allowed_images: ["{image}"]
      allowed_regions: [eu-west-1]
      allow_private_networks: true
      network_isolation: false
      resource_limits: {{memory_mb: 64, cpu_cores: 1}}
    operations:
      row: {{input_schema: {{command: array?, env_vars: object?}}, max_retries: 0}}
"""


@pytest.fixture(scope="module")
def batch(engine: TestEngine) -> Iterator[FarEnd]:
    """A Batch whose containers the run's engine starts."""
    with far_end(engine) as served:
        yield served


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


async def settled(url: str, asked: dict[str, Any] | None = None, **row: Any) -> str:
    """Take one row through a worker's attempt; return its category, or its status where it has none."""
    loaded = load_text(REGISTRY.format(url=url, image=BUSYBOX), variables={})
    assert loaded.registry is not None, loaded.findings
    runners = RunnerRegistry()
    around = Surroundings(Planner(loaded.registry, runners), Secrets())
    job = JobRecord(uuid4(), "score", "row", 1, 1, **row)
    settlement = await attempt(job, json.dumps(asked or {}), around, StopSignal())
    await runners.aclose()
    return str(settlement.category or settlement.status)


# ---- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("job_queue", "expensive"),
        ("job_definition", "admin:1"),
        ("region", "us-east-1"),
        ("job_role_arn", "arn:aws:iam::123456789012:role/admin"),
        ("execution_role_arn", "arn:aws:iam::123456789012:role/admin"),
        ("auth_config", {"role_arn": "arn:aws:iam::123456789012:role/admin"}),
        ("endpoint_url", "http://127.0.0.1:1"),
        ("log_group", "/other/secrets"),
        ("image", OTHER_NAME),
        ("engine", "local"),
    ],
)
async def test_a_row_cannot_choose_where_or_as_whom_it_runs(key: str, value: object) -> None:
    """A row that names another queue, definition, region, role, address or image is refused, and nothing is sent."""
    async with HttpTarget() as target:
        said = await settled(target.url, {"command": ["true"]}, runner_config={key: value})
        assert said == Category.POLICY_VIOLATION
        assert target.requests == []


@pytest.mark.parametrize(
    "asked",
    [
        {"allowed_images": [OTHER_NAME]},
        {"allowed_regions": ["us-east-1"]},
        {"allowed_domains": ["169.254.169.254"]},
        {"resource_limits": {"memory_mb": 4096}},
        {"resource_limits": {"cpu_cores": 64}},
        {"max_execution_time": 999999},
    ],
)
async def test_a_row_cannot_widen_the_policy(asked: dict[str, Any]) -> None:
    """A row that asks for more than the registry allows is refused, and nothing is sent."""
    async with HttpTarget() as target:
        assert await settled(target.url, {"command": ["true"]}, security_context=asked) == Category.POLICY_VIOLATION
        assert target.requests == []


@pytest.mark.parametrize(
    "asked",
    [
        {"network_isolation": True},
        {"network_access": "none"},
        {"resource_limits": {"pids": 2}},
        {"resource_limits": {"open_files": 8}},
        {"resource_limits": {"disk_mb": 1}},
        {"resource_limits": {"cpu_seconds": 1}},
    ],
)
async def test_a_narrower_row_is_refused_where_batch_could_not_hold_it(asked: dict[str, Any]) -> None:
    """What Batch has no word for is not run without it."""
    async with HttpTarget() as target:
        assert await settled(target.url, {"command": ["true"]}, security_context=asked) == Category.POLICY_VIOLATION
        assert target.requests == []


def test_a_row_that_asks_for_less_memory_gets_less() -> None:
    """Memory and cores are narrowed for one job by its overrides."""
    service = batch_service("http://127.0.0.1:1")
    narrowed = batch_policy(resources=type(service.policy.resources)(**{**_limits(service), "memory_mb": 16}))
    asked = planned(service, policy=narrowed).overrides()["resourceRequirements"]
    assert {"type": "MEMORY", "value": "16"} in asked


def _limits(service: Any) -> dict[str, Any]:
    return {name: getattr(service.policy.resources, name) for name in service.policy.resources.__slots__}


# ---- inputs ---------------------------------------------------------------------------------------------------------


async def test_a_parameter_reference_in_the_input_is_refused() -> None:
    """Batch would put a parameter of the definition in its place."""
    async with HttpTarget() as target:
        assert await settled(target.url, {"command": ["echo", "Ref::password"]}) == Category.INVALID_INPUT
        assert target.requests == []


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "SPECQL_JOB_ID", "SPECQL_JOB_INPUT", "LD_PRELOAD", "PLAIN"])
async def test_an_input_cannot_set_variables_that_are_not_allowed(name: str) -> None:
    """Credentials, identity and the loader's variables are never an input's to set."""
    async with HttpTarget() as target:
        assert await settled(target.url, {"env_vars": {name: "x"}}) == Category.POLICY_VIOLATION
        assert target.requests == []


def test_the_jobs_identity_wins_over_the_registrys_variables() -> None:
    """A variable of the same name changes neither identity nor input."""
    service = batch_service("http://127.0.0.1:1", environment={"SPECQL_JOB_ID": "x", "SPECQL_JOB_INPUT": "y"})
    said = dict(planned(service, {"a": 1}).environment)
    assert said["SPECQL_JOB_ID"] != "x"
    assert json.loads(said["SPECQL_JOB_INPUT"]) == {"a": 1}


def test_an_input_too_large_for_batch_is_said_before_anything_is_sent() -> None:
    """More than the API takes is the input's fault, with the number in the message."""
    with pytest.raises(PlanError, match=str(LARGEST_OVERRIDES)):
        planned(batch_service("http://127.0.0.1:1"), {"a": "x" * LARGEST_OVERRIDES})


# ---- registries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("volumes", [{"host_path": "/", "container_path": "/host"}]),
        ("runtime", "runsc"),
        ("entrypoint", ["/bin/sh"]),
        ("working_dir", "/root"),
        ("network_mode", "none"),
        ("job_queue", "a queue; rm -rf"),
        ("job_definition", "../admin"),
        ("region", "eu-west-1/../.."),
        ("job_queue", "arn:aws:batch:us-east-1:123456789012:job-queue/scoring"),
        ("job_role_arn", "root"),
        ("log_group", "group with blanks"),
    ],
)
def test_settings_that_batch_cannot_hold_or_read_are_refused(key: str, value: object) -> None:
    """A setting that would be lost or misread stops the service, with a sentence that names it."""
    with pytest.raises(ConfigError, match=key):
        planned(batch_service("http://127.0.0.1:1", **{key: value}))


def test_the_default_policy_refuses_batch() -> None:
    """Without a word about network and region, nothing goes to AWS."""
    from specql_jobs.core.policy import Policy, judge  # noqa: PLC0415 - one test's own

    plan = planned(batch_service("http://127.0.0.1:1"))
    codes = {item.code for item in judge(plan.footprint, Policy())}
    assert {"image_not_allowed", "region_not_allowed", "network_isolated", "network_access_not_allowed"} <= codes


# ---- definitions and answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {"image": OTHER_NAME},
        {"privileged": True},
        {"user": "root"},
        {"user": ""},
        {"readonlyRootFilesystem": False},
        {"jobRoleArn": "arn:aws:iam::123456789012:role/admin"},
        {"volumes": [{"name": "root", "host": {"sourcePath": "/"}}]},
        {"linuxParameters": {"devices": [{"hostPath": "/dev/sda"}]}},
        {"linuxParameters": {"tmpfs": [{"containerPath": "/tmp", "size": 100000}]}},
    ],
)
async def test_a_definition_that_goes_beyond_the_registry_is_refused(batch: FarEnd, properties: dict[str, Any]) -> None:
    """What stands in AWS under the definition's name is compared with the plan, and no job is submitted."""
    name, job = f"def-{uuid4()}", uuid4()
    batch.define(name, **properties)
    result = await perform(batch_service(batch.url, code("exit 0"), job_definition=name), job_id=job)
    assert isinstance(result.outcome, Refused)
    assert {item.code for item in result.outcome.violations} == {"definition_differs"}
    assert batch.jobs(job) == []


async def test_a_forged_definition_under_the_plans_own_name_is_refused(batch: FarEnd) -> None:
    """Somebody who registers the name first, with other powers, gains nothing."""
    job, service = uuid4(), batch_service(batch.url, code("exit 0"), environment={"FORGED": "1"}, tmpfs={"/forged": 9})
    batch.define(planned(service).definition, privileged=True)
    result = await perform(service, job_id=job)
    assert isinstance(result.outcome, Refused)
    assert batch.jobs(job) == []


async def test_a_strangers_job_of_the_same_name_is_not_adopted(batch: FarEnd) -> None:
    """A job with this job's name but another command does not answer for it."""
    job, service = uuid4(), batch_service(batch.url, code('echo "{\\"ours\\": true}"'))
    await perform(service, job_id=uuid4())
    forged = ["/bin/sh", "-c", 'echo "{\\"ours\\": false}"']
    batch.api.submit_job(
        jobName=f"specql-{job}-1",
        jobQueue="scoring",
        jobDefinition=planned(service).definition,
        containerOverrides={"command": forged},
    )
    result = await perform(service, job_id=job, lease_seq=2, attempt=2)
    assert result.outcome == Succeeded({"ours": True})


async def test_an_address_outside_the_policy_is_never_connected() -> None:
    """endpoint_url is judged as any address is."""
    async with HttpTarget() as target:
        service = batch_service(target.url, code("exit 0"), batch_policy(allow_private_networks=False))
        assert isinstance((await perform(service)).outcome, Refused)
        assert target.requests == []


async def test_a_refusal_that_repeats_a_credential_does_not_leak_it() -> None:
    """An error's own words, which may repeat what was sent, are kept out of message and log."""
    async with HttpTarget() as target:
        body = {"message": f"the key {SECRET} is not known"}
        target.script("/v1/describejobdefinitions", reply(403, body, x_amzn_errortype="AccessDeniedException"))
        result = await perform(batch_service(target.url, code("exit 0")))
    assert failure(result).category is Category.INFRASTRUCTURE
    assert SECRET not in repr(result)
