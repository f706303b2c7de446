"""What is taken for a credential, and that no finding repeats one."""

from __future__ import annotations

import pytest

from specql_jobs.core.registry.load import Loaded, load_text
from specql_jobs.core.registry.secret_shapes import is_secret_name, looks_secret, masked

#: Put together here, so that no scanner takes this file for a leak.
CREDENTIALS = [
    "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "AKI" + "A" + "IOSFODNN7EXAMPLE",
    "gh" + "p_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "xox" + "b-" + "123456789012-abcdefABCDEF",
    "postgres://app:" + "hunter2" + "@db.example.com/app",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "c2lnbmF0dXJl",
    "Bearer sk_" + "test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "q8Zt3LxP0vRk7NwY2bJd5HsF9mGc4TuA",
]
ORDINARY = [
    "",
    "https://api.example.com/v1/accounts/{account}/entries",
    "arn:aws:iam::123456789012:role/LambdaExecutionRole",
    "registry.example.com/score@sha256:" + "4f" * 32,
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "the-quick-brown-fox-jumps-over-the-lazy-dog-again",
    "AVeryLongButOtherwiseQuiteOrdinaryName",
    "https://user@example.com/",
    "${DATABASE_URL}",
]


@pytest.mark.parametrize("text", CREDENTIALS, ids=range(len(CREDENTIALS)))
def test_credentials_are_known_by_their_shape(text: str) -> None:
    """Issuers' prefixes, passwords in URLs and random text are credentials, and `masked` leaves none of it."""
    assert looks_secret(text)
    assert not looks_secret(masked(text))
    assert len(masked(text)) == len(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_values_are_left_alone(text: str) -> None:
    """URLs, ARNs, digests, long names and references are no credentials."""
    assert not looks_secret(text)
    assert masked(text) == text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        *((name, True) for name in ("DB_PASSWORD", "X-Api-Key", "Authorization", "token")),
        *((name, False) for name in ("TOKENS_PER_PAGE", "PRIMARY_KEY", "token_env_var", "KEYBOARD", "secret_file")),
    ],
)
def test_names_that_say_what_they_hold(name: str, secret: bool) -> None:
    """A name that ends in password, token, key of an API and the like holds a credential; a reference does not."""
    assert is_secret_name(name) is secret


def loaded(place: str) -> Loaded:
    text = "services: {p: {category: c, {}, operations: {o: {input_schema: {}, timeout: 1s}}}}".replace("{}", place, 1)
    return load_text(text, "f", variables={})


@pytest.mark.parametrize("credential", CREDENTIALS, ids=range(len(CREDENTIALS)))
@pytest.mark.parametrize(
    "place",
    [
        "runner_config: {headers: {X-Thing: '%s'}}",
        "execution_type: shell, runner_config: {environment: {THING: '%s'}}",
        "runner_config: {timeout: '%s'}",
        "execution_type: '%s'",
        "runner_config: {auth_type: '%s'}",
    ],
)
def test_no_finding_repeats_a_credential(credential: str, place: str) -> None:
    """Wherever a credential was put, a finding says so without its text."""
    found = loaded(place % credential)
    assert found.findings
    for each in found.findings:
        assert credential.removeprefix("Bearer ") not in each.message + each.help


def test_only_what_is_sent_is_judged_by_its_name() -> None:
    """A header of a telling name with text is a finding, a reference to a variable under auth_config is none."""
    telling = loaded("runner_config: {headers: {X-Auth-Token: changeme-now}}")
    assert "SQJ407" in {each.code for each in telling.findings}
    reference = loaded("runner_config: {auth_type: bearer, auth_config: {token_env_var: PAY_TOKEN}}")
    assert "SQJ407" not in {each.code for each in reference.findings}
