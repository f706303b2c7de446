"""`services list|show|diff` and `policy explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cli import Said, specql_jobs

BASE = """\
services:
  pay:
    category: money
    runner_config:
      base_url: "https://${PAY_HOST:-pay.example}/v1"
      headers: {X-Api-Key: hunter2hunter2, Accept: text/plain}
      timeout: 20s
    security_policy:
      allowed_domains: [pay.example, files.example]
      max_request_size: 64KB
    operations:
      charge:
        input_schema: {amount: integer, note: string?}
        output_schema: {id: string}
        timeout: 10
        request: {method: POST, path: /charges}
      refund: {input_schema: {id: string}}
  convert:
    category: files
    execution_type: shell
    security_policy: {allowed_commands: [/usr/bin/wc], resource_limits: {memory: 256MB}}
    operations:
      words: {input_schema: {file: string}, argv: [/usr/bin/wc, "{file}"]}
environments:
  production:
    services:
      pay:
        security_policy: {max_request_size: 32KB}
"""
CEILING = "max_execution_time: 1m\nresource_limits: {memory: 128MiB, pids: 500}\nshell: {allowed_commands: []}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a registry and a host ceiling."""
    (tmp_path / "services.yaml").write_text(BASE)
    (tmp_path / "ceiling.yaml").write_text(CEILING)
    return tmp_path


def ask(folder: Path, *arguments: str) -> Said:
    """Run a command in the folder."""
    return specql_jobs(*arguments, folder=folder)


def by_key(values: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Effective values by their keys."""
    return {each["key"]: each for each in values}


def test_list_has_every_service_with_its_place(folder: Path) -> None:
    """Each service is one row with type, operations and the line where it begins, in every format."""
    rows = ask(folder, "services", "list", "-o", "json").data["services"]
    assert [(each["name"], each["execution_type"], each["line"]) for each in rows] == [
        ("pay", "http", 2),
        ("convert", "shell", 18),
    ]
    assert rows[0]["operations"] == ["charge", "refund"]
    assert ask(folder, "services", "list", "-q").out == "pay\nconvert\n"
    assert "pay" in ask(folder, "services", "list").out
    for form in ("jsonl", "tsv", "markdown"):
        assert "charge" in ask(folder, "services", "list", "-o", form).out


def test_show_names_the_line_of_each_value(folder: Path) -> None:
    """Values of the file have their line, the others say that they are defaults."""
    data = ask(folder, "services", "show", "PAY", "-o", "json").data
    policy, config = by_key(data["security_policy"]), by_key(data["runner_config"])
    assert (policy["max_request_size"]["value"], policy["max_request_size"]["line"]) == (65536, 10)
    assert (policy["allow_http"]["value"], policy["allow_http"]["origin"]) == (False, "default")
    assert config["timeout"]["line"] == 7
    assert [each["name"] for each in data["operations"]] == ["charge", "refund"]
    text = ask(folder, "services", "show", "pay").out
    assert "64 KiB" in text
    assert "services.yaml:10" in text


def test_show_never_shows_a_credential(folder: Path) -> None:
    """A literal key is dots, and a variable's value is not filled in, in text and as data."""
    for arguments in (("services", "show", "pay"), ("services", "show", "pay.charge", "-o", "json")):
        said = specql_jobs(*arguments, folder=folder, env={"PAY_HOST": "internal-host-7"})
        assert said.code == 0
        assert "hunter2" not in said.out
        assert "internal-host-7" not in said.out
        assert "${PAY_HOST:-pay.example}" in said.out


def test_show_one_operation(folder: Path) -> None:
    """An operation's own timeout wins over its service's, and without one the service's holds."""
    charge = ask(folder, "services", "show", "pay.charge", "-o", "json").data["operations"]
    assert [each["name"] for each in charge] == ["charge"]
    timeout = by_key(charge[0]["limits"])["timeout"]
    assert (timeout["value"], timeout["line"]) == (10, 15)
    refund = ask(folder, "services", "show", "pay.refund", "-o", "json").data["operations"][0]
    assert by_key(refund["limits"])["timeout"]["value"] == 20
    assert by_key(refund["limits"])["max_attempts"]["origin"] == "default"


@pytest.mark.parametrize("command", [("services", "show"), ("policy", "explain")])
def test_an_unknown_name_is_exit_3(folder: Path, command: tuple[str, str]) -> None:
    """A service or operation that is not there is exit 3 with the nearest name."""
    assert "did you mean pay?" in ask(folder, *command, "pey").err
    said = ask(folder, *command, "pay.chrge", "-o", "json")
    assert (said.code, said.error["code"]) == (3, "E310")


def test_a_broken_registry_is_exit_2(folder: Path) -> None:
    """A registry with errors is shown by validate, not half explained here."""
    (folder / "services.yaml").write_text(BASE.replace("timeout: 10", "timeout: soon"))
    said = ask(folder, "services", "list")
    assert said.code == 2
    assert "specql-jobs validate" in said.err


def test_explain_says_which_of_three_decided(folder: Path) -> None:
    """Each limit says default, registry or ceiling; one that the ceiling took down also says what was wanted."""
    said = ask(folder, "policy", "explain", "convert.words", "--policy", "ceiling.yaml", "-o", "json")
    limits = by_key(said.data["limits"])
    memory = limits["resource_limits.memory_mb"]
    assert (memory["value"], memory["origin"], memory["stated"], memory["line"]) == (128, "ceiling", 256, 21)
    assert (limits["resource_limits.pids"]["value"], limits["resource_limits.pids"]["origin"]) == (64, "default")
    assert (limits["allowed_commands"]["value"], limits["allowed_commands"]["origin"]) == ([], "ceiling")
    assert (limits["max_execution_time"]["value"], limits["max_execution_time"]["origin"]) == (60, "ceiling")
    assert (limits["timeout"]["value"], limits["timeout"]["origin"]) == (60, "ceiling")
    text = ask(folder, "policy", "explain", "convert", "--policy", "ceiling.yaml").out
    assert "ceiling.yaml; services.yaml:21 says 256 MiB" in text


def test_explain_follows_the_environment(folder: Path) -> None:
    """With --env, the overlay's value and its line are what is explained."""
    said = ask(folder, "policy", "explain", "pay", "--env", "production", "-o", "json")
    size = by_key(said.data["limits"])["max_request_size"]
    assert (size["value"], size["line"], size["origin"]) == (32768, 28, "registry")


def test_explain_has_only_what_means_something(folder: Path) -> None:
    """An http service has no images to allow, a shell service no domains."""
    assert "allowed_images" not in by_key(ask(folder, "policy", "explain", "pay", "-o", "json").data["limits"])
    assert "allowed_domains" not in by_key(ask(folder, "policy", "explain", "convert", "-o", "json").data["limits"])


def diff(folder: Path, new: str) -> Said:
    """Compare the folder's registry with a changed text."""
    (folder / "new.yaml").write_text(new)
    return ask(folder, "services", "diff", "services.yaml", "new.yaml", "-o", "json")


@pytest.mark.parametrize(
    ("old", "new", "impact", "kind"),
    [
        ("      refund: {input_schema: {id: string}}\n", "", "breaking", "operation-removed"),
        ("amount: integer, ", "amount: string, ", "breaking", "input-narrowed"),
        ("note: string?", "note: string", "breaking", "input-narrowed"),
        ("note: string?", "note: string?, place: string", "breaking", "input-narrowed"),
        ("note: string?", "note: string?, place: string?", "safe", "input-widened"),
        ("amount: integer", "amount: number", "safe", "input-widened"),
        ("{id: string}\n        timeout", "{id: any}\n        timeout", "breaking", "output-widened"),
        ("{id: string}\n        timeout", "{id: string, at: string}\n        timeout", "risky", "output-narrowed"),
        ("timeout: 10", "timeout: 5", "risky", "timeout-lowered"),
        ("timeout: 10", "timeout: 15", "safe", "timeout-raised"),
        ("execution_type: shell", "execution_type: shell\n    type: x", None, None),
        ("path: /charges", "path: /payments", "risky", "call-changed"),
        ("/v1", "/v2", "risky", "target-changed"),
        ("64KB", "16KB", "risky", "policy-narrowed"),
        ("64KB", "128KB", "safe", "limit-raised"),
        (", files.example]", "]", "risky", "policy-narrowed"),
        (", files.example]", ", files.example, other.example]", "risky", "policy-widened"),
        ("[pay.example, files.example]", "[files.example, pay.example]", None, None),
        ("  convert:", "  convert_files:", "breaking", "service-renamed"),
        ("      charge:", "      charge_card:", "breaking", "operation-renamed"),
    ],
)
def test_diff_classes_a_change(folder: Path, old: str, new: str, impact: str | None, kind: str | None) -> None:
    """The worst of what changed is classed as it should be, and only a breaking change is exit 1."""
    assert old in BASE
    said = diff(folder, BASE.replace(old, new, 1))
    changes = said.data["changes"]
    worst = (changes[0]["impact"], changes[0]["kind"]) if changes else (None, None)
    assert worst == (impact, kind)
    assert said.code == (1 if impact == "breaking" else 0)


def test_diff_of_a_changed_type(folder: Path) -> None:
    """A service that is executed otherwise breaks its queued jobs."""
    new = BASE.replace("type: shell", "type: docker\n    runner_config: {image: a}").replace("argv:", "command:")
    new = new.replace("allowed_commands: [/usr/bin/wc]", "allowed_images: [a]")
    said = diff(folder, new)
    assert said.code == 1
    assert "execution-type-changed" in {each["kind"] for each in said.data["changes"]}


def test_diff_of_equal_registries_is_empty(folder: Path) -> None:
    """Comments and order are no change."""
    said = diff(folder, "# a comment\n" + BASE)
    assert (said.code, said.data["changes"]) == (0, [])
    assert said.data["summary"] == {"breaking": 0, "risky": 0, "safe": 0}


def test_diff_reads_stdin_and_says_it_in_words(folder: Path) -> None:
    """The old version may come from git through a pipe; text has one line for each change, the worst first."""
    (folder / "new.yaml").write_text(BASE.replace("timeout: 10", "timeout: 5").replace("note: string?", "note: string"))
    said = specql_jobs("services", "diff", "-", "new.yaml", stdin=BASE, folder=folder)
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0].startswith("breaking  pay.charge input_schema.note: ")
    assert any(line.startswith("risky     pay.charge timeout: ") for line in lines)
    assert "1 breaking, 1 risky, 0 safe" in said.err


def test_diff_never_shows_a_credential(folder: Path) -> None:
    """A literal key that changed is named, not shown."""
    (folder / "new.yaml").write_text(BASE.replace("hunter2hunter2", "swordfish"))
    said = ask(folder, "services", "diff", "services.yaml", "new.yaml")
    assert "runner_config.headers" in said.out
    assert "hunter2" not in said.out + said.err
    assert "swordfish" not in said.out + said.err


def test_diff_of_a_revision_says_how(folder: Path) -> None:
    """A name that is no file, such as a git revision, is exit 2 and says how to read one."""
    said = ask(folder, "services", "diff", "origin/main", "services.yaml")
    assert said.code == 2
    assert "git show origin/main:FILE | specql-jobs services diff - FILE" in said.err
    assert ask(folder, "services", "diff", "-", "-").code == 2
