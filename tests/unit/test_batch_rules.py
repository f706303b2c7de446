"""The rules on AWS Batch and the docker runner refuse the same, and what Batch says at a job's end is read rightly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.batch_calls import batch_service, planned
from support.builders import make_operation, make_service
from support.dockerd import BUSYBOX

from specql_jobs.core.contract import Failed, JobResult
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category, ExecutionType
from specql_jobs.core.registry import batch_rules
from specql_jobs.core.registry.load import load_text
from specql_jobs.runners import docker_batch_config
from specql_jobs.runners.capture import Kept
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.docker_batch_outcome import result

BATCH: dict[str, Any] = {"engine": "aws_batch", "image": BUSYBOX, "job_queue": "scoring", "region": "eu-west-1"}
VALUES: dict[str, Any] = {
    "volumes": [{"host_path": "/srv/a", "container_path": "/a"}],
    "entrypoint": ["/bin/app"],
    "working_dir": "/app",
    "auth_config": {"profile": "jobs"},
    "endpoint_url": "http://127.0.0.1:1",
    "region": "eu-west-1",
    "job_role_arn": "arn:aws:iam::123456789012:role/a",
    "execution_role_arn": "arn:aws:iam::123456789012:role/a",
    "log_group": "/jobs",
}


def found(config: dict[str, Any], **policy: Any) -> tuple[set[str], str]:
    """Return the codes of SQJ54x that a service has, and what the runner says of it ("" if it takes it)."""
    stated = {"allowed_images": [BUSYBOX], "allowed_regions": ["eu-west-1"], "network_isolation": False, **policy}
    service = {"category": "c", "execution_type": "docker", "runner_config": config, "security_policy": stated}
    loaded = load_text(json.dumps({"services": {"s": {**service, "operations": {"o": {}}}}}), variables={})
    made = make_service(
        ExecutionType.DOCKER,
        name="s",
        runner_config=config,
        operations={"o": make_operation("o", service="s")},
        declared_policy={key: (value,) for key, value in policy.items()},
    )
    codes = {item.code for item in loaded.findings if item.code.startswith("SQJ54")}
    try:
        DockerRunner().validate_config(made)
    except ConfigError as error:
        return codes, error.message
    return codes, ""


def test_rule_and_runner_know_the_same_keys() -> None:
    """The lists of what an engine has no use for, and of what Batch cannot hold, are the same in both."""
    for name in ("ONLY_LOCAL", "ONLY_BATCH", "NOT_HELD"):
        assert getattr(batch_rules, name) == getattr(docker_batch_config, name)


def test_a_whole_service_on_batch_has_no_finding() -> None:
    """What the documentation shows loads, and the runner takes it."""
    assert found(BATCH) == (set(), "")


@pytest.mark.parametrize("key", [*batch_rules.ONLY_LOCAL, *batch_rules.ONLY_BATCH])
def test_a_key_of_the_other_engine_is_refused_by_rule_and_runner(key: str) -> None:
    """SQJ541 and the runner agree on every key, for both engines."""
    value = VALUES.get(key, "name")
    batch, local = found({**BATCH, key: value}), found({"image": BUSYBOX, key: value})
    is_local = key in batch_rules.ONLY_LOCAL
    assert (batch == (set(), "")) is not is_local, batch
    assert ("SQJ541" in local[0], key in local[1]) == (not is_local, not is_local), local


@pytest.mark.parametrize(
    ("change", "policy", "code"),
    [
        ({"job_queue": None}, {}, "SQJ540"),
        ({"region": None}, {}, "SQJ540"),
        ({"job_queue": "arn:aws:batch:us-east-1:123456789012:job-queue/q"}, {}, "SQJ542"),
        ({"job_definition": "d", "tmpfs": ["/tmp"]}, {}, "SQJ542"),
        ({"network_mode": "none"}, {}, "SQJ543"),
        ({}, {"resource_limits": {"pids": 9}}, "SQJ543"),
        ({}, {"resource_limits": {"cpu_seconds": 9}}, "SQJ543"),
    ],
)
def test_rule_and_runner_refuse_the_same(change: dict[str, Any], policy: dict[str, Any], code: str) -> None:
    """What has an error among the rules on Batch is refused by the runner too."""
    config = {key: value for key, value in {**BATCH, **change}.items() if value is not None}
    codes, said = found(config, **policy)
    assert codes == {code}
    assert said


# ---- what Batch says at the end -------------------------------------------------------------------------------------


def ended(code: int | None = None, why: str = "", reason: str = "", **more: Any) -> JobResult:
    """Return what a FAILED job means that Batch describes in these words."""
    container = {"reason": reason, **({} if code is None else {"exitCode": code})}
    job = {"status": "FAILED", "jobId": "j", "statusReason": why, "container": container, **more}
    log = Kept(1000)
    return result(planned(batch_service("http://127.0.0.1:1")), job, code, log, lambda text: text)


@pytest.mark.parametrize(
    ("code", "why", "reason", "category", "retryable"),
    [
        (
            137,
            "Essential container in task exited",
            "OutOfMemoryError: Container killed due to memory usage",
            Category.RESOURCE_EXHAUSTED,
            False,
        ),
        (None, "Host EC2 (instance i-0123456789abcdef0) terminated.", "", Category.INFRASTRUCTURE, True),
        (137, "Host EC2 (instance i-0123456789abcdef0) terminated.", "", Category.INFRASTRUCTURE, True),
        (
            None,
            "Task failed to start",
            "CannotPullContainerError: pull access denied for x, repository does not exist",
            Category.INFRASTRUCTURE,
            False,
        ),
        (
            None,
            "Task failed to start",
            "CannotPullContainerError: dial tcp: i/o timeout",
            Category.INFRASTRUCTURE,
            True,
        ),
        (
            127,
            "Task failed to start",
            'CannotStartContainerError: exec: "score": executable file not found in $PATH',
            Category.TARGET_ERROR,
            False,
        ),
        (137, "Job attempt duration exceeded timeout", "", Category.TIMEOUT, True),
        (None, "Terminated by an operator", "", Category.INFRASTRUCTURE, True),
        (2, "Essential container in task exited", "", Category.TARGET_ERROR, True),
    ],
)
def test_batchs_reasons_are_told_apart(
    code: int | None, why: str, reason: str, category: Category, retryable: bool
) -> None:
    """Memory, host, image, program, time and the program's own exit are different failures."""
    outcome = ended(code, why, reason).outcome
    assert isinstance(outcome, Failed)
    assert (outcome.category, outcome.retryable) == (category, retryable)


def test_a_reason_cannot_move_the_cursor() -> None:
    """Control characters in Batch's words do not reach a terminal."""
    outcome = ended(None, "Terminated \x1b[2J by\nsomebody").outcome
    assert isinstance(outcome, Failed)
    assert "\x1b" not in outcome.message
    assert "\n" not in outcome.message
