"""`run`, `run -n`, `show` and `doctor` for functions, as typed: real commands against a far end on this machine."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.board import Board
from support.cli import specql_jobs
from support.moto_server import moto
from support.serverless_calls import ENVIRONMENT, KEY, SECRET
from support.tree import ROOT

from specql_jobs.core.registry.load import load_text

REGISTRY = """
services:
  resize:
    category: media
    execution_type: lambda
    runner_config:
      {{provider: aws, function_name: resize, region: eu-west-1, endpoint_url: "{url}", memory_mb: 128, timeout: 20s}}
    security_policy:
      allowed_providers: [aws]
      allowed_regions: [eu-west-1]
      allow_private_networks: {private}
      cost_limits: {{max_invocations_per_hour: 2}}
    operations:
      image: {{input_schema: {{url: string}}, payload: {{source: "{{url}}"}}}}
"""
RUN = ("run", "resize.image", "--set", "url=it's")


@pytest.fixture(scope="module")
def far_end() -> Iterator[str]:
    """A server of AWS's APIs for the tests of this file."""
    with moto() as url:
        yield url


def registry(folder: Path, url: str, private: str = "true") -> str:
    """Write a registry whose function is at `url`, and return its path."""
    path = folder / "services.yaml"
    path.write_text(REGISTRY.format(url=url, private=private))
    return str(path)


def test_a_function_is_run_and_its_answer_is_the_output(far_end: str, tmp_path: Path) -> None:
    """`run` invokes the function once; output on stdout, usage and plan with -o json, the key nowhere."""
    path = registry(tmp_path, far_end)
    said = specql_jobs(*RUN, "-r", path, env=ENVIRONMENT)
    full = specql_jobs(*RUN, "-r", path, "-o", "json", env=ENVIRONMENT)
    assert (said.code, json.loads(said.out)) == (0, {"source": "it's"})
    assert said.err.startswith("completed resize.image in ")
    assert full.data["output"] == {"source": "it's"}
    assert full.data["execution_type"] == "serverless"
    assert full.data["resource_usage"]["cost_usd"] > 0
    assert SECRET not in said.out + said.err + full.out + full.err


def test_a_dry_run_prints_a_line_to_paste(tmp_path: Path) -> None:
    """`run -n` needs no credentials and no far end; its line has the payload as it would be sent."""
    said = specql_jobs(*RUN, "-n", "-r", registry(tmp_path, "http://127.0.0.1:9"), "-o", "json")
    assert (said.code, said.data["verdict"]) == (0, "allowed")
    words = shlex.split(said.data["plan"]["aws"])
    assert words[:3] == ["aws", "lambda", "invoke"]
    assert json.loads(words[words.index("--payload") + 1]) == {"source": "it's"}
    assert words[words.index("--endpoint-url") + 1] == "http://127.0.0.1:9"


def test_an_emulator_needs_the_policy_s_word(tmp_path: Path) -> None:
    """Without allow_private_networks the plan is refused, and validate has said so before."""
    path = registry(tmp_path, "http://127.0.0.1:9", private="false")
    said = specql_jobs(*RUN, "-n", "-r", path, "-o", "json")
    assert said.data["verdict"] == "refused"
    assert {found["code"] for found in said.data["violations"]} == {"private_address", "scheme_not_allowed"}
    assert "SQJ504" in specql_jobs("validate", path).out


def test_a_host_without_credentials_says_so(tmp_path: Path) -> None:
    """`run` is exit 5 and names doctor; doctor names what is looked at, and with credentials only their source."""
    path = registry(tmp_path, "http://127.0.0.1:9")
    said = specql_jobs(*RUN, "-r", path, "-o", "json")
    assert (said.code, said.error["name"]) == (5, "runner-unavailable")
    missing, there = ([each for each in _doctor(env) if each["name"] == "serverless aws"] for env in ({}, ENVIRONMENT))
    assert (missing[0]["status"], there[0]["status"]) == ("warn", "ok")
    assert "AWS_ACCESS_KEY_ID" in missing[0]["fix"]
    assert there[0]["detail"].startswith("credentials from env")
    assert not [secret for secret in (KEY, SECRET) if secret in repr(there)]


def _doctor(env: dict[str, str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = specql_jobs("doctor", "-o", "json", env=env).data["checks"]
    return found


def test_a_worker_invokes_up_to_the_limit_and_shows_the_rest_as_limited(
    board: Board, far_end: str, tmp_path: Path
) -> None:
    """Three jobs, two invocations an hour: two are completed, one waits, and `show` says what for."""
    path = registry(tmp_path, far_end)
    for _ in range(3):
        assert board("enqueue", "resize.image", "--set", "url=a", "-r", path, "-q").code == 0
    ended = specql_jobs("worker", "-r", path, "--dsn", board.dsn, "--max-jobs", "3", env=ENVIRONMENT)
    assert ended.code == 0, ended.err
    jobs = board("list", "-o", "json").data
    assert sorted(job["status"] for job in jobs) == ["completed", "completed", "pending"]
    (waiting,) = [job for job in jobs if job["status"] == "pending"]
    assert waiting["attempts"] == 0
    assert "resize has reached its hourly limit" in board("show", waiting["id"]).out
    (shown,) = board("show", waiting["id"], "-o", "json").data
    assert shown["why"]["code"] == "limited"


def test_the_registries_of_the_page_load() -> None:
    """Every registry in docs/serverless.md is one without errors and warnings."""
    text = (ROOT / "docs" / "serverless.md").read_text("utf-8")
    pages = [page for page in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if page.startswith("services:")]
    assert len(pages) == 2
    for page in pages:
        loaded = load_text(page, variables={})
        assert not [found for found in loaded.findings if found.severity != "info"], loaded.findings
