"""`validate`: findings, formats, exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import specql_jobs, write_registry

WRONG = """\
services:
  pay:
    category: money
    execution_type: http
    runner_config: {base_url: "https://pay.example"}
    security_policy: {allowed_domains: [pay.example]}
    opertions:
      charge: {input_schema: {amount: integer}}
"""


def test_clean_registry_is_exit_0(tmp_path: Path) -> None:
    """A registry without errors is exit 0, nothing on stdout, a summary on stderr."""
    said = specql_jobs("validate", str(write_registry(tmp_path)))
    assert said.code == 0
    assert "0 errors" in said.err
    assert "in 1 file (5 operations)" in said.err


def test_finding_has_place_excerpt_and_caret(tmp_path: Path) -> None:
    """An error is exit 1 and shows file:line:column, the line, and a caret under the very token."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    said = specql_jobs("validate", str(path))
    assert said.code == 1
    lines = said.out.splitlines()
    assert any(line.startswith(f"{path}:7:5: error[SQJ101] ") for line in lines)
    at = lines.index("7 |     opertions:")
    assert lines[at + 1] == "  |     ^^^^^^^^^"


def test_findings_as_json(tmp_path: Path) -> None:
    """`-o json` has the promised keys, and a summary that counts."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    said = specql_jobs("validate", str(path), "-o", "json")
    assert said.code == 1
    finding = next(each for each in said.data["findings"] if each["code"] == "SQJ101")
    assert (finding["severity"], finding["line"], finding["column"]) == ("error", 7, 5)
    assert said.data["summary"]["errors"] >= 1
    assert said.document["error"] is None


def test_yaml_errors_are_findings(tmp_path: Path) -> None:
    """A file that is not YAML is a finding and exit 1: CI meets it every day."""
    path = tmp_path / "broken.yaml"
    path.write_text("services: [\n")
    said = specql_jobs("validate", str(path), "-o", "json")
    assert said.code == 1
    assert said.data["findings"][0]["code"].startswith("SQJ0")


def test_warnings_fail_only_when_asked(tmp_path: Path) -> None:
    """Warnings are exit 0; --strict and --fail-on warning make them exit 1."""
    path = tmp_path / "warn.yaml"
    path.write_text(WRONG.replace("opertions", "operations").replace("https:", "http:"))
    assert specql_jobs("validate", str(path)).code == 0
    assert specql_jobs("validate", str(path), "--strict").code == 1
    assert specql_jobs("validate", str(path), "--fail-on", "warning").code == 1


def test_stdin(tmp_path: Path) -> None:
    """`-` reads the registry from stdin, and findings name it."""
    said = specql_jobs("validate", "-", "-o", "json", stdin=WRONG)
    assert said.code == 1
    assert said.data["findings"][0]["path"] == "<stdin>"


@pytest.mark.parametrize("arguments", [(), ("missing.yaml",), ("empty",), ("-", "x.yaml")])
def test_nothing_to_check_is_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No registry, an unreadable path and an empty folder are wrong calls, not clean results."""
    (tmp_path / "empty").mkdir()
    said = specql_jobs("validate", *arguments, "-o", "json", folder=tmp_path)
    assert said.code == 2
    assert said.error["hint"]


def test_default_path_is_found(tmp_path: Path) -> None:
    """Without a path, services.yaml of the current folder is checked."""
    write_registry(tmp_path)
    assert specql_jobs("validate", "-o", "json", folder=tmp_path).data["summary"]["services"] == 3


def test_registry_of_the_config_file(tmp_path: Path) -> None:
    """Without a path, the registry that specql-jobs.toml names is checked, from the file's own folder."""
    below = tmp_path / "conf"
    below.mkdir()
    write_registry(below)
    (tmp_path / "specql-jobs.toml").write_text('registry = "conf/services.yaml"\n')
    assert specql_jobs("validate", "-o", "json", folder=tmp_path).data["summary"]["services"] == 3


def test_unknown_environment_is_exit_2(tmp_path: Path) -> None:
    """An overlay that the registry does not have is a wrong call."""
    said = specql_jobs("validate", str(write_registry(tmp_path)), "--env", "nowhere", "-o", "json")
    assert said.code == 2


def test_ceiling_says_where_it_is_stricter(tmp_path: Path) -> None:
    """With --policy, what the host will take away from a service is a warning."""
    ceiling = tmp_path / "ceiling.yaml"
    ceiling.write_text("allow_private_networks: false\n")
    said = specql_jobs("validate", str(write_registry(tmp_path)), "--policy", str(ceiling), "-o", "json")
    assert said.code == 0
    assert any("pay" in text and "allow_private_networks" in text for text in said.document["warnings"])


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    """An escape sequence inside a registry is shown as text."""
    path = tmp_path / "evil.yaml"
    path.write_text('services:\n  pay:\n    "\\x1b[31mevil": 1\n    category: "a\u202eb"\n')
    said = specql_jobs("validate", str(path))
    assert said.code == 1
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err
