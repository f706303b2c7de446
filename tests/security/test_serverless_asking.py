"""What rows, inputs and spellings ask of the serverless runner: the far end's own record says what reached it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest
from support.builders import make_call
from support.http_target import HttpTarget
from support.lambda_host import ACCOUNT, REGION, arn
from support.serverless_calls import ENVIRONMENT, POLICY, SECRET, aws_service, perform, web_service

from specql_jobs.core.contract import PlanError, Refused, StopSignal, parse_function
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import JobRecord
from specql_jobs.core.narrow import meet
from specql_jobs.core.policy import judge
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.model import Registry
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.worker.attempt import Surroundings, attempt
from specql_jobs.core.worker.planner import Planner
from specql_jobs.runners import RunnerRegistry
from specql_jobs.runners.serverless import ServerlessRunner

REGISTRY: Final = """
services:
  resize:
    category: media
    execution_type: serverless
    runner_config:
      {{provider: aws, function_name: resize, region: eu-west-1, endpoint_url: "{url}", memory_mb: 128, timeout: 30s}}
    security_policy:
      allowed_providers: [aws]
      allowed_regions: [eu-west-1]
      allow_private_networks: true
      max_request_size: 2000
      cost_limits: {{max_invocations_per_hour: 100, max_cost_per_hour: 1}}
    operations:
      image: {{max_retries: 0}}
"""
CALLED: Final = "/2015-03-31/functions/resize/invocations"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def registry(url: str) -> Registry:
    """Return the registry with its function at `url`."""
    loaded = load_text(REGISTRY.format(url=url), variables={})
    assert loaded.registry is not None, loaded.findings
    return loaded.registry


async def settled(target: HttpTarget, asked: dict[str, Any] | None = None, **row: Any) -> str:
    """Take one row through a worker's attempt; return its category, or its status where it has none."""
    runners = RunnerRegistry()
    around = Surroundings(Planner(registry(target.url), runners), Secrets())
    job = JobRecord(uuid4(), "resize", "image", 1, 1, **row)
    settlement = await attempt(job, json.dumps(asked or {}), around, StopSignal())
    await runners.aclose()
    return str(settlement.category or settlement.status)


@pytest.mark.parametrize(
    "config",
    [
        {"function_name": "delete-everything"},
        {"function_name": arn("resize")},
        {"function_name": "arn:aws:lambda:us-east-1:999999999999:function:resize"},
        {"function_name": "resize:old"},
        {"qualifier": "old"},
        {"qualifier": "$LATEST"},
        {"region": "us-east-1"},
        {"provider": "http"},
        {"endpoint_url": "http://169.254.169.254"},
        {"endpoint_url": "https://collector.example"},
        {"invocation_type": "Event"},
        {"result_queue": "https://sqs.eu-west-1.amazonaws.com/999999999999/stolen"},
        {"memory_mb": 10240},
        {"price_per_gb_second": 0},
        {"auth_config": {"role_arn": "arn:aws:iam::999999999999:role/admin"}},
        {"auth_config": {"profile": "root"}},
        {"auth_config": {"metadata": True}},
        {"environment": {"BUCKET": "theirs"}},
    ],
    ids=str,
)
async def test_a_row_cannot_choose_another_function_place_or_right(config: dict[str, Any]) -> None:
    """A row whose runner_config says other than the registry is refused, and nothing is sent."""
    async with HttpTarget() as target:
        assert await settled(target, runner_config=config) == "policy_violation"
    assert not target.requests


@pytest.mark.parametrize(
    "context",
    [
        {"allowed_functions": ["resize", "delete-everything"]},
        {"allowed_regions": ["eu-west-1", "us-east-1"]},
        {"allowed_providers": ["aws", "http"]},
        {"allowed_domains": ["collector.example"]},
        {"cost_limits": {"max_invocations_per_hour": 101}},
        {"cost_limits": {"max_cost_per_hour": 2}},
        {"resource_limits": {"memory_mb": 20000}},
        {"max_request_size": 4000},
        {"allowed_functions": []},
        {"allowed_functions": ["resize:prod"]},
        {"allowed_functions": ["Resize"]},
        {"cost_limits": {"max_cost_per_hour": 1e-9}},
    ],
    ids=str,
)
async def test_a_row_only_narrows_and_what_is_narrowed_holds(context: dict[str, Any]) -> None:
    """A wider security_context is refused; so is the function itself where a row has narrowed it away."""
    async with HttpTarget() as target:
        assert await settled(target, security_context=context) == "policy_violation"
    assert not target.requests


async def test_an_input_is_data_whatever_its_fields_are_called() -> None:
    """Fields named like settings travel in the payload; the function, its region and its endpoint stay."""
    asked = {"function_name": "other", "region": "us-east-1", "endpoint_url": "http://x", "Qualifier": "old"}
    async with HttpTarget() as target:
        assert await settled(target, asked) == "completed"
    (seen,) = target.requests
    assert (seen.target, seen.json()) == (CALLED, asked)


async def test_a_payload_larger_than_policy_allows_is_refused() -> None:
    """max_request_size bounds the payload before anything is sent."""
    async with HttpTarget() as target:
        assert await settled(target, {"blob": "x" * 2000}) == "policy_violation"
    assert not target.requests


@pytest.mark.parametrize(("event", "most"), [(False, 6 * 1024 * 1024), (True, 1024 * 1024)])
def test_a_payload_larger_than_lambda_takes_has_no_plan(event: bool, most: int) -> None:
    """Lambda's own limits hold whatever the policy says."""
    config = {"invocation_type": "Event"} if event else {}
    service = aws_service("http://127.0.0.1:9", **config)
    runner = ServerlessRunner()
    spec = runner.validate_config(service)
    runner.plan(spec, make_call(service, {"payload": "x" * (most - 2)}))
    with pytest.raises(PlanError, match="Lambda takes"):
        runner.plan(spec, make_call(service, {"payload": "x" * (most - 1)}))


# ---- spellings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "config"),
    [
        (["resize"], {"function_name": "delete"}),
        (["resize"], {"function_name": "Resize"}),
        (["resize"], {"function_name": arn("resize")}),
        (["resize"], {"function_name": f"{ACCOUNT}:function:resize"}),
        (["resize:prod"], {"function_name": "resize"}),
        (["resize:prod"], {"function_name": "resize", "qualifier": "dev"}),
        (["resize:prod"], {"function_name": "resize:$LATEST"}),
        (["resize:$LATEST"], {"function_name": "resize", "qualifier": "1"}),
        ([arn("resize")], {"function_name": "999999999999:function:resize"}),
        ([arn("resize")], {"function_name": arn("resize").replace(REGION, "us-east-1"), "region": "us-east-1"}),
        ([arn("resize")], {"function_name": "resize"}),
        ([f"{arn('resize')}:prod"], {"function_name": arn("resize"), "qualifier": "dev"}),
        (["res*"], {"function_name": "resize"}),
        ([], {"function_name": "resize"}),
    ],
)
def test_no_spelling_evades_the_host_s_allowlist(allowed: list[str], config: dict[str, Any]) -> None:
    """The host's list is compared with parts, not with text: another account, version or case is another function."""
    stated = replace(POLICY, allowed_regions=(REGION, "us-east-1"), allowed_functions=(config["function_name"],))
    held, _ = meet(stated, {"allowed_functions": allowed})
    service = aws_service("http://127.0.0.1:9", policy=held, **{"region": REGION, **config})
    runner = ServerlessRunner()
    plan = runner.plan(runner.validate_config(service), make_call(service))
    assert [found.code for found in judge(plan.footprint, held)] == ["function_not_allowed"]


@pytest.mark.parametrize(
    ("allowed", "config"),
    [
        (["resize"], {"function_name": "resize", "qualifier": "prod"}),
        (["resize:prod"], {"function_name": "resize", "qualifier": "prod"}),
        (["resize:$LATEST"], {"function_name": "resize"}),
        ([arn("resize")], {"function_name": f"{ACCOUNT}:function:resize:prod"}),
        ([f"{ACCOUNT}:function:resize"], {"function_name": arn("resize")}),
    ],
)
def test_one_function_in_two_spellings_is_allowed(allowed: list[str], config: dict[str, Any]) -> None:
    """The same function is the same, however the list and the service write it."""
    service = aws_service("http://127.0.0.1:9", policy=replace(POLICY, allowed_functions=tuple(allowed)), **config)
    runner = ServerlessRunner()
    plan = runner.plan(runner.validate_config(service), make_call(service))
    assert judge(plan.footprint, service.policy) == ()


@pytest.mark.parametrize(
    "name",
    [
        "function:resize",
        "eu-west-1:123456789012:function:resize",
        "arn:aws:lambda:eu-west-1:123456789012:resize",
        "arn:aws:lambda::123456789012:function:resize",
        "arn:aws:s3:eu-west-1:123456789012:function:resize",
        "ARN:aws:lambda:eu-west-1:123456789012:function:resize",
        "resize:prod:dev",
        "resize:",
        "../resize",
        "resize/../delete",
        "resize%2Fdelete",
        "resize?Qualifier=old",
        "resize\n",
        "rеsize",
        " resize",
        "x" * 200,
        "",
    ],
)
def test_a_doubtful_name_is_no_name(name: str) -> None:
    """What two readers could read differently is refused before a plan is made."""
    with pytest.raises(ConfigError):
        ServerlessRunner().validate_config(aws_service("http://127.0.0.1:9", name))
    assert parse_function(name) is None


@pytest.mark.parametrize(
    "config",
    [
        {"function_name": arn("resize"), "region": "us-east-1"},
        {"function_name": "resize:prod", "qualifier": "dev"},
        {"qualifier": "prod/../../x"},
        {"region": "eu-west-1.evil.example/"},
        {"region": ""},
        {"endpoint_url": "http://user@169.254.169.254/"},
        {"endpoint_url": "http://127.0.0.1:1#@evil.example"},
        {"endpoint_url": "file:///etc/passwd"},
        {"auth_config": {"role_arn": "arn:aws:iam::123456789012:user/root"}},
        {"invocation_type": "Event", "result_queue": "https://sqs.us-east-1.amazonaws.com/123456789012/results"},
        {"invocation_type": "Event", "result_queue": "https://collector.example/123456789012/results"},
    ],
    ids=str,
)
def test_a_contradiction_in_the_registry_is_refused(config: dict[str, Any]) -> None:
    """Places and rights that contradict each other, or that are none, make no service."""
    with pytest.raises(ConfigError):
        ServerlessRunner().validate_config(aws_service("http://127.0.0.1:9", **config))


# ---- headers and secrets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("words", ["a\r\nX-Evil: 1", "a\nb", "\0", "ü\u202e", '"quoted" {x} 100%', "x" * 5000])
async def test_a_job_s_words_cannot_end_a_cloud_event_s_header(mode: str, words: str) -> None:
    """Correlation and key are encoded: no header is added, none is ended."""
    async with HttpTarget() as target:
        await perform(web_service(target.url, cloud_events=mode), correlation_id=words, idempotency_key=words)
    (seen,) = target.requests
    assert not seen.header("x-evil")
    known = {"ce-id", "ce-source", "ce-specversion", "ce-subject", "ce-type"} if mode == "binary" else set()
    assert {name.lower() for name, _ in seen.headers if name.lower().startswith("ce-")} == known


async def test_a_job_s_words_cannot_end_the_client_context() -> None:
    """Key and correlation travel in base64, hashed where they are long."""
    async with HttpTarget() as target:
        await perform(aws_service(target.url, "resize"), correlation_id="a\r\nX-Evil: 1", idempotency_key="k" * 9000)
    (seen,) = target.requests
    assert not seen.header("x-evil")
    assert len(seen.header("x-amz-client-context")) < 3583


def test_a_plan_has_no_secret() -> None:
    """Keys, tokens and external ids are named in a plan and never in it, nor in the line to paste."""
    config = {"auth_config": {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs", "external_id_env_var": "EXTERNAL"}}
    service = aws_service("http://127.0.0.1:9", **config)
    runner = ServerlessRunner()
    plan = runner.plan(runner.validate_config(service), make_call(service, {"a": 1}))
    text = json.dumps(plan.describe()) + repr(plan)
    assert SECRET not in text
    assert plan.footprint.secrets == ("env:EXTERNAL",)
    assert "aws lambda invoke" in text


async def test_a_missing_external_id_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the id that the role's owner demands, neither STS nor Lambda is asked."""
    monkeypatch.delenv("EXTERNAL", raising=False)
    auth = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/jobs", "external_id_env_var": "EXTERNAL"}
    async with HttpTarget() as target:
        result = await perform(aws_service(target.url, auth_config=auth))
    assert "env:EXTERNAL is not set" in str(result.outcome)
    assert not isinstance(result.outcome, Refused)
    assert not target.requests
