"""`validate --select/--ignore/--baseline/--statistics/--exit-zero`: which findings count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import Said, specql_jobs

WRONG = """\
services:
  pay:
    category: money
    runner_config: {base_url: "http://pay.example", tiemout: 3}
    security_policy: {allowed_domains: [pay.example]}
    operations:
      charge: {input_schema: {amount: integer}, timeout: soon}
"""
WARNED = WRONG.replace(", tiemout: 3", "").replace(", timeout: soon", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a registry that has two errors."""
    (tmp_path / "services.yaml").write_text(WRONG)
    return tmp_path


def check(folder: Path, *arguments: str) -> Said:
    """Validate the folder's registry."""
    return specql_jobs("validate", *arguments, folder=folder)


def codes(folder: Path, *arguments: str) -> set[str]:
    """The rules that a run names."""
    return {each["code"] for each in check(folder, *arguments, "-o", "json").data["findings"]}


def test_select_and_ignore_take_prefixes(folder: Path) -> None:
    """A code or the beginning of codes chooses rules, commas are OR, any case is read, the longer word wins."""
    every = codes(folder)
    assert {"SQJ101", "SQJ105"} <= every
    assert codes(folder, "--select", "SQJ101") == {"SQJ101"}
    assert codes(folder, "--select", "sqj101,SQJ4", "--select", "SQJ105") == {"SQJ101", "SQJ105"}
    assert codes(folder, "--ignore", "SQJ1") == every - {"SQJ101", "SQJ105"}
    assert "SQJ105" in codes(folder, "--select", "SQJ105", "--ignore", "SQJ1")
    assert codes(folder, "--select", "SQJ1", "--ignore", "SQJ105") == {"SQJ101"}


def test_ignored_errors_do_not_fail(folder: Path) -> None:
    """The exit code and the summary speak of the findings that count."""
    said = check(folder, "--ignore", "SQJ", "-o", "json")
    assert said.code == 0
    assert said.data["summary"]["errors"] == 0
    assert said.data["summary"]["operations"] == 1


@pytest.mark.parametrize("word", ["SQJ999", "sqj1O1", "", "SQJ101,"])
def test_a_word_that_begins_no_code_is_a_usage_error(folder: Path, word: str) -> None:
    """A mistyped code must not choose nothing in silence."""
    said = check(folder, "--select", word)
    assert said.code == 2
    assert "error[E206 rule-unknown]" in said.err


def test_exit_zero(folder: Path) -> None:
    """--exit-zero shows the findings and exits 0."""
    said = check(folder, "--exit-zero")
    assert (said.code, "SQJ101" in said.out) == (0, True)


def test_statistics_count_by_rule(folder: Path) -> None:
    """--statistics lists each rule once with its count; the document has the same numbers."""
    said = check(folder, "--statistics")
    assert said.code == 1
    assert said.out.splitlines()[0].split() == ["COUNT", "CODE", "SEVERITY", "RULE"]
    rows = {line.split()[1]: int(line.split()[0]) for line in said.out.splitlines()[1:]}
    document = check(folder, "-o", "json").data
    assert rows == {each["code"]: each["count"] for each in document["statistics"]}
    assert sum(rows.values()) == len(document["findings"])


def test_baseline_accepts_what_is_there_and_no_more(folder: Path) -> None:
    """Written once, a baseline lets old findings pass even when lines move, and a new one fails."""
    said = check(folder, "--baseline", "accepted.json", "--write-baseline")
    assert said.code == 0
    path = folder / "services.yaml"
    path.write_text("# moved\n\n" + WRONG)
    assert check(folder, "--baseline", "accepted.json").code == 0
    path.write_text(WRONG + "      refund: {input_schema: {}, timeout: never}\n")
    later = check(folder, "--baseline", "accepted.json", "-o", "json")
    assert later.code == 1
    assert [each["operation"] for each in later.data["findings"]] == ["refund"]
    assert later.data["summary"]["baselined"] >= 2


def test_baseline_counts_equal_findings(tmp_path: Path) -> None:
    """One accepted finding does not accept a second one that reads the same."""
    (tmp_path / "services.yaml").write_text(
        WARNED.replace("operations:", 'headers: {a: "1"}\n    operations:').replace("headers", "hdrs")
    )
    assert check(tmp_path, "--baseline", "b.json", "--write-baseline").code == 0
    entries = json.loads((tmp_path / "b.json").read_text())["findings"]
    for entry in entries:
        entry["count"] -= 1
    (tmp_path / "b.json").write_text(json.dumps({"schema": "specql-jobs.baseline/v1", "findings": entries}))
    assert check(tmp_path, "--baseline", "b.json").code == 1


def test_baseline_names_what_is_gone(folder: Path) -> None:
    """Findings that have been mended are said, so that the file can be written anew."""
    check(folder, "--baseline", "accepted.json", "--write-baseline")
    (folder / "services.yaml").write_text(WARNED)
    said = check(folder, "--baseline", "accepted.json")
    assert said.code == 0
    assert "no longer found" in said.err


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"schema": "other/v1", "findings": []}', '{"findings": 1}'])
def test_baseline_that_cannot_be_used(folder: Path, content: str | None) -> None:
    """A baseline that is missing or no baseline is exit 2, never an empty one."""
    if content is not None:
        (folder / "b.json").write_text(content)
    said = check(folder, "--baseline", "b.json")
    assert said.code == 2
    assert "error[E207 baseline-unusable]" in said.err


def test_write_baseline_wants_a_file(folder: Path) -> None:
    """--write-baseline without --baseline is exit 2 and says what to add."""
    said = check(folder, "--write-baseline")
    assert (said.code, "--baseline FILE" in said.err) == (2, True)


def _without_timeouts(folder: Path, number: int) -> None:
    services = "".join(f"  s{n}: {{category: c, operations: {{o: {{input_schema: {{}}}}}}}}\n" for n in range(number))
    (folder / "services.yaml").write_text(f"services:\n{services}")


@pytest.mark.parametrize(("number", "listed"), [(3, 3), (4, 1)])
def test_many_notes_of_one_rule_are_one_and_a_number(tmp_path: Path, number: int, listed: int) -> None:
    """Up to three notes of a rule are shown, of more the first; nothing else leaves them out."""
    _without_timeouts(tmp_path, number)
    said = specql_jobs("validate", "services.yaml", "--select", "SQJ306", folder=tmp_path)
    assert (said.code, said.out.count("info[SQJ306]")) == (0, listed)
    assert (f"{number - 1} more notes of SQJ306 (no-timeout); -v shows each" in said.out) is (listed == 1)
    assert f"{number} notes" in said.err


@pytest.mark.parametrize("arguments", [("-v",), ("--fail-on", "info"), ("-o", "github")])
def test_notes_are_shown_to_whoever_needs_each(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """-v lists every note, and so does a check that notes fail, and every other format."""
    _without_timeouts(tmp_path, 5)
    said = specql_jobs("validate", "services.yaml", "--select", "SQJ306", *arguments, folder=tmp_path)
    assert said.out.count("SQJ306") == 5
