"""`run`: one job here, against a real local HTTP service; plan, verdict, exit codes."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import answering, specql_jobs, write_registry
from support.require import require

TOKEN = {"PAY_TOKEN": "tok-0123456789"}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry whose services point at a running HTTP service."""
    with answering() as url:
        yield str(write_registry(tmp_path, url))


def test_output_goes_to_stdout_and_talk_to_stderr(registry: str) -> None:
    """A completed job's output is the data; how it ended is said on stderr."""
    said = specql_jobs("run", "pay.ok", "--input", '{"amount": 5}', "-r", registry, env=TOKEN)
    assert said.code == 0, said.err
    assert json.loads(said.out)["got"] == {"amount": 5}
    assert said.err.startswith("completed pay.ok in ")


def test_result_as_json(registry: str) -> None:
    """`-o json` has status, output, usage and the plan that was executed."""
    said = specql_jobs("run", "PAY.ok", "--set", "amount=5", "-r", registry, "-o", "json", env=TOKEN)
    assert said.code == 0
    assert said.data["status"] == "completed"
    assert said.data["error"] is None
    assert said.data["output"]["authorization"] is True
    assert said.data["resource_usage"]["status_code"] == 200
    assert said.data["plan"]["execution_type"] == "http"
    assert "tok-0123456789" not in said.out + said.err


def test_failed_job_is_exit_1(registry: str) -> None:
    """A job that fails is exit 1 with its category, and the command itself has no error."""
    said = specql_jobs("run", "pay.no", "-r", registry, "-o", "json", env=TOKEN)
    assert said.code == 1
    assert said.data["status"] == "failed"
    assert said.data["error"]["category"] == "target_error"
    assert said.document["error"] is None


def test_refused_job_is_exit_1_and_touches_nothing(registry: str) -> None:
    """What policy refuses is a failed job with category policy_violation."""
    said = specql_jobs("run", "open.go", "-r", registry, "-o", "json")
    assert said.code == 1
    assert said.data["error"]["category"] == "policy_violation"


def test_dry_run_allows(registry: str) -> None:
    """`-n` prints the plan and the verdict and needs no secret."""
    said = specql_jobs("run", "pay.ok", "--set", "amount=5", "-n", "-r", registry, "-o", "json")
    assert said.code == 0
    assert said.data["verdict"] == "allowed"
    assert said.data["violations"] == []
    assert said.data["plan"]["service"] == "pay"


def test_dry_run_refuses(registry: str) -> None:
    """`-n` of a job that policy would refuse is exit 1 and names the policy's field."""
    said = specql_jobs("run", "open.go", "-n", "-r", registry, "-o", "json")
    assert said.code == 1
    assert said.data["verdict"] == "refused"
    assert "allowed_domains" in {each["field"] for each in said.data["violations"]}


def test_dry_run_for_people(registry: str) -> None:
    """The text of `-n` ends with the verdict, and says that nothing happened."""
    said = specql_jobs("run", "open.go", "-n", "-r", registry)
    assert "refused" in said.out
    assert said.err == "Nothing was executed.\n"


def test_missing_secret_is_exit_4(registry: str) -> None:
    """A secret that this host does not have is denied before anything is sent."""
    said = specql_jobs("run", "pay.ok", "--set", "amount=5", "-r", registry, "-o", "json")
    assert said.code == 4
    assert said.error["code"] == "E410"


def test_env_file_gives_secrets(registry: str, tmp_path: Path) -> None:
    """--env-file serves the secrets, and a bad line is named by number without its text."""
    file = tmp_path / "dev.env"
    file.write_text('# local\nexport PAY_TOKEN="tok-abcdefgh"\n')
    assert specql_jobs("run", "pay.ok", "--set", "amount=5", "-r", registry, "--env-file", str(file)).code == 0
    file.write_text("PAY_TOKEN tok-abcdefgh\n")
    said = specql_jobs("run", "pay.ok", "--set", "amount=5", "-r", registry, "--env-file", str(file))
    assert said.code == 2
    assert f"{file}:1" in said.err
    assert "tok-abcdefgh" not in said.err


@pytest.mark.parametrize(
    ("name", "code", "hint"),
    [("pya.ok", 3, "pay"), ("pay.okk", 3, "ok"), ("zzz.ok", 3, "the registry has"), ("pay", 2, "payments.charge")],
)
def test_unknown_operation(registry: str, name: str, code: int, hint: str) -> None:
    """An unknown service or operation is exit 3 with the nearest name."""
    said = specql_jobs("run", name, "-r", registry, "-o", "json")
    assert said.code == code
    assert hint in said.error["hint"]


def test_type_without_runner_is_exit_5(registry: str) -> None:
    """An execution type that nothing here can execute is unavailable, not failed."""
    assert specql_jobs("run", "box.go", "-r", registry, "-o", "json").error["code"] == "E510"


def test_input_problems_are_all_named(registry: str) -> None:
    """Input that does not fit is exit 2, and the message has one sentence for each problem."""
    said = specql_jobs("run", "pay.ok", "--input", '{"amuont": 1, "note": 2}', "-r", registry, "-o", "json")
    assert said.code == 2
    assert said.error["code"] == "E230"
    assert all(name in said.error["message"] for name in ("amuont", "note", "amount"))


@pytest.mark.parametrize(
    "text", ["{", "[]", "5", '{"amount": NaN}', '{"amount": 1, "amount": 2}', '{"note": "\\u0000"}', "[" * 100_000]
)
def test_input_that_is_no_object_is_exit_2(registry: str, text: str) -> None:
    """Text that is not one JSON object within the bounds never reaches a plan."""
    said = specql_jobs("run", "pay.ok", "--input", "-", "-r", registry, "-o", "json", stdin=text)
    assert said.code == 2
    assert said.error["code"].startswith("E2")


def test_set_follows_the_declared_type(registry: str) -> None:
    """A field declared as a string takes the text as typed, leading zeros included; quotes still work."""
    for typed in ("04109", '"04109"'):
        said = specql_jobs(
            "run", "pay.ok", "--set", "amount=1", "--set", f"note={typed}", "-n", "-r", registry, "-o", "json"
        )
        assert said.data["plan"]["body"]["note"] == "04109"


def test_input_from_file_stdin_and_set(registry: str, tmp_path: Path) -> None:
    """@FILE and - are read, and --set goes on top: JSON where it is JSON, text otherwise."""
    file = tmp_path / "in.json"
    file.write_text('{"amount": 1}')
    one = specql_jobs("run", "pay.ok", "-i", f"@{file}", "--set", "note=hello", "-r", registry, env=TOKEN)
    assert json.loads(one.out)["got"] == {"amount": 1, "note": "hello"}
    two = specql_jobs("run", "pay.ok", "-i", "-", "--set", "amount=7", "-r", registry, stdin='{"amount": 1}', env=TOKEN)
    assert json.loads(two.out)["got"] == {"amount": 7}
    deep = specql_jobs(
        "run", "pay.deep", "--set", "customer.id=42", "--set", "customer.tag=a", "-r", registry, env=TOKEN
    )
    assert json.loads(deep.out)["got"] == {"customer": {"id": 42, "tag": "a"}}


def test_missing_input_file(registry: str) -> None:
    """An input file that is not there is exit 2 with its name."""
    said = specql_jobs("run", "pay.ok", "-i", "@nowhere.json", "-r", registry)
    assert said.code == 2
    assert "nowhere.json" in said.err


def test_broken_registry_is_exit_2_with_the_place(tmp_path: Path) -> None:
    """A registry with an error cannot be run from; the first finding's place is named."""
    path = tmp_path / "r.yaml"
    path.write_text("services: {pay: {oops: 1}}\n")
    said = specql_jobs("run", "pay.ok", "-r", str(path), "-o", "json")
    assert said.code == 2
    assert "r.yaml:1" in said.error["message"]


def test_input_that_does_not_fit_names_the_fields(registry: str) -> None:
    """The hint of a wrong input is what the operation takes."""
    said = specql_jobs("run", "pay.ok", "--set", "amout=5", "-n", "-r", registry, "-o", "json")
    assert said.error["code"] == "E230"
    assert "amount: integer" in said.error["hint"]


def test_dry_run_warns_of_missing_secrets(registry: str) -> None:
    """A plan that this host could not execute for want of a secret says so, and stays a plan."""
    arguments = ("run", "pay.ok", "--set", "amount=5", "-n", "-r", registry, "-o", "json")
    missing, there = specql_jobs(*arguments), specql_jobs(*arguments, env=TOKEN)
    assert (missing.code, missing.data["verdict"]) == (0, "allowed")
    assert "PAY_TOKEN is not set" in missing.document["warnings"][0]
    assert there.document["warnings"] == []


def test_a_refusal_names_what_decides(registry: str) -> None:
    """A refused job's last line on stderr says where policy is written and how to see all of it."""
    said = specql_jobs("run", "open.go", "-r", registry)
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("  try: look at security_policy")


@pytest.mark.parametrize("arguments", [("--env-file", "/nonexistent/x"), ("--input", "@/nonexistent/x")])
def test_unreadable_files_are_named_in_words(registry: str, arguments: tuple[str, str]) -> None:
    """A file that cannot be read is named with the reason in words and a hint, no class name."""
    said = specql_jobs("run", "pay.ok", "-r", registry, *arguments, "-o", "json")
    assert said.code == 2
    assert said.error["message"] == "/nonexistent/x cannot be read: no such file or directory"
    assert said.error["hint"]


SHELL_REGISTRY = """\
services:
  tool:
    category: test
    execution_type: shell
    security_policy: {allowed_commands: [/usr/bin/env, /usr/bin/python3]}
    runner_config: {environment: {COLOUR: blue}}
    operations:
      end:
        input_schema: {code: integer}
        argv: [/usr/bin/python3, -c, "import sys; sys.exit(int(sys.argv[1]))", "{code}"]
      show: {input_schema: {}, argv: [/usr/bin/env]}
"""


@pytest.mark.parametrize("code", [0, 5, 77])
def test_propagate_ends_with_the_programs_own_code(tmp_path: Path, code: int) -> None:
    """--propagate gives the process's exit code instead of 0 or 1."""
    require("sandbox", Path("/usr/bin/bwrap").exists(), "bubblewrap is not installed")
    path = tmp_path / "services.yaml"
    path.write_text(SHELL_REGISTRY, "utf-8")
    said = specql_jobs("run", "tool.end", "--set", f"code={code}", "-r", str(path), "--propagate")
    assert said.code == code, said.err


def test_the_bwrap_line_can_be_pasted(tmp_path: Path) -> None:
    """The plan's line runs the program under bubblewrap by hand, with only the variables that it names."""
    require("sandbox", Path("/usr/bin/bwrap").exists(), "bubblewrap is not installed")
    path = tmp_path / "services.yaml"
    path.write_text(SHELL_REGISTRY, "utf-8")
    line = specql_jobs("run", "tool.show", "-n", "-r", str(path), "-o", "json").data["plan"]["bwrap"]
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env={"PATH": "/usr/bin:/bin", "COLOUR": "blue", "OTHER": "mine"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "COLOUR=blue" in done.stdout.splitlines()
    assert "OTHER" not in done.stdout
    assert "--unshare-net" in line


def test_the_curl_line_can_be_pasted(registry: str) -> None:
    """The plan's line makes the same request by hand, with the secret as a variable of the shell."""
    plan = specql_jobs("run", "pay.ok", "--set", "amount=5", "-n", "-r", registry, "-o", "json", env=TOKEN).data["plan"]
    assert "$PAY_TOKEN" in plan["curl"]
    assert shlex.split(plan["curl"])[0] == "curl"
    assert plan["url"] in plan["curl"]


ABSENT_REGISTRY = """\
services:
  tool:
    category: test
    execution_type: shell
    security_policy:
      allowed_commands: [/opt/nowhere/tool, /usr/bin/env]
      working_directory_restrictions: [/srv/nowhere, /usr]
      file_access: read
      read_paths: [/data/nowhere]
    runner_config: {working_directory: %s}
    operations:
      go: {input_schema: {}, argv: [%s]}
"""


def test_what_this_host_does_not_have_is_said(tmp_path: Path) -> None:
    """A program or path of the plan that is not here stays allowed, because a worker may have it, and is warned of."""
    path = tmp_path / "services.yaml"
    path.write_text(ABSENT_REGISTRY % ("/srv/nowhere", "/opt/nowhere/tool"), "utf-8")
    said = specql_jobs("run", "tool.go", "-n", "-r", str(path), "-o", "json")
    assert (said.code, said.data["verdict"], said.data["violations"]) == (0, "allowed", [])
    assert said.document["warnings"] == [
        "this host does not have the program /opt/nowhere/tool, or it cannot be executed: the job would fail here",
        "this host does not have /data/nowhere: the job would fail here",
        "this host does not have /srv/nowhere: the job would fail here",
    ]
    path.write_text(ABSENT_REGISTRY.replace("/data/nowhere", "/usr/bin") % ("/usr", "/usr/bin/env"), "utf-8")
    assert specql_jobs("run", "tool.go", "-n", "-r", str(path), "-o", "json").document["warnings"] == []
