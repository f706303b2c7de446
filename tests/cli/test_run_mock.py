"""`run --mock` and `replay --mock`: a local server answers in the target's place, through the real runner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.board import Board
from support.cli import Said, specql_jobs

FAR = "https://api.payments.example/v1"
REGISTRY = f"""\
services:
  pay:
    category: financial
    execution_type: http
    runner_config: {{base_url: "{FAR}", auth_type: bearer, auth_config: {{token_env_var: PAY_TOKEN}}}}
    security_policy: {{allowed_domains: ["api.payments.example"], max_redirects: 2}}
    operations:
      ok: {{input_schema: {{id: string, note: string?}}, request: {{method: PUT, path: "/charges/{{id}}", body: json}}}}
  oauth:
    category: financial
    execution_type: http
    runner_config:
      base_url: "{FAR}"
      auth_type: oauth2
      auth_config: {{token_url: "{FAR}/token", client_id: me, client_secret_env_var: PAY_TOKEN}}
    security_policy: {{allowed_domains: ["api.payments.example"]}}
    operations:
      ok: {{input_schema: {{}}, request: {{method: POST, path: /charges, body: json}}}}
  elsewhere:
    category: test
    execution_type: http
    runner_config: {{base_url: "{FAR}"}}
    security_policy: {{allowed_domains: ["other.example"]}}
    operations:
      go: {{input_schema: {{}}}}
  box:
    category: test
    execution_type: docker
    runner_config: {{image: "alpine@sha256:{"0" * 64}"}}
    security_policy: {{allowed_images: ["alpine@sha256:{"0" * 64}"]}}
    operations:
      go: {{input_schema: {{}}, command: ["true"]}}
"""


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose targets do not exist, as the current folder's own."""
    monkeypatch.setenv("PAY_TOKEN", "tok-0123456789")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "services.yaml"
    path.write_text(REGISTRY, "utf-8")
    return path


def _ran(*arguments: str) -> Said:
    return specql_jobs("run", *arguments, "-o", "json")


def _answers(tmp_path: Path, answers: object) -> str:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers), "utf-8")
    return str(path)


def test_a_file_answers_instead_of_the_target(tmp_path: Path) -> None:
    """The stand-in hears the very request that the plan names; the plan still names the real target."""
    file = _answers(tmp_path, {"status": 201, "body": {"id": "ch_1"}})
    said = _ran("pay.ok", "--set", "id=a b", "--mock", file)
    assert (said.code, said.data["output"]) == (0, {"id": "ch_1"}), said.out
    (asked,) = said.data["mock"]["requests"]
    assert (asked["method"], asked["path"], asked["answered"]) == ("PUT", "/v1/charges/a%20b", 201)
    assert said.data["plan"]["url"] == f"{FAR}/charges/a%20b"


def test_a_status_alone_is_an_answer() -> None:
    """--mock 503 shows what becomes of the job when the target is down: exit 1, its category, worth a retry."""
    said = _ran("pay.ok", "--set", "id=1", "--mock", "503")
    assert (said.code, said.data["error"]["category"]) == (1, "target_unavailable")
    assert said.data["resource_usage"]["status_code"] == 503


def test_a_token_is_asked_of_the_stand_in_too() -> None:
    """OAuth 2 leads to the same server, so that nothing leaves this machine; the token is no answer of the file's."""
    said = _ran("oauth.ok", "--mock", "200")
    assert said.code == 0, said.out
    assert [each["path"] for each in said.data["mock"]["requests"]] == ["/v1/charges"]


def test_answers_come_in_turn_and_only_from_here(tmp_path: Path) -> None:
    """A redirect within the stand-in is followed to the next answer; one that leads away from it is refused."""
    at_home = [{"status": 307, "headers": {"Location": "/v1/other"}}, {"body": {"n": 2}}]
    said = _ran("pay.ok", "--set", "id=1", "--mock", _answers(tmp_path, at_home))
    assert (said.code, said.data["output"]) == (0, {"n": 2}), said.out
    away = {"status": 307, "headers": {"Location": f"{FAR}/other"}}
    said = _ran("pay.ok", "--set", "id=1", "--mock", _answers(tmp_path, away))
    assert (said.code, said.data["error"]["category"]) == (1, "policy_violation")


def test_a_slow_answer_meets_the_timeout(tmp_path: Path) -> None:
    """The job's timeout holds against the stand-in as against any target."""
    said = _ran("pay.ok", "--set", "id=1", "--timeout", "1s", "--mock", _answers(tmp_path, {"delay": 600}))
    assert (said.code, said.data["error"]["category"]) == (1, "timeout")


def test_what_policy_refuses_is_not_mocked() -> None:
    """The verdict is on the real target; the stand-in is not asked."""
    said = _ran("elsewhere.go", "--mock", "200")
    assert (said.code, said.data["error"]["category"], said.data["mock"]["requests"]) == (1, "policy_violation", [])


def test_only_http_has_a_stand_in() -> None:
    """A container has no far end to stand in for: exit 2 with what else there is."""
    said = _ran("box.go", "--mock", "200")
    assert (said.code, said.error["code"]) == (2, "E200")
    assert "docker" in said.error["message"]


@pytest.mark.parametrize(
    "written", ['{"status": 99}', '{"code": 200}', "[]", "not json", '{"headers": {"a": "b\\r\\nc"}}', '{"delay": -1}']
)
def test_an_unusable_file_is_exit_2(tmp_path: Path, written: str) -> None:
    """What cannot be an answer is said before anything is sent."""
    (tmp_path / "bad.json").write_text(written)
    assert _ran("pay.ok", "--set", "id=1", "--mock", str(tmp_path / "bad.json")).code == 2
    assert _ran("pay.ok", "--set", "id=1", "--mock", str(tmp_path / "none.json")).code == 2


def test_a_queued_job_replays_against_a_stand_in(board: Board) -> None:
    """`replay --mock` takes the job's own input, --set on top of it."""
    id_ = board.add("pay", "ok", "failed", input_data={"id": "7"}, error_category="target_unavailable")
    said = board("replay", id_, "--set", "note=x", "--mock", "200", "-o", "json")
    assert (said.code, said.data["mock"]["requests"][0]["path"]) == (0, "/v1/charges/7")
    assert '"note"' in json.dumps(said.data["plan"]["body"])
