"""Wrong calls: one sentence in the program's own words, and the command that helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.cli import specql_jobs


@pytest.mark.parametrize(
    ("line", "sentence", "hint"),
    [
        ("list --stauts x", "there is no option --stauts; did you mean --status", "specql-jobs list --help"),
        ("list --limit x", "--limit: 'x' is not a whole number", "specql-jobs list --help"),
        ("list --limit -1", "--limit: -1 is out of range: 0 to 1000000000", "specql-jobs list --help"),
        ("worker --max-jobs 0", "--max-jobs: 0 is out of range: 1 or more", "specql-jobs worker --help"),
        ("run", "SERVICE.OPERATION is missing", "specql-jobs run --help"),
        ("run a.b --input", "--input wants a value", "specql-jobs run --help"),
        ("db status --dsn", "--dsn wants a value", "specql-jobs db status --help"),
        ("worker --until-empty=3", "--until-empty takes no value", "specql-jobs worker --help"),
        ("version surplus", "nothing is known to do with: surplus", "specql-jobs version --help"),
        ("pause mail", "nothing is known to do with: mail", "specql-jobs pause --service mail"),
        (
            "resume mail.send --reason x",
            "nothing is known to do with: mail",
            "specql-jobs resume --operation mail.send",
        ),
        ("resume list", "nothing is known to do with: list", "specql-jobs resume --help"),
        ("pause list mail", "nothing is known to do with: mail", "specql-jobs pause list --help"),
        ("worker run", "nothing is known to do with: run", "try: specql-jobs worker start"),
        ("worker run --registry x", "nothing is known to do with: run", "try: specql-jobs worker start"),
        ("pause mail;reboot", "nothing is known to do with", "specql-jobs pause --service 'mail;reboot'"),
        ("breaker reset --service mail", "there is no option --service", "specql-jobs breaker reset mail"),
        ("breaker reset --service=mail -q", "there is no option --service", "specql-jobs breaker reset mail"),
        ("breaker reset --service", "there is no option --service", "specql-jobs breaker reset --help"),
        ("db nope", "there is no command 'nope'", "specql-jobs db --help"),
        ("--color never list", "the option --color stands before the command", "specql-jobs list --color"),
        ("--nope", "there is no option --nope", "specql-jobs --help"),
        ("worker --processes 2 --health 127.0.0.1:0", "--health serves one process", "a port of its own"),
    ],
)
def test_wrong_calls_are_explained(line: str, sentence: str, hint: str) -> None:
    """A wrong call is exit 2, says what is wrong without the parser's jargon, and names that command's help."""
    said = specql_jobs(*line.split())
    assert said.code == 2
    first, *tries = said.err.splitlines()
    assert sentence in first
    assert hint in tries[0]


@pytest.mark.parametrize("group", ["breaker", "changes", "schedules", "audit", "services", "schema", "config"])
def test_a_bare_group_shows(group: str, tmp_path: Path) -> None:
    """Nothing, or options alone, after a group lists what it has; --help stays the group's; a wrong word is named."""
    bare, below = f"{group} -o json --dsn postgresql://127.0.0.1:9/x", "show" if group == "config" else "list"
    options = bare.split()[1:] if group not in ("services", "schema") else bare.split()[1:3]
    said = specql_jobs(group, *options, folder=tmp_path)
    assert said.document["schema"] == f"specql-jobs.{group}-{below}/v1"
    assert "Commands:" in specql_jobs(group, "--help").out
    assert "there is no command 'nope'" in specql_jobs(group, "nope").err


def test_help_command() -> None:
    """`help COMMAND` is the command's own help, `help` alone the root's."""
    assert specql_jobs("help", "list").out == specql_jobs("list", "--help").out
    assert specql_jobs("help", "db", "status").out == specql_jobs("db", "status", "--help").out
    assert specql_jobs("help").out == specql_jobs("--help").out


def test_worker_start_is_worker() -> None:
    """`worker start` takes the flags of `worker`."""
    assert "--until-empty" in specql_jobs("worker", "start", "--help").out
    assert "--concurrency: 0 is out of range" in specql_jobs("worker", "start", "-c", "0").err


def test_help_shows_no_jargon() -> None:
    """No help shows the parser's type names, cut sentences, or a default that says nothing."""
    for words in (["list"], ["enqueue"], ["worker"], ["db"], ["validate"], ["run"]):
        out = specql_jobs(*words, "--help").out
        assert "int range" not in out
        assert "..." not in out.partition("Commands:")[2]
        assert "[default: 0]" not in out.partition("--verbose")[2].partition("--color")[0]
        assert "specql-jobs cat" not in out
