"""`validate --entities`: call_service steps as a user checks them, in every format."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from support.cli import Said, specql_jobs
from support.tree import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "entities"
SLIPS = {'path: "$input.folder': 'paht: "$input.folder', "$response.entry_id": "$response.entry", "20s": "20 s."}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a registry, two good entities and one file that is none."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "entities").mkdir()
    shutil.copy(FIXTURES / "services.yaml", tmp_path / "services.yaml")
    for name in ("invoice.yaml", "document.yaml"):
        shutil.copy(FIXTURES / name, tmp_path / "entities" / name)
    (tmp_path / "entities" / "compose.yaml").write_text("services: {db: {image: postgres}}\n")
    return tmp_path


@pytest.fixture
def wrong(project: Path) -> Path:
    """The same with a slip in each of three calls."""
    for path in (project / "entities").glob("*.yaml"):
        text = path.read_text()
        for good, bad in SLIPS.items():
            text = text.replace(good, bad)
        path.write_text(text)
    return project


def check(folder: Path, *arguments: str) -> Said:
    """Validate the project's registry and entities, for the rules about entities alone."""
    return specql_jobs(
        "validate", "services.yaml", "--entities", "entities", "--select", "SQJ6", *arguments, folder=folder
    )


def test_good_entities_are_exit_0_and_counted(project: Path) -> None:
    """What was checked is in the summary, and what was skipped is said."""
    said = check(project)
    assert (said.code, said.out) == (0, "")
    assert "in 3 files (3 operations, 4 call_service steps)" in said.err
    assert "skipped, no entities: entities/compose.yaml" in said.err


def test_slips_are_exit_1_at_the_token(wrong: Path) -> None:
    """Each finding has the entity's line and column, an excerpt with a caret, and what to do."""
    said = check(wrong)
    assert said.code == 1
    assert "entities/document.yaml:21:11: error[SQJ613] scanner.inspect takes no input field `paht`" in said.out
    assert "   = did you mean path?" in said.out
    lines = said.out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith('21 |           paht: "$input.folder'))
    assert lines[at + 1] == "   |           ^^^^"


def test_json_carries_service_operation_and_counts(wrong: Path) -> None:
    """The document has the promised keys for entities as for registries, and counts their files."""
    said = check(wrong, "-o", "json")
    found = {each["code"]: each for each in said.data["findings"]}
    assert set(found) == {"SQJ604", "SQJ613", "SQJ623"}
    assert (found["SQJ623"]["service"], found["SQJ623"]["operation"]) == ("ledger", "post_entry")
    assert found["SQJ623"]["path"] == "entities/invoice.yaml"
    summary = said.data["summary"]
    assert (summary["files"], summary["entities"], summary["calls"], summary["errors"]) == (3, 2, 4, 2)


def test_reports_in_files_hold_entities_too(wrong: Path) -> None:
    """SARIF and GitHub point into the entity's file, and JUnit has a case for each step, passed ones too."""
    said = check(wrong, "-o", "github", "-o", "sarif=out.sarif", "-o", "junit=out.xml")
    assert "file=entities/document.yaml,line=21,col=11,endLine=21,endColumn=15" in said.out
    results = json.loads((wrong / "out.sarif").read_text())["runs"][0]["results"]
    places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert places == {"entities/document.yaml", "entities/invoice.yaml"}
    cases = {
        case.attrib["name"]: case.find("failure") is not None
        for suite in ET.parse(wrong / "out.xml").getroot()
        for case in suite
        if suite.attrib["name"].startswith("entities/")
    }
    assert cases["look: scanner.inspect"]
    assert not cases["look: ledger.post_entry"]
    assert not cases["book: ledger.reverse_entry"]


def test_baseline_and_statistics_count_entities(wrong: Path) -> None:
    """What a project has accepted in its entities is accepted, and rules are counted over all files."""
    assert check(wrong, "--baseline", "accepted.json", "--write-baseline").code == 0
    (wrong / "entities" / "document.yaml").write_text(
        "# one more line\n" + (wrong / "entities" / "document.yaml").read_text()
    )
    assert check(wrong, "--baseline", "accepted.json").code == 0
    assert "SQJ623" in check(wrong, "--statistics").out


def test_ignored_rules_and_strictness_hold_for_entities(wrong: Path) -> None:
    """--ignore takes rules about entities away, and --strict fails on their warnings."""
    ignored = ("--ignore", "SQJ604,SQJ613")
    assert check(wrong, *ignored).code == 0
    assert check(wrong, *ignored, "--strict").code == 1


def test_the_environment_decides_what_a_call_may_name(project: Path) -> None:
    """An operation that production adds is unknown without it."""
    path = project / "entities" / "document.yaml"
    path.write_text(path.read_text().replace("method: inspect", "method: weigh"))
    assert "scanner has no operation 'weigh'" in check(project).out
    assert check(project, "--env", "production").code == 0


def test_a_registry_with_errors_is_said_to_be_unusable(project: Path) -> None:
    """What could not be held against the registry is said, on stderr and in the document."""
    path = project / "services.yaml"
    path.write_text(
        path.read_text().replace("input_schema: {path: string}, output", "input_shema: {path: string}, output")
    )
    said = check(project, "-o", "json")
    assert [each["code"] for each in said.data["findings"]] == []
    assert "was not held against it" in said.document["warnings"][0]


def test_nothing_found_is_said(tmp_path: Path, project: Path) -> None:
    """A folder without entities is no silent success."""
    (project / "none").mkdir()
    said = specql_jobs("validate", "services.yaml", "--entities", "none", "-o", "json", folder=project)
    assert said.code == 0
    assert said.document["warnings"] == ["none: no entity was found, so no call_service was checked"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("services.yaml", "--entities", "nowhere"), "E225"),
        (("services.yaml", "--entities", ""), "E200"),
        (("nowhere.yaml", "--entities", "entities"), "E221"),
    ],
)
def test_paths_that_cannot_be_read_are_exit_2(project: Path, arguments: tuple[str, ...], code: str) -> None:
    """A path that is not there is a wrong call, whichever side it is on."""
    said = specql_jobs("validate", *arguments, "-o", "json", folder=project)
    assert (said.code, said.error["code"]) == (2, code)


def test_entities_without_any_registry_are_exit_2(project: Path) -> None:
    """There is nothing to hold a call against."""
    (project / "services.yaml").unlink()
    said = specql_jobs("validate", "--entities", "entities", "-o", "json", folder=project)
    assert (said.code, said.error["code"]) == (2, "E203")


def test_a_page_shows_the_registry_of_its_examples() -> None:
    """`explain` of a rule about entities shows what its examples are held against."""
    said = specql_jobs("explain", "SQJ613")
    assert said.code == 0
    assert "With this registry:" in said.out
    assert "undeclared-input" in said.out


def test_several_paths_and_a_named_file(project: Path) -> None:
    """--entities may be repeated, and a file counts once however often it is meant."""
    both = ("--entities", "entities", "--entities", "entities/invoice.yaml", "--entities", "services.yaml")
    said = specql_jobs("validate", "services.yaml", *both, "-o", "json", folder=project)
    assert said.data["summary"]["entities"] == 2
    assert [each["code"] for each in said.data["findings"] if each["severity"] == "error"] == ["SQJ601"]
