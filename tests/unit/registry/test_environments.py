"""Environments: what is laid over the base, and what is checked without being chosen."""

from __future__ import annotations

import pytest
from support.registries import FIXTURES, errors, good, read, token

from specql_jobs.core.errors import UsageError
from specql_jobs.core.registry.load import load
from specql_jobs.core.registry.model import Registry


def environment(name: str, **variables: str) -> Registry:
    return good(load([FIXTURES / "environments.yaml"], environment=name, variables=variables))


def test_an_environment_merges_by_name_in_any_case() -> None:
    """Mappings merge deeply, lists and scalars replace, new services and operations are added."""
    registry = environment("staging")
    ledger = registry.services["ledger"]
    assert ledger.runner_config["base_url"] == "https://staging.example.com"
    assert (ledger.timeout, ledger.policy.allowed_domains) == (30.0, ("staging.example.com",))
    assert ledger.operations["post"].timeout == 60.0
    assert dict(ledger.operations["post"].input_schema["properties"]["cents"]) == {"type": "integer"}
    assert list(registry.services) == ["ledger", "echo"]


def test_without_an_environment_the_base_stands() -> None:
    """Environments that are not chosen change nothing and need none of their variables."""
    registry = environment("")
    assert registry.services["ledger"].runner_config["base_url"] == "https://ledger.example.com"
    assert "echo" not in registry.services


def test_the_chosen_environment_needs_its_variables() -> None:
    """A variable of the chosen environment must be set; the top-level form is an environment like the other."""
    assert environment("production", LEDGER_HOST="l.example.com").services["ledger"].runner_config["base_url"] == (
        "https://l.example.com/v1"
    )
    loaded = load([FIXTURES / "environments.yaml"], environment="production", variables={})
    assert [found.code for found in errors(loaded)] == ["SQJ008"]


def test_an_unknown_environment_is_a_usage_error_with_the_known_names() -> None:
    """A misspelt --env must not silently run the base."""
    with pytest.raises(UsageError) as caught:
        environment("prodction")
    assert "staging, production" in caught.value.message
    assert "production" in caught.value.hint


def test_mistakes_in_environments_show_without_choosing_them() -> None:
    """Validation checks the merged result of every environment, and each mistake is found once."""
    text = """
    services:
      s:
        runner_config: {base_url: "https://a.com"}
        security: {allowed_domains: [a.com]}
        operations: {o: {input_schema: {}}}
    production:
      services:
        S: {security_policy: {allowed_domainz: [b.com]}}
        t: {operations: {o: {input_schema: {}, timeout: never}}}
    """
    found = errors(read(text))
    assert [(each.code, token(text, each)) for each in found] == [("SQJ101", "allowed_domainz"), ("SQJ105", "never")]


def test_an_overlay_may_complete_a_service() -> None:
    """What the base lacks and the chosen environment gives is not missing."""
    text = """
    services:
      s: {execution_type: docker, security: {allowed_images: ["x:*"]}, operations: {o: {input_schema: {}}}}
    production: {services: {s: {runner_config: {image: "x:1"}}}}
    """
    assert good(read(text, "production")).services["s"].runner_config["image"] == "x:1"
    assert [found.code for found in errors(read(text))] == ["SQJ103"]


def test_declared_values_span_environments_and_spellings() -> None:
    """What a row may repeat is every value that some environment gives, and the text as it is written."""
    declared = environment("staging").services["ledger"].declared_config
    assert set(declared["base_url"]) >= {"https://ledger.example.com", "https://staging.example.com"}
    assert 30 in declared["timeout"]
    assert "${LEDGER_TIMEOUT:-30}" in declared["timeout"]
