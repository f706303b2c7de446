"""The rules on functions and the serverless runner refuse the same: what loads without an error can be executed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.builders import make_operation, make_service

from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.function_rules import ONLY_FOR
from specql_jobs.core.registry.load import load_text
from specql_jobs.runners.serverless import ServerlessRunner
from specql_jobs.runners.serverless_config import _ONLY_FOR

PLACES: dict[str, dict[str, Any]] = {
    "aws": {"region": "eu-west-1"},
    "gcp": {"endpoint_url": "https://f-abc-ew.a.run.app"},
    "azure": {"endpoint_url": "https://app.azurewebsites.net"},
    "http": {"endpoint_url": "https://functions.example"},
}
VALUES: dict[str, Any] = {
    "qualifier": "prod",
    "result_queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/results",
    "environment": {"A": "1"},
    "cloud_events": "binary",
    "auth_config.role_arn": "arn:aws:iam::123456789012:role/jobs",
    "auth_config.metadata": True,
    "auth_config.credentials_file": "/etc/key.json",
}


def found(config: dict[str, Any], policy: dict[str, Any] | None = None) -> tuple[set[str], str]:
    """Return the codes of SQJ53x that a service has, and what the runner says of it ("" if it takes it)."""
    stated = {"allowed_providers": [config["provider"]], **(policy or {})}
    service = {"execution_type": "serverless", "runner_config": config, "security_policy": stated}
    text = json.dumps({"services": {"f": {**service, "operations": {"o": {}}}}})
    loaded = load_text(text, variables={})
    codes = {item.code for item in loaded.findings if item.code.startswith("SQJ53")}
    operation = make_operation("o", service="f")
    made = make_service(ExecutionType.SERVERLESS, name="f", runner_config=config, operations={"o": operation})
    try:
        ServerlessRunner().validate_config(replace(made, policy=_policy(policy or {})))
    except ConfigError as error:
        return codes, error.message
    return codes, ""


def _policy(stated: dict[str, Any]) -> Policy:
    return Policy(max_cost_per_hour=stated.get("cost_limits", {}).get("max_cost_per_hour"))


def test_rule_and_runner_know_the_same_keys() -> None:
    """The two tables of what a key is for are one."""
    assert ONLY_FOR == _ONLY_FOR


@pytest.mark.parametrize("provider", PLACES)
@pytest.mark.parametrize("key", ONLY_FOR)
def test_a_key_of_another_provider_is_an_error(provider: str, key: str) -> None:
    """SQJ531 where the provider has no use for the key, and nothing where it has."""
    config = {"provider": provider, "function_name": "f", **PLACES[provider]}
    head, _, name = key.rpartition(".")
    value = VALUES.get(key, "/etc/secret" if key.endswith("_file") else "NAME")
    config |= {head: {name: value}} if head else {key: value}
    if provider == "aws" and key == "result_queue":
        config["invocation_type"] = "Event"
    if provider == "aws" and key.endswith("external_id_env_var"):
        config["auth_config"]["role_arn"] = VALUES["auth_config.role_arn"]
    codes, said = found(config)
    assert (codes == set()) is (provider in ONLY_FOR[key]), codes
    assert (said == "") is (provider in ONLY_FOR[key]), said


@pytest.mark.parametrize(
    ("config", "policy"),
    [
        ({"provider": "aws"}, {}),
        ({"provider": "gcp"}, {}),
        ({"provider": "azure"}, {}),
        ({"provider": "http"}, {}),
        ({"provider": "http", **PLACES["http"]}, {"cost_limits": {"max_cost_per_hour": 1}}),
    ],
)
def test_what_is_missing_is_found_before_a_job_finds_it(config: dict[str, Any], policy: dict[str, Any]) -> None:
    """SQJ530 stands for every ConfigError about a key that is not there."""
    codes, said = found({"function_name": "f", **config}, policy)
    assert codes == {"SQJ530"}
    assert said


@pytest.mark.parametrize(
    "config",
    [
        {"function_name": "arn:aws:lambda:us-east-1:123456789012:function:f"},
        {"function_name": "f:prod", "qualifier": "dev"},
        {"function_name": "a/b"},
        {"result_queue": VALUES["result_queue"]},
        {"invocation_type": "Event", "result_queue": "https://sqs.us-east-1.amazonaws.com/123456789012/r"},
        {"invocation_type": "Event", "result_queue": "https://elsewhere.example/123456789012/r"},
        {"provider": "gcp", "endpoint_url": "https://f-123456.us-east1.run.app", "region": "europe-west1"},
        {"provider": "gcp", "endpoint_url": "https://us-east1-p.cloudfunctions.net/f", "region": "europe-west1"},
    ],
)
def test_a_contradiction_is_an_error(config: dict[str, Any]) -> None:
    """SQJ532 where two keys cannot both be meant."""
    codes, said = found({"provider": "aws", "function_name": "f", **PLACES["aws"], **config})
    assert codes == {"SQJ532"}
    assert said
