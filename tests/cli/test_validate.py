"""`validate`: findings, formats, exit codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import specql_jobs, write_registry
from support.tree import ROOT

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
    found = [each["message"] for each in said.data["findings"] if each["code"] == "SQJ421"]
    assert any("pay" in text and "allow_private_networks" in text for text in found)


def test_control_characters_never_reach_the_terminal(tmp_path: Path) -> None:
    """An escape sequence inside a registry is shown as text."""
    path = tmp_path / "evil.yaml"
    path.write_text('services:\n  pay:\n    "\\x1b[31mevil": 1\n    category: "a\u202eb"\n')
    said = specql_jobs("validate", str(path))
    assert said.code == 1
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err


HTTP = "services: {{pay: {{category: c, execution_type: http, {}, operations: {{charge: {{input_schema: {{}}}}}}}}}}"


def _finding(tmp_path: Path, text: str, code: str) -> dict[str, str]:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    findings = specql_jobs("validate", str(path), "-o", "json").data["findings"]
    return next(each for each in findings if each["code"] == code)  # type: ignore[no-any-return] # JSON


@pytest.mark.parametrize(
    ("text", "code", "message", "help_text"),
    [
        ("services:\n  - name: a\n    type: b\n   category: c\n", "SQJ001", "not valid YAML", "same column"),
        (HTTP.format("runner_config: {wibble: 1}"), "SQJ101", "unknown key `wibble`", "allowed here: base_url"),
        (HTTP.format("runner_config: {image: x}"), "SQJ101", "belongs to docker services", "allowed here: base_url"),
        (
            HTTP.format("runner_config: {auth_type: bearer, auth_config: {token: x}}"),
            "SQJ101",
            "did you mean `token_env_var` or `token_file`",
            "write token_env_var: ITS_NAME",
        ),
        (HTTP.format("runner_config: []"), "SQJ102", "wanted a mapping", "write a mapping: {key: value}"),
        (HTTP.format("runner_config: {auth_type: x}"), "SQJ104", "wanted bearer, basic, api_key", "write what is"),
        (HTTP.format("runner_config: {auth_type: bearer}"), "SQJ503", "needs token", "add token_env_var"),
        (
            HTTP.format("runner_config: {base_url: 'https://localhost:8080'}"),
            "SQJ504",
            "a loopback address",
            "allow_private_networks",
        ),
        (
            "services: {w: {category: c, execution_type: shell, operations: {x: {input_schema: {}, argv: [wc]}}}}",
            "SQJ403",
            "'wc', which is not an absolute path",
            "whole path",
        ),
    ],
)
def test_a_finding_says_how_to_mend_it(tmp_path: Path, text: str, code: str, message: str, help_text: str) -> None:
    """Common mistakes are answered with what is wrong and what to write instead."""
    found = _finding(tmp_path, text, code)
    assert message in found["message"]
    assert help_text in found["help"]


def test_private_addresses_are_fine_where_they_are_allowed(tmp_path: Path) -> None:
    """An address inside is no finding when the policy allows private networks, nor is one outside."""
    policy = "security_policy: {allowed_domains: [10.0.0.7, 9.9.9.9], allow_private_networks: true}"
    for place in (
        f"runner_config: {{base_url: 'https://10.0.0.7'}}, {policy}",
        "runner_config: {base_url: 'https://9.9.9.9'}",
    ):
        path = tmp_path / "services.yaml"
        path.write_text(HTTP.format(place))
        assert "SQJ504" not in specql_jobs("validate", str(path)).out


def test_excerpts_hide_a_credential_in_clear(tmp_path: Path) -> None:
    """A credential that somebody wrote into a registry is not copied into the log of CI; the caret stays in place."""
    path = tmp_path / "wrong.yaml"
    path.write_text(HTTP.format("runner_config: {auth_config: {token: sk_live_12345, token_env_var: PAY_TOKEN}, x: 1}"))
    said = specql_jobs("validate", str(path))
    assert "sk_live" not in said.out + said.err
    assert "token_env_var: PAY_TOKEN" in said.out
    excerpt = said.out.splitlines()[1:3]
    assert excerpt[1].index("^") == excerpt[0].index("token: ")


def test_the_host_policy_is_called_by_its_name(tmp_path: Path) -> None:
    """A ceiling that cannot be read is not called a registry, and a missing registry names the argument."""
    registry = write_registry(tmp_path)
    said = specql_jobs("validate", str(registry), "--policy", str(tmp_path / "none.yaml"))
    assert "cannot read the host policy" in said.err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "validate FILE" in specql_jobs("validate", folder=empty).err


@pytest.mark.parametrize("body", ["xml", "JSON", "{a}{b}"])
def test_a_body_that_no_request_could_have(tmp_path: Path, body: str) -> None:
    """What the HTTP runner would refuse as a body, validate refuses first."""
    text = HTTP.format("type: x").replace("input_schema: {}", f"input_schema: {{}}, request: {{body: '{body}'}}")
    found = _finding(tmp_path, text, "SQJ104")
    assert "wanted json, form, multipart, raw, none" in found["message"]


KEYS = (ROOT / "docs" / "registry-keys.md").read_text("utf-8")


def _documented(definition: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in definition["properties"].items():
        yield f"| `{prefix}{key}` |"
        if "properties" in value:
            yield from _documented(value, f"{prefix}{key}.")


def test_the_page_of_keys_has_every_key() -> None:
    """Every key that the registry's schema allows stands in docs/registry-keys.md, under its place."""
    definitions = json.loads((ROOT / "schemas" / "registry.shape.json").read_text("utf-8"))["$defs"]
    places = [f"{kind}_{part}" for kind in ("http", "shell", "docker", "serverless") for part in ("config", "policy")]
    others = (
        "http_operation",
        "named_service",
        "named_schedule",
        "http_auth",
        "volume",
        "resource_limits",
        "retry_config",
    )
    for name in (*places, *others):
        missing = [row for row in _documented(definitions[name]) if row not in KEYS]
        assert not missing, name


def test_the_example_on_the_page_of_keys_is_valid(tmp_path: Path) -> None:
    """The example of all four execution types has no error."""
    example = re.search(r"```yaml\n(.*?)```", KEYS, re.DOTALL)
    assert example is not None
    path = tmp_path / "services.yaml"
    path.write_text(example[1])
    said = specql_jobs("validate", str(path))
    assert said.code == 0, said.out
    assert "(4 operations)" in said.err
