"""`validate -o FORMAT[=FILE]`: annotations, SARIF, JUnit, several at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from support.cli import Said, specql_jobs, write_registry

WRONG = """\
services:
  pay:
    category: money
    runner_config: {base_url: "http://pay.example", tiemout: 3}
    security_policy: {allowed_domains: [pay.example]}
    operations:
      charge: {input_schema: {amount: integer}, timeout: soon}
      refund: {input_schema: {}}
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a registry in a folder whose name has a space and a percent sign."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "our 50% services"
    folder.mkdir()
    (folder / "pay.yaml").write_text(WRONG)
    return tmp_path


def check(folder: Path, *arguments: str) -> Said:
    """Validate the repository's services from inside it."""
    return specql_jobs("validate", "our 50% services", *arguments, folder=folder)


def properties(line: str) -> dict[str, str]:
    """The properties of a workflow command, read as GitHub's runner reads them."""
    listed = line.split("::")[1].split(" ", 1)[1]
    return {
        key: value.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        for key, value in (pair.split("=", 1) for pair in listed.split(","))
    }


def test_github_annotations_point_at_the_token(repository: Path) -> None:
    """Each annotation has the file from the repository's root, line and columns, and the rule in its title."""
    said = specql_jobs("validate", "pay.yaml", "-o", "github", folder=repository / "our 50% services")
    line = next(each for each in said.out.splitlines() if "SQJ101" in each)
    assert said.code == 1
    assert line.startswith("::error title=specql-jobs SQJ101 unknown-key,")
    found = properties(line)
    assert found["file"] == "our 50% services/pay.yaml"
    assert (found["line"], found["col"], found["endLine"], found["endColumn"]) == ("4", "53", "4", "60")


def test_github_shows_ten_and_counts_the_rest(tmp_path: Path) -> None:
    """Errors come first, at most ten findings are shown, and a notice says how many are not."""
    wrong = "".join(f"      op{number}: {{timeout: soon}}\n" for number in range(12))
    text = WRONG.replace("      charge", wrong + "      charge")
    (tmp_path / "many.yaml").write_text(text)
    lines = specql_jobs("validate", "many.yaml", "-o", "github", folder=tmp_path).out.splitlines()
    assert len(lines) == 11
    assert all(line.startswith("::error ") for line in lines[:10])
    assert lines[10].startswith("::notice title=specql-jobs::")
    total = specql_jobs("validate", "many.yaml", "-o", "json", folder=tmp_path).data["findings"]
    assert f"::{len(total) - 10} more findings are not shown here" in lines[10]


def test_github_commands_cannot_be_injected(tmp_path: Path) -> None:
    """A key that holds a line break and a command of its own stays inside its annotation."""
    (tmp_path / "bad.yaml").write_text('services:\n  pay: {"x\\n::error file=a,line=1::owned": 1}\n')
    lines = specql_jobs("validate", "bad.yaml", "-o", "github", folder=tmp_path).out.splitlines()
    assert lines
    assert all(line.startswith(("::error title=specql-jobs SQJ", "::warning title=specql-jobs SQJ")) for line in lines)


def sarif_problems(log: Any) -> list[str]:
    """What readers of SARIF rely on and its schema leaves open: rules by index, ranges that run forward, plain URIs."""
    run = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    wrong = [] if (log["version"], len(log["runs"])) == ("2.1.0", 1) else ["log"]
    wrong += [rule["id"] for rule in rules if rule["defaultConfiguration"]["level"] not in ("error", "warning", "note")]
    wrong += ["rules repeat"] if len({rule["id"] for rule in rules}) != len(rules) else []
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        region, uri = place["region"], place["artifactLocation"]["uri"]
        right = (
            rules[result["ruleIndex"]]["id"] == result["ruleId"]
            and result["level"] in ("error", "warning", "note")
            and result["message"]["text"]
            and all(isinstance(value, str) for value in result["partialFingerprints"].values())
            and region["startLine"] >= 1
            and region["startColumn"] >= 1
            and (region.get("endLine", 10**9), region.get("endColumn", 10**9)) >= (region["startLine"], 1)
            and " " not in uri
            and "\\" not in uri
        )
        wrong += [] if right else [str(result)]
    return wrong


def test_sarif_has_the_required_shape(repository: Path) -> None:
    """The log has one run, rules by index, regions from 1, and paths from the repository's root."""
    said = check(repository, "-o", "sarif")
    log = json.loads(said.out)
    assert said.code == 1
    assert sarif_problems(log) == []
    results = log["runs"][0]["results"]
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert {unquote(place) for place in places} == {"our 50% services/pay.yaml"}
    assert {"SQJ101", "SQJ105"} <= {each["ruleId"] for each in results}


def test_sarif_fingerprints_outlive_moved_lines(repository: Path) -> None:
    """Lines put above a finding do not change its fingerprint, and no two results share one."""

    def marks() -> list[str]:
        results = json.loads(check(repository, "-o", "sarif").out)["runs"][0]["results"]
        return [each["partialFingerprints"]["specqlJobsFinding/v1"] for each in results]

    before = marks()
    path = repository / "our 50% services" / "pay.yaml"
    path.write_text("# a comment\n\n" + WRONG)
    assert marks() == before
    assert len(set(before)) == len(before) >= 2


def test_sarif_of_a_clean_registry_has_no_result(tmp_path: Path) -> None:
    """A clean registry is a run with an empty list, which closes old alerts."""
    path = write_registry(tmp_path)
    said = specql_jobs("validate", str(path), "--ignore", "SQJ", "-o", "sarif")
    assert said.code == 0
    assert json.loads(said.out)["runs"][0]["results"] == []


def test_junit_has_a_case_for_each_operation(repository: Path) -> None:
    """A suite for the file, a case for each operation, failures where errors are, and counts that agree."""
    said = check(repository, "-o", "junit")
    root = ET.fromstring(said.out)
    suite = root.find("testsuite")
    assert suite is not None
    assert suite.get("name") == "our 50% services/pay.yaml"
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert cases["pay.refund"].find("failure") is None
    failure = cases["pay.charge"].find("failure")
    assert failure is not None
    assert failure.get("type") == "SQJ105"
    assert (root.get("tests"), root.get("failures")) == (suite.get("tests"), suite.get("failures"))
    assert int(suite.get("failures", "")) == sum(case.find("failure") is not None for case in cases.values())


def test_junit_warnings_fail_only_when_they_count(tmp_path: Path) -> None:
    """A warning is a case's output, and its failure with --strict."""
    text = WRONG.replace(", tiemout: 3", "").replace(", timeout: soon", "")
    (tmp_path / "pay.yaml").write_text(text)
    calm = ET.fromstring(specql_jobs("validate", "pay.yaml", "-o", "junit", folder=tmp_path).out)
    strict = ET.fromstring(specql_jobs("validate", "pay.yaml", "-o", "junit", "--strict", folder=tmp_path).out)
    assert calm.get("failures") == "0"
    assert calm.find(".//system-out") is not None
    assert strict.get("failures") != "0"


def test_junit_holds_any_text(tmp_path: Path) -> None:
    """Names with control characters and markup still make well-formed XML."""
    (tmp_path / "bad.yaml").write_text('services:\n  "<pay>&\\u0001": {category: x, "a\\u0008]]>": 1}\n')
    said = specql_jobs("validate", "bad.yaml", "-o", "junit", folder=tmp_path)
    assert ET.fromstring(said.out).get("failures") != "0"


def test_several_formats_at_once(repository: Path) -> None:
    """One format goes to stdout and any number to files, from one run."""
    said = check(repository, "-o", "github", "-o", "sarif=a.sarif", "-ojunit=b.xml", "--output=json=c.json")
    assert said.code == 1
    assert said.out.startswith("::error ")
    assert sarif_problems(json.loads((repository / "a.sarif").read_text())) == []
    assert ET.parse(repository / "b.xml").getroot().tag == "testsuites"
    document = Said(1, (repository / "c.json").read_text(), "").document
    assert len(document["data"]["findings"]) == len(
        json.loads((repository / "a.sarif").read_text())["runs"][0]["results"]
    )


def test_with_files_alone_stdout_has_text(repository: Path) -> None:
    """Where no format is meant for stdout, people who read the log get the text."""
    said = check(repository, "-o", "sarif=a.sarif")
    assert "error[SQJ101]" in said.out


def test_a_file_has_no_colours(repository: Path) -> None:
    """Colours are for the terminal: text in a file has none, whatever stdout has."""
    said = check(repository, "-o", "text", "-o", "text=a.txt", "--color", "always")
    assert "\x1b[" in said.out
    assert "\x1b[" not in (repository / "a.txt").read_text()
    assert "SQJ101" in (repository / "a.txt").read_text()


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (("-o", "github", "-o", "sarif"), "cannot both go to stdout"),
        (("-o", "srif=a"), "did you mean sarif?"),
        (("-o", "sarif="), "names no file"),
        (("-o", "sarif=x", "-o", "junit=x"), "the same file"),
        (("-o", "sarif=no/such/folder/x"), "error[E208 report-unwritable]"),
    ],
)
def test_outputs_that_make_no_sense(repository: Path, outputs: tuple[str, ...], sentence: str) -> None:
    """An unknown format, two on stdout, no file or a file that cannot be written is exit 2 and says what to type."""
    said = check(repository, *outputs)
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err


def test_usage_error_is_json_when_stdout_is_json(repository: Path) -> None:
    """With json on stdout and a report in a file, a wrong call is still one document."""
    said = check(repository, "-o", "json", "-o", "sarif=no/such/folder/x")
    assert said.error["code"] == "E208"
