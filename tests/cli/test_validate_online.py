"""`validate --online`: what exists out there, what does not, and what could not be asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from support.cli import Said, specql_jobs
from support.engine import engine
from support.lambda_host import REGION, LambdaHost
from support.serverless_calls import ENVIRONMENT, SECRET

DIGEST = "sha256:" + "ab" * 32
REGISTRY = f"""\
services:
  pay:
    category: money
    runner_config:
      base_url: "https://localhost:8443"
      timeout: 30s
      auth_type: bearer
      auth_config:
        token_env_var: PAY_TOKEN_OF_TEST
    security_policy: {{allowed_domains: [localhost]}}
    operations:
      charge: {{input_schema: {{cents: integer}}}}
  gone:
    category: money
    runner_config:
      base_url: "https://gone.invalid/v1"
      timeout: 30s
    security_policy: {{allowed_domains: [gone.invalid]}}
    operations:
      charge: {{input_schema: {{cents: integer}}}}
  scorer:
    category: compute
    execution_type: docker
    runner_config:
      image: "scorer@{DIGEST}"
      timeout: 30s
    security_policy: {{allowed_images: ["scorer@{DIGEST}"], resource_limits: {{memory: 256MB}}}}
    operations:
      score: {{input_schema: {{}}, command: [score]}}
  resizer:
    category: media
    execution_type: serverless
    runner_config: {{provider: aws, region: eu-west-1, function_name: resize, timeout: 30s}}
    security_policy:
      allowed_providers: [aws]
      allowed_regions: [eu-west-1]
      cost_limits: {{max_invocations_per_hour: 9}}
    operations:
      resize: {{input_schema: {{}}}}
"""
#: The engine's own place may hold a real engine: tests name another.
NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/engine.sock"}


def online(folder: Path, *arguments: str, text: str = REGISTRY, env: dict[str, str] | None = None) -> Said:
    (folder / "services.yaml").write_text(text)
    return specql_jobs("validate", *arguments, "-o", "json", folder=folder, env={**NO_ENGINE, **(env or {})})


def found(said: Said) -> list[tuple[str, int, str]]:
    return [(e["code"], e["line"], e["service"]) for e in said.data["findings"] if e["code"].startswith("SQJ9")]


def test_nothing_is_asked_without_the_flag(tmp_path: Path) -> None:
    """Without --online nothing outside is looked at, nothing counts as skipped, and -v says so."""
    said = online(tmp_path)
    assert (said.code, found(said), said.data["skipped"]) == (0, [], [])
    assert said.data["summary"]["skipped"] == 0
    assert "offline" in specql_jobs("validate", "-v", folder=tmp_path).err


def test_hosts_are_looked_up_and_judged(tmp_path: Path) -> None:
    """A name without an address, and one whose address the policy refuses, are errors at their URL."""
    said = online(tmp_path, "--online=dns")
    assert said.code == 1
    assert found(said) == [("SQJ902", 5, "pay"), ("SQJ901", 16, "gone")]
    assert "127.0.0.1" in next(e["message"] for e in said.data["findings"] if e["code"] == "SQJ902")


def test_a_policy_that_allows_the_address_silences_it(tmp_path: Path) -> None:
    """What the policy allows is no finding, online as at run time."""
    text = REGISTRY.replace("[localhost]}", "[localhost], allow_private_networks: true}")
    assert ("SQJ902", 5, "pay") not in found(online(tmp_path, "--online=dns", text=text))


def test_secrets_are_named_and_never_shown(tmp_path: Path) -> None:
    """A variable that is not set is an error that names it; one that is set is none, and its value is nowhere."""
    assert found(online(tmp_path, "--online=secrets")) == [("SQJ903", 9, "pay")]
    said = online(tmp_path, "--online", "secrets", env={"PAY_TOKEN_OF_TEST": "hunter2-hunter2"})
    assert found(said) == []
    assert "hunter2" not in said.out + said.err


def test_files_of_secrets_are_looked_for(tmp_path: Path) -> None:
    """A *_file key whose file is not there is an error; the file's content is nowhere."""
    secret = tmp_path / "token"
    text = REGISTRY.replace("token_env_var: PAY_TOKEN_OF_TEST", f'token_file: "{secret}"')
    assert found(online(tmp_path, "--online=secrets", text=text)) == [("SQJ903", 9, "pay")]
    secret.write_text("hunter2-hunter2")
    said = online(tmp_path, "--online=secrets", text=text)
    assert found(said) == []
    assert "hunter2" not in said.out


@pytest.mark.parametrize(
    ("local", "answer", "codes"),
    [
        pytest.param(frozenset({f"scorer@{DIGEST}"}), 404, [], id="here"),
        pytest.param(frozenset[str](), 200, [], id="in-its-registry"),
        pytest.param(frozenset[str](), 404, [("SQJ904", 25, "scorer")], id="nowhere"),
    ],
)
def test_images_are_asked_of_the_engine(tmp_path: Path, local: frozenset[str], answer: int, codes: list[Any]) -> None:
    """An image is there when the engine has it at this digest, or its registry does; else it is an error."""
    with engine(tmp_path, local, {f"scorer@{DIGEST}": answer}) as running:
        said = online(tmp_path, "--online=image", env={"DOCKER_HOST": running.url})
    assert found(said) == codes
    assert said.data["skipped"] == []
    assert running.asked[0] == f"/images/scorer@{DIGEST}/json"


@pytest.mark.parametrize(("answer", "word"), [(401, "login"), (403, "login"), (500, "500")])
def test_an_image_that_nobody_can_tell_of_is_skipped(tmp_path: Path, answer: int, word: str) -> None:
    """A registry that wants a login, or an engine in trouble, says neither yes nor no."""
    with engine(tmp_path, registry={f"scorer@{DIGEST}": answer}) as running:
        said = online(tmp_path, "--online=image", env={"DOCKER_HOST": running.url})
    assert found(said) == []
    assert [(e["code"], e["check"], e["service"]) for e in said.data["skipped"]] == [("SQJ904", "image", "scorer")]
    assert word in said.data["skipped"][0]["reason"]


@pytest.mark.parametrize("url", ["unix:///nonexistent/engine.sock", "tcp://127.0.0.1:9", "ssh://host"])
def test_without_an_engine_images_are_skipped(tmp_path: Path, url: str) -> None:
    """No engine, or a way to one that is not supported, is said and is exit 0; with --strict it is 1."""
    said = online(tmp_path, "--online=image", env={"DOCKER_HOST": url})
    assert (said.code, said.data["summary"]["skipped"]) == (0, 1)
    assert said.data["skipped"][0]["reason"]
    strict = online(tmp_path, "--online=image", "--strict", "--select", "SQJ9", env={"DOCKER_HOST": url})
    assert strict.code == 1


def test_a_function_that_cannot_be_asked_about_is_said(tmp_path: Path) -> None:
    """Without credentials nobody is asked, which is said for each service, in text as in JSON."""
    (skipped,) = online(tmp_path, "--online=function").data["skipped"]
    assert (skipped["code"], skipped["service"]) == ("SQJ905", "resizer")
    said = specql_jobs("validate", "--online=function", folder=tmp_path)
    assert "skipped: function of resizer: this host has no AWS credentials" in said.err
    assert "1 skipped in 1 file" in said.err


@pytest.mark.parametrize(("held", "codes"), [("resize", []), ("other", [("SQJ905", 33, "resizer")])])
async def test_functions_are_asked_of_their_provider(tmp_path: Path, held: str, codes: list[Any]) -> None:
    """A function that AWS knows is none, one that it does not know is an error at its name; nothing is invoked."""
    async with LambdaHost() as host:
        host.holds(held)
        there = f'provider: aws, region: {REGION}, endpoint_url: "{host.url}"'
        text = REGISTRY.replace("provider: aws, region: eu-west-1", there)
        text = text.replace("allowed_providers:", "allow_private_networks: true\n      allowed_providers:")
        said = await asyncio.to_thread(online, tmp_path, "--online=function", text=text, env=ENVIRONMENT)
    assert (found(said), said.data["skipped"]) == (codes, [])
    assert [seen.method for seen in host.front.requests] == ["GET"]
    assert SECRET not in said.out + said.err


def test_a_bare_flag_checks_all_kinds(tmp_path: Path) -> None:
    """--online alone asks everything, and does not swallow the path that follows it."""
    (tmp_path / "services.yaml").write_text(REGISTRY)
    said = specql_jobs("validate", "--online", "services.yaml", "-o", "json", folder=tmp_path, env=NO_ENGINE)
    assert {code for code, _, _ in found(said)} == {"SQJ901", "SQJ902", "SQJ903"}
    assert {each["check"] for each in said.data["skipped"]} == {"image", "function"}


def test_a_registry_with_errors_is_not_asked_about(tmp_path: Path) -> None:
    """What cannot be used is mended first: each kind is skipped, in one line that says so."""
    said = online(tmp_path, "--online", text="services: {a: {opertions: {}}}")
    assert {each["check"] for each in said.data["skipped"]} == {"dns", "secrets", "image", "function"}
    err = specql_jobs("validate", "--online", folder=tmp_path).err
    assert err.count("skipped:") == 1


def test_an_unknown_kind_is_exit_2(tmp_path: Path) -> None:
    """A kind that does not exist is a wrong call that names those that do."""
    said = online(tmp_path, "--online=dsn")
    assert said.code == 2
    assert "secrets" in said.error["hint"]


def test_an_online_finding_can_be_ignored(tmp_path: Path) -> None:
    """--ignore takes the codes of online rules too."""
    assert found(online(tmp_path, "--online=dns", "--ignore", "SQJ901,SQJ902")) == []
