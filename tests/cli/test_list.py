"""`list`: selectors, formats, limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.board import TENANT, Board
from support.processes import COMMAND

KEYS = [
    "id",
    "status",
    "service",
    "operation",
    "execution_type",
    "attempts",
    "max_attempts",
    "created_at",
    "run_at",
    "started_at",
    "completed_at",
    "duration_ms",
    "worker_id",
    "error_category",
    "error_message",
    "fingerprint",
    "tenant_id",
    "correlation_id",
]


def test_json_has_exactly_the_promised_keys(board: Board) -> None:
    """Each element of `list -o json` has the keys of the contract, in their order."""
    id_ = board.add(status="failed", error_category="timeout", error_message="late", execution_type="HTTP")
    said = board("list", "-o", "json")
    assert list(said.data[0]) == KEYS
    assert (said.data[0]["id"], said.data[0]["execution_type"]) == (id_, "http")
    assert said.document["page"] == {"returned": 1, "limit": 1000, "total": 1, "truncated": False}


def test_selectors_choose(board: Board) -> None:
    """Every selector chooses by its column; different flags AND, commas OR, ! excludes."""
    a = board.add("pay", "charge", input_data={"customer": {"id": 42}}, tenant_id=TENANT, correlation_id="c1")
    b = board.add("pay", "refund", "failed", error_category="timeout", error_message="Too LATE now", fingerprint="f1")
    c = board.add("Mail", "send", "running", execution_type="LOCAL_PROCESS", worker_id="w9")
    d = board.add("mail", "send", "completed", input_data={"customer": {"id": "42"}}, execution_type="http")
    everything = {a, b, c, d}
    assert board.ids() == everything
    assert board.ids("-s", "failed,running") == {b, c}
    assert board.ids("-s", "!completed") == {a, b, c}
    assert board.ids("--service", "pay") == {a, b}
    assert board.ids("--service", "mail") == {c, d}
    assert board.ids("--service", "!pay", "-s", "running") == {c}
    assert board.ids("--operation", "pay.charge,mail.send") == {a, c, d}
    assert board.ids("--type", "process") == {c}
    assert board.ids("--type", "!shell", "--type", "http") == {d}
    assert board.ids("--tenant", TENANT.upper()) == {a}
    assert board.ids("--tenant", f"!{TENANT}") == everything - {a}
    assert board.ids("--worker", "w9") == {c}
    assert board.ids("--category", "timeout") == {b}
    assert board.ids("--category", "!timeout") == everything - {b}
    assert board.ids("--fingerprint", "f:f1") == {b}
    assert board.ids("-e", "too late") == {b}
    assert board.ids("-e", "100%") == set()
    assert board.ids("--correlation", "c1") == {a}
    assert board.ids("--input", "customer.id=42") == {a, d}
    assert board.ids("--input", 'customer.id="42"') == {d}
    assert board.ids("--input", "customer.id=42", "--input", "x=1") == set()
    assert board.ids(a, b) == {a, b}
    assert board.ids(a, b, "-s", "failed") == {b}


def test_values_are_never_sql(board: Board) -> None:
    """Quotes, wildcards and placeholders in a selector are just text that nothing matches."""
    board.add()
    for text in ("'; DROP TABLE jobs.tb_job_run; --", "%s", "%(ids)s", "a{selection}b", "\\", '"'):
        assert board.ids("--service", text) == set()
        assert board.ids("-e", text) == set()
        assert board.ids("--input", f"k={text}") == set()
    assert len(board.ids()) == 1


def test_time_window(board: Board) -> None:
    """--since and --until look at the last change of state: relative by the database's clock, or absolute."""
    old = board.add(created_at="2020-05-01T12:00:00Z")
    new = board.add()
    assert board.ids("--since", "15m") == {new}
    assert board.ids("--until", "1h30m") == {old}
    assert board.ids("--since", "2020-05-01T11:59:59Z", "--until", "2020-05-01T14:00:00+02:00") == {old}
    assert board.ids("--since", "@1588334400") == {old, new}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-s", "dead"),
        ("-s", ""),
        ("--service", ","),
        ("--service", "!"),
        ("--type", "vm"),
        ("--category", "oops"),
        ("--operation", "pay"),
        ("--tenant", "acme"),
        ("--since", "soon"),
        ("--since", ""),
        ("--until", "9999999999d"),
        ("--since", "@1e400"),
        ("--input", "novalue"),
        ("--input", "=1"),
        ("-e", ""),
        ("--limit", "-1"),
        ("--limit", "99999999999999999999"),
        ("nonsense",),
        ("12345",),
        ("-", "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"),
    ],
)
def test_wrong_selectors_are_exit_2(board: Board, arguments: tuple[str, ...]) -> None:
    """A selector that means nothing is a wrong call with a hint, never an empty answer."""
    said = board("list", "-o", "json", *arguments)
    assert said.code == 2
    assert said.error["hint"]


def test_limit_is_announced(board: Board) -> None:
    """Rows that are left out are announced on stderr and in the page; --limit 0 shows all."""
    for _ in range(3):
        board.add()
    said = board("list", "--limit", "2", "-o", "json")
    assert said.document["page"] == {"returned": 2, "limit": 2, "total": 3, "truncated": True}
    assert said.err == "showing 2 of 3 (--limit 0 for all)\n"
    assert len(board("list", "--limit", "0", "-o", "json").data) == 3


def test_text_is_whole_and_harmless(board: Board) -> None:
    """In a pipe nothing is cut; a job's control characters are shown as text."""
    message = "\x1b[31m" + "word " * 80 + "end\x07"
    id_ = board.add(status="failed", error_category="timeout", error_message=message)
    said = board("list")
    assert id_ in said.out
    assert "\\x1b[31m" in said.out
    assert "end\\x07" in said.out
    assert "\x1b" not in said.out


def test_other_formats(board: Board) -> None:
    """jsonl is an object a line, tsv has a header, markdown escapes what would end a cell."""
    board.add(status="failed", error_message="a|b\tc\nd", error_category="timeout")
    lines = board("list", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["error_message"] for line in lines] == ["a|b\tc\nd"]
    header, row = board("list", "-o", "tsv").out.splitlines()
    assert header.split("\t") == KEYS
    assert row.split("\t")[KEYS.index("error_message")] == "a|b c d"
    assert "a\\|b c d" in board("list", "-o", "markdown").out


def test_nothing_matches(board: Board) -> None:
    """No match is exit 0, an empty list, and a word on stderr."""
    said = board("list")
    assert (said.code, said.out, said.err) == (0, "", "no jobs match\n")
    assert board("list", "-", stdin="").out == ""


def test_prefix_of_an_id(board: Board) -> None:
    """Reads take a unique beginning of an id of at least 6 digits."""
    one = board.add(id="aaaaaaaa-0000-7000-8000-000000000001")
    two = board.add(id="aaaaaaaa-0000-7000-8000-000000000002")
    assert board.ids("aaaaaaaa-0000-7000-8000-000000000001"[:36]) == {one}
    assert board("list", "aaaaaa", "-o", "json").code == 2
    assert board("list", "bbbbbb", "-o", "json").code == 3
    assert board.ids(one, two) == {one, two}


def test_database_that_is_not_migrated(empty_dsn: str) -> None:
    """Without the schema, every queue command is exit 5 and names the command to type."""
    for arguments in (("list",), ("show", "0" * 32), ("tail",), ("retry", "--all")):
        said = Board(empty_dsn)(*arguments, "-o", "json")
        assert said.code == 5
        assert "db migrate" in said.error["hint"]


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:hunter2hunter2@127.0.0.1:1/app",
        "postgresql:/me:hunter2hunter2@host/app",
        "host=127.0.0.1 port=1 password=hunter2hunter2 user=me",
        "host=127.0.0.1 port=x password='hunter2 hunter2'",
    ],
)
def test_password_never_shows(dsn: str) -> None:
    """A DSN that fails, well formed or not, leaves no trace of its password; --dsn warns about ps."""
    for arguments in (("-o", "json"), ("-v",)):
        said = Board(dsn)("list", *arguments)
        assert said.code in (2, 5)
        assert "hunter2" not in said.out + said.err
    flagged = Board("")("list", "--dsn", dsn, "-o", "json")
    assert "hunter2" not in flagged.out + flagged.err


def test_no_database_named() -> None:
    """Without any DSN the error names the three ways to give one."""
    said = Board("")("list", "-o", "json")
    assert said.code == 2
    assert said.error["code"] == "E213"
    assert all(word in said.error["hint"] for word in ("--dsn", "SPECQL_JOBS_DSN", "--dsn embedded"))


def test_quiet_is_ids_alone(board: Board) -> None:
    """`list -q` prints ids and nothing else, as retry and show read them."""
    newest_last = [board.add(status="failed", created_at=f"2026-01-0{day}") for day in (1, 2)]
    said = board("list", "-q", "--limit", "0")
    assert (said.out.split(), said.err) == (newest_last[::-1], "")
    assert board("retry", "-", "--dry-run", stdin=said.out).out.startswith("match   2 jobs to retry")
    assert board("list", "-q", "-s", "running").out == ""


@pytest.mark.parametrize(("text", "hint"), [("01234567", "first 6 digits"), ("acme", "list -q")])
def test_what_is_no_id_gets_a_hint_that_fits(board: Board, text: str, hint: str) -> None:
    """A beginning of an id in a write is told apart from a text that is no id at all."""
    assert hint in board("retry", text, "-o", "json").error["hint"]


@pytest.mark.parametrize(
    ("columns", "headers"),
    [
        (200, ["ID", "STATUS", "SERVICE.OPERATION", "AGE", "TRY", "LAST", "ERROR"]),
        (84, ["ID", "STATUS", "SERVICE.OPERATION", "AGE", "LAST", "ERROR"]),
        (80, ["ID", "STATUS", "SERVICE.OPERATION", "LAST", "ERROR"]),
        (70, ["ID", "STATUS", "SERVICE.OPERATION"]),
    ],
)
def test_narrow_terminals_lose_columns_not_ids(board: Board, tmp_path: Path, columns: int, headers: list[str]) -> None:
    """On a terminal a table keeps to COLUMNS: columns are left out, then the last one is cut; ids are whole."""
    id_ = board.add(status="failed", error_category="timeout", error_message="late " * 60)
    code = f"import pty, sys; sys.exit(pty.spawn([{str(COMMAND)!r}, 'list']) != 0)"
    env = {**os.environ, "SPECQL_JOBS_DSN": board.dsn, "COLUMNS": str(columns), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    head, line = (line for line in done.stdout.decode().splitlines() if line.startswith(("ID", id_)))
    assert head.split() == headers
    assert len(line) <= columns
    assert line.endswith("…") == ("ERROR" in headers)


def test_tries_that_no_registry_told_are_a_dash(board: Board) -> None:
    """A job that no worker has looked at has no limit of attempts yet: `0/-`, in lists and events alike."""
    board.add()
    assert "  0/-" in board("list").out
    assert "  0/-" in board("tail").out
