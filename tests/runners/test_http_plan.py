"""The plan of an HTTP job: deterministic, without I/O, readable, and without a secret."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_call, make_service

from specql_jobs.core.contract import PlanError
from specql_jobs.core.policy import Policy, judge
from specql_jobs.core.registry.model import Service
from specql_jobs.runners.http import HTTPRunner

POLICY = Policy(allowed_domains=("api.test",), max_request_size=100, max_response_size=2000, max_redirects=1)
CONFIG = {
    "base_url": "https://api.test/v1/",
    "auth_type": "bearer",
    "auth_config": {"token_env_var": "API_TOKEN"},
    "headers": {"X-Api-Key": "inline-key-1", "X-Plain": "it's"},
}


def stripe() -> Service:
    """Return a service as a registry would describe it."""
    return make_service(runner_config=CONFIG, policy=POLICY)


def test_a_description_shows_everything_but_secrets() -> None:
    """Dry-run prints method, URL, headers, body and a curl line; secrets appear by name."""
    runner = HTTPRunner()
    plan = runner.plan(runner.validate_config(stripe()), make_call(stripe(), {"a": 1}, timeout_seconds=30))
    shown = plan.describe()
    text = json.dumps(shown)
    assert (shown["method"], shown["url"]) == ("POST", "https://api.test/v1/op")
    assert shown["headers"]["Authorization"] == "Bearer ••• (env:API_TOKEN)"
    assert shown["headers"]["X-Api-Key"] == "•••"
    assert (shown["body"], shown["body_bytes"], shown["timeout_seconds"]) == ({"a": 1}, 7, 30)
    assert shown["secrets"] == ["env:API_TOKEN"]
    assert "inline-key-1" not in text + repr(plan)


def test_the_curl_line_can_be_pasted() -> None:
    """It is valid shell: one URL, one body, the secret as a variable."""
    runner = HTTPRunner()
    line = runner.plan(runner.validate_config(stripe()), make_call(stripe(), {"n": "it's $HOME"})).describe()["curl"]
    words = shlex.split(line)
    assert words[0] == "curl"
    assert words[-1] == "https://api.test/v1/op"
    assert json.loads(words[words.index("--data-raw") + 1]) == {"n": "it's $HOME"}
    assert "Authorization: Bearer $API_TOKEN" in words
    assert "X-Plain: it's" in words


def test_the_footprint_states_sizes_and_names() -> None:
    """Policy can judge the request's size and time before anything is sent."""
    runner = HTTPRunner()
    plan = runner.plan(runner.validate_config(stripe()), make_call(stripe(), {"a": "x" * 200}, timeout_seconds=9999))
    footprint = plan.footprint
    assert (footprint.request_bytes, footprint.output_bytes) == (208, 2000)
    assert footprint.secrets == ("env:API_TOKEN",)
    assert {violation.field for violation in judge(footprint, POLICY)} == {"max_request_size", "max_execution_time"}


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers() | st.none(), max_size=4))
def test_planning_is_deterministic(values: dict[str, object]) -> None:
    """The same call makes the same plan, whatever the input; or none, with a reason."""
    runner = HTTPRunner()
    spec = runner.validate_config(stripe())
    call = make_call(stripe(), {"data": values})
    assert runner.plan(spec, call) == runner.plan(spec, call)


@given(st.text(min_size=1, max_size=30))
def test_a_value_never_leaves_its_path_segment(value: str) -> None:
    """Whatever the text, it is one segment of the path, or there is no plan."""
    runner = HTTPRunner()
    call = make_call(stripe(), {"id": value}, mapping={"request": {"method": "GET", "path": "/c/{id}/end"}})
    try:
        url = runner.plan(runner.validate_config(stripe()), call).request.url
    except PlanError:
        assert value in (".", "..") or any("\ud800" <= mark <= "\udfff" for mark in value)
        return
    segments = url.raw_path.decode().split("/")
    assert (url.host, url.query) == ("api.test", b"")
    assert segments[:3] == ["", "v1", "c"]
    assert (len(segments), segments[-1]) == (5, "end")


@pytest.mark.parametrize("values", [{"x": float("nan")}, {"x": "\ud800"}])
def test_input_that_is_no_json_makes_no_plan(values: dict[str, object]) -> None:
    """NaN and lone surrogates are the input's fault, not a crash."""
    runner = HTTPRunner()
    with pytest.raises(PlanError):
        runner.plan(runner.validate_config(stripe()), make_call(stripe(), values))
