"""`validate --diff-base`: what a change breaks, and only those other findings that it brought."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.repository import Repository, new_repository

BASE = """\
services:
  pay:
    category: financial
    runner_config: {base_url: "https://pay.example/v1", timeout: 30s, retry_config: {max_retries: 4}}
    security_policy: {allowed_domains: [pay.example, files.example], max_request_size: 64KB}
    operations:
      charge:
        input_schema: {amount: integer, note: string?}
        output_schema: {id: string}
        timeout: 10
        request: {method: POST, path: /charges, body: json}
      refund: {input_schema: {id: string}, request: {method: POST, path: /refunds, body: json}}
  words:
    category: text
    execution_type: shell
    runner_config: {timeout: 30s}
    security_policy: {allowed_commands: [/bin/sh], resource_limits: {memory: 256MB}}
    operations:
      count: {input_schema: {text: string}, argv: [/bin/sh, "{text}"]}
"""
REFUND = "      refund: {input_schema: {id: string}, request: {method: POST, path: /refunds, body: json}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository whose first commit has a registry with warnings."""
    return new_repository(tmp_path / "work", BASE)


def changed(repository: Repository, *changes: tuple[str, str]) -> None:
    """Replace texts of the registry in the work tree."""
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    repository.write(text)


def test_an_unchanged_registry_has_no_finding(repository: Repository) -> None:
    """What the commit has too is left out and counted, on stderr and in the summary."""
    whole = repository.validate("-o", "json").data
    assert whole["findings"]
    said = repository.validate("--diff-base", "HEAD", "-o", "json")
    assert (said.code, said.data["findings"]) == (0, [])
    assert said.data["summary"]["unchanged"] == len(whole["findings"])
    assert f"{len(whole['findings'])} findings that HEAD has too" in repository.validate("--diff-base", "HEAD").err


@pytest.mark.parametrize(
    ("change", "code", "line", "word"),
    [
        ((REFUND, ""), "SQJ703", 2, "pay.refund"),
        ((BASE[BASE.index("  words:") :], ""), "SQJ704", 1, "words"),
        (("      refund:", "      refund_card:"), "SQJ705", 12, "was called refund"),
        (("  words:", "  text:"), "SQJ706", 13, "was called words"),
        (("note: string?", "note: string"), "SQJ708", 8, "input_schema.note"),
        (("amount: integer, ", ""), "SQJ708", 8, "input_schema.amount"),
        (("{id: string}\n        timeout", "{id: string?}\n        timeout"), "SQJ709", 9, "output_schema.id"),
        (("/v1", "/v2"), "SQJ713", 4, "was https://pay.example/v1, is https://pay.example/v2"),
        (("path: /charges", "path: /payments"), "SQJ715", 11, "request"),
        (("timeout: 10", "timeout: 5"), "SQJ716", 10, "was 10 s, is 5 s"),
        (("        timeout: 10\n", ""), None, 0, ""),
        (("timeout: 30s, retry", "timeout: 20s, retry"), "SQJ716", 4, "was 30 s, is 20 s"),
        (("max_retries: 4", "max_retries: 1"), "SQJ717", 4, "was 4, is 1"),
        ((", files.example]", "]"), "SQJ718", 5, "without files.example"),
        ((", files.example]", ", files.example, x.example]"), "SQJ719", 5, "with x.example"),
    ],
)
def test_each_class_of_change_stands_at_its_place(
    repository: Repository, change: tuple[str, str], code: str | None, line: int, word: str
) -> None:
    """A change is found under its code, at the key that changed or what is left around it; only a break is exit 1."""
    changed(repository, change)
    said = repository.validate("--diff-base", "HEAD", "--select", "SQJ7", "-o", "json")
    found = said.data["findings"]
    assert [(each["code"], each["line"]) for each in found] == ([(code, line)] if code else [])
    assert all(word in each["message"] for each in found)
    assert said.code == (1 if any(each["severity"] == "error" for each in found) else 0)


def test_a_changed_type_is_one_finding(repository: Repository) -> None:
    """Where another type executes a service, its old configuration and policy are not compared key by key."""
    new = BASE[: BASE.index("  words:")] + (
        "  words:\n    category: text\n    runner_config: {base_url: 'https://w.example', timeout: 30s}\n"
        "    security_policy: {allowed_domains: [w.example]}\n"
        "    operations:\n      count: {input_schema: {text: string}}\n"
    )
    repository.write(new)
    assert repository.codes("--diff-base", "HEAD", "--select", "SQJ7") == {"SQJ707": 13}


def test_safe_changes_are_shown_when_asked_for(repository: Repository) -> None:
    """What hurts nobody is counted, and listed with -v alone."""
    changed(repository, ("timeout: 10", "timeout: 20"), (REFUND, REFUND + REFUND.replace("refund", "other")))
    quiet = repository.validate("--diff-base", "HEAD", "-o", "json").data
    assert not [each for each in quiet["findings"] if each["code"].startswith("SQJ72")]
    assert quiet["summary"]["safe"] == 2
    assert {"SQJ721", "SQJ723"} <= set(repository.codes("--diff-base", "HEAD", "-v"))


def test_findings_of_changed_lines_are_kept(repository: Repository) -> None:
    """A warning on a line that changed stays, although the commit had it too; others are left out."""
    changed(repository, ("[/bin/sh], resource", "[/bin/sh ], resource"))
    assert repository.codes("--diff-base", "HEAD") == {"SQJ401": 17}


def test_a_mistake_that_a_removal_brought_is_kept(repository: Repository) -> None:
    """A finding on a line that nobody touched counts when the commit did not have it."""
    changed(repository, ("{text: string}, argv", "{words: string}, argv"))
    text = (repository.folder / "services.yaml").read_text().replace(", argv", ",\n        argv")
    repository.write(text)
    repository.commit()
    assert "SQJ201" in repository.codes("--diff-base", "HEAD~1")


def test_a_breaking_change_is_accepted_by_a_new_comment(repository: Repository) -> None:
    """A comment with a reason accepts a break in the change that brings it, and in no later one."""
    comment = "  pay:  # specql-jobs: ignore[SQJ703] refunds are drained since Monday"
    changed(repository, ("  pay:", comment), (REFUND, ""))
    said = repository.validate("--diff-base", "HEAD", "-o", "json")
    assert (said.code, said.data["summary"]["accepted"], said.data["summary"]["breaking"]) == (0, 1, 1)
    repository.commit()
    assert repository.validate("-o", "json").data["summary"]["errors"] == 0
    assert "SQJ090" not in repository.codes()
    text = (repository.folder / "services.yaml").read_text()
    repository.write(text.replace("      charge:", "      more: {input_schema: {}}\n      charge:"))
    repository.commit()
    repository.write(text)
    said = repository.validate("--diff-base", "HEAD", "--select", "SQJ7", "-o", "json")
    (found,) = said.data["findings"]
    assert (said.code, found["code"]) == (1, "SQJ703")
    assert "write its reason anew" in found["help"]


def test_a_comment_without_a_reason_accepts_nothing(repository: Repository) -> None:
    """An error goes away only for a reason."""
    changed(repository, ("  pay:", "  pay:  # specql-jobs: ignore[SQJ703]"), (REFUND, ""))
    said = repository.validate("--diff-base", "HEAD")
    assert said.code == 1
    assert "give a reason in the comment in line 2" in said.out


def test_a_baseline_accepts_breaking_changes(repository: Repository) -> None:
    """What --write-baseline took counts no more."""
    changed(repository, (REFUND, ""))
    arguments = ("--diff-base", "HEAD", "--baseline", "accepted.json")
    assert repository.validate(*arguments, "--write-baseline").code == 0
    assert repository.validate(*arguments).code == 0
    assert repository.validate("--diff-base", "HEAD").code == 1


def test_every_format_carries_the_changes(repository: Repository) -> None:
    """SARIF, JUnit and annotations name the rule and the line."""
    changed(repository, (REFUND, ""))
    files = ("-o", "sarif=a.sarif", "-o", "junit=a.xml", "-o", "github")
    said = repository.validate("--diff-base", "HEAD", *files)
    assert "::error title=specql-jobs SQJ703 operation-removed,file=services.yaml,line=2" in said.out
    (result,) = json.loads((repository.folder / "a.sarif").read_text())["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("SQJ703", "error")
    failures = ET.parse(repository.folder / "a.xml").findall(".//failure")
    assert [each.get("type") for each in failures] == ["SQJ703"]


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_renamed_file_is_followed(repository: Repository) -> None:
    """A file under a new name is compared with what it was, and only its changed lines count."""
    repository.git("mv", "services.yaml", "registry.yaml")
    text = BASE.replace("timeout: 10", "timeout: 5")
    repository.write(text, "registry.yaml")
    assert repository.codes("registry.yaml", "--diff-base", "HEAD") == {"SQJ716": 10}


def test_files_of_a_folder_may_come_and_go(repository: Repository) -> None:
    """Of a folder, a service that moved to another file is still there, and one whose file was deleted is gone."""
    pay, words = BASE[: BASE.index("  words:")], "services:\n" + BASE[BASE.index("  words:") :]
    repository.write(pay, "all/pay.yaml")
    repository.write(words, "all/words.yaml")
    repository.commit()
    (repository.folder / "all/words.yaml").rename(repository.folder / "all/text.yaml")
    assert repository.codes("all", "--diff-base", "HEAD", "--select", "SQJ7") == {}
    (repository.folder / "all/text.yaml").unlink()
    said = repository.validate("all", "--diff-base", "HEAD", "--select", "SQJ7", "-o", "json")
    (found,) = said.data["findings"]
    assert (found["code"], found["path"], found["line"]) == ("SQJ704", "all/pay.yaml", 1)


def test_a_new_file_is_checked_whole(repository: Repository) -> None:
    """Where the commit has no such file, every finding counts and nothing is broken."""
    repository.write(BASE.replace("pay:", "paid:").replace("words:", "worded:"), "more.yaml")
    said = repository.validate("more.yaml", "--diff-base", "HEAD", "-o", "json")
    whole = repository.validate("more.yaml", "-o", "json")
    assert said.data["findings"] == whole.data["findings"] != []
    assert "nothing to compare with" in said.err


def test_paths_may_be_odd_and_given_from_elsewhere(tmp_path: Path) -> None:
    """Spaces, quotes and glob signs in names, and another current folder, change nothing."""
    repository = new_repository(tmp_path / "work")
    repository.write(BASE, 'sub/se*r v"ices é.yaml')
    repository.commit()
    repository.write(BASE.replace("timeout: 10", "timeout: 5"), 'sub/se*r v"ices é.yaml')
    said = specql_jobs("validate", 'work/sub/se*r v"ices é.yaml', "--diff-base", "HEAD", "-o", "json", folder=tmp_path)
    assert [each["code"] for each in said.data["findings"]] == ["SQJ716"]


def test_an_environment_is_compared_with_itself(repository: Repository) -> None:
    """With --env the merged registries are compared; an environment that is new has nothing to compare with."""
    overlay = "environments:\n  production:\n    services:\n      pay: {runner_config: {timeout: 20s}}\n"
    repository.write(BASE + overlay)
    said = repository.validate("--diff-base", "HEAD", "--env", "production", "-o", "json")
    assert (said.code, said.data["findings"]) == (0, [])
    assert "there was no environment production at HEAD" in said.err
    repository.commit()
    repository.write(BASE + overlay.replace("20s", "10s"))
    assert repository.codes("--diff-base", "HEAD", "--env", "production") == {"SQJ716": 23}
    said = repository.validate("--diff-base", "HEAD", "-o", "json")
    assert said.data["findings"] == []
    assert "--env NAME: production" in said.err


@pytest.mark.parametrize("now", [True, False])
def test_a_version_with_errors_is_not_compared(repository: Repository, *, now: bool) -> None:
    """Where either version has errors a finding says that nothing was compared; --strict fails for it."""
    broken, whole = BASE.replace("timeout: 10", "timeout: soon"), BASE.replace(REFUND, "")
    repository.write(broken)
    repository.commit()
    repository.write(broken + "# a comment\n" if now else whole)
    said = repository.validate("--diff-base", "HEAD", "--select", "SQJ7", "-o", "json")
    (found,) = said.data["findings"]
    assert (said.code, found["code"], found["severity"]) == (0, "SQJ726", "warning")
    assert repository.validate("--diff-base", "HEAD", "--select", "SQJ7", "--strict").code == 1


# ---- git -------------------------------------------------------------------------------------------------------------


def test_a_branch_that_lags_behind_is_told(repository: Repository) -> None:
    """What the other branch added looks removed, and it is said; REF... compares with where the branches parted."""
    repository.git("checkout", "--quiet", "-b", "topic")
    changed(repository, ("timeout: 10", "timeout: 5"))
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    changed(repository, (REFUND, REFUND + REFUND.replace("refund", "later")))
    repository.commit()
    repository.git("checkout", "--quiet", "topic")
    said = repository.validate("--diff-base", "main")
    assert said.code == 1
    assert "--diff-base main..." in said.err
    assert repository.codes("--diff-base", "main...") == {"SQJ716": 10}


def test_a_shallow_clone_has_what_it_has(repository: Repository, tmp_path: Path) -> None:
    """With one commit of history HEAD can be compared, and what is missing is a clear error."""
    repository.write(BASE.replace("timeout: 10", "timeout: 5"))
    before = repository.git("rev-parse", "HEAD")
    repository.commit()
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    assert clone.validate("--diff-base", "HEAD", "-q").code == 0
    said = clone.validate("--diff-base", before, "-o", "json")
    assert (said.code, said.error["code"]) == (2, "E224")
    assert "fetch-depth: 0" in said.error["hint"]


@pytest.mark.parametrize("ref", ["--output=/tmp/x", "-h", "", "...", "main\nx"])
def test_what_is_no_commit_never_reaches_git(repository: Repository, ref: str) -> None:
    """A name that git would read as an option, and an empty one, as of an unset variable, is refused."""
    said = repository.validate(f"--diff-base={ref}", "-o", "json")
    assert (said.code, said.error["code"]) == (2, "E200")


def _outside(repository: Repository) -> Path:
    (repository.folder.parent / "alone.yaml").write_text(BASE)
    return repository.folder.parent / "alone.yaml"


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (lambda repository: [_outside(repository)], "E223"),
        (lambda repository: [repository.folder / "services.yaml", _outside(repository)], "E223"),
    ],
)
def test_what_is_outside_a_repository_is_said(
    repository: Repository, paths: Callable[[Repository], list[Path]], code: str
) -> None:
    """A file in no work tree, or beside the one of the first, is exit 2 with what to do instead."""
    said = repository.validate(*map(str, paths(repository)), "--diff-base", "HEAD", "-o", "json")
    assert (said.code, said.error["code"]) == (2, code)
    assert said.error["hint"]


def test_stdin_has_no_past(repository: Repository) -> None:
    """- cannot be compared with a commit: exit 2."""
    assert repository.validate("-", "--diff-base", "HEAD").code == 2


def test_without_git_it_is_unavailable(repository: Repository, tmp_path: Path) -> None:
    """A host without git is exit 5 and is told what else compares."""
    (tmp_path / "none").mkdir()
    said = repository.validate("--diff-base", "HEAD", "-o", "json", PATH=str(tmp_path / "none"))
    assert (said.code, said.error["code"]) == (5, "E505")
    assert "services diff" in said.error["hint"]


def test_nothing_configured_is_run(repository: Repository, tmp_path: Path) -> None:
    """No external diff, text conversion, pager or monitor is run, and a hook's variables lead nowhere."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("diff.external", "core.pager", "core.fsmonitor", "diff.yaml.textconv", "diff.yaml.command"):
        repository.git("config", key, str(trap))
    repository.write("*.yaml diff=yaml\n", ".gitattributes")
    changed(repository, ("timeout: 10", "timeout: 5"))
    astray = {"GIT_DIR": str(tmp_path), "GIT_INDEX_FILE": str(tmp_path / "x"), "GIT_EXTERNAL_DIFF": str(trap)}
    said = repository.validate("--diff-base", "HEAD", "-o", "json", PAGER=str(trap), **astray)
    assert [each["code"] for each in said.data["findings"]] == ["SQJ716"]
    assert not (tmp_path / "sprung").exists()


def test_nothing_is_written(repository: Repository) -> None:
    """The repository is as it was, its index included."""
    changed(repository, (REFUND, ""))
    index = repository.folder / ".git" / "index"
    before = index.read_bytes(), index.stat().st_mtime_ns, sorted(os.listdir(repository.folder / ".git"))
    repository.validate("--diff-base", "HEAD")
    assert (index.read_bytes(), index.stat().st_mtime_ns, sorted(os.listdir(repository.folder / ".git"))) == before
