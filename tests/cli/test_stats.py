"""`stats`: numbers by a field."""

from __future__ import annotations

from typing import Any

import pytest
from support.board import TENANT, Board


def rows(board: Board, *arguments: str) -> dict[str | None, dict[str, Any]]:
    said = board("stats", *arguments, "-o", "json")
    assert said.code == 0, said.err
    return {row["key"]: row for row in said.data["rows"]}


def test_numbers_of_a_service(board: Board) -> None:
    """What waits and runs counts whenever it came; what ended counts within the window, with its durations."""
    board.add("pay", created_at="2026-01-01T00:00:00Z", run_at="2026-01-01T00:00:00Z")
    board.add("pay", run_at="2099-01-01T00:00:00Z", error_category="timeout")
    board.add("pay", status="running", started_at="2026-01-01T00:00:00Z")
    ((now,),) = board.sql("SELECT now()")
    for seconds in (1, 2, 40):
        ((begun,),) = board.sql("SELECT %s - %s * interval '1 s'", now, seconds)
        board.add("pay", status="completed", started_at=begun, completed_at=now)
    board.add("pay", status="failed")
    board.add("pay", status="completed", completed_at="2026-01-01T00:00:00Z")
    found = rows(board)["pay"]
    assert [found[key] for key in ("pending", "ready", "retrying", "running", "completed", "failed", "cancelled")] == [
        *(2, 1, 1, 1, 3, 1, 0)
    ]
    assert (found["p50_ms"], found["p95_ms"]) == (2000, 40000)
    assert (found["done_per_min"], found["fail_ratio"]) == (0.05, 0.25)
    assert found["oldest_pending_ms"] > 86_400_000


def test_by_other_fields(board: Board) -> None:
    """--by groups by type, tenant, worker and operation; selectors narrow; aliases of a type are one."""
    board.add("pay", "ok", "completed", execution_type="API", tenant_id=TENANT)
    board.add("pay", "no", "completed", execution_type="HTTP", worker_id="w9")
    assert rows(board, "--by", "type")["http"]["completed"] == 2
    assert set(rows(board, "--by", "tenant")) == {TENANT, None}
    assert set(rows(board, "--by", "worker")) == {"w1", "w9"}
    assert set(rows(board, "--by", "operation", "--worker", "w9")) == {"pay.no"}


def test_for_people(board: Board) -> None:
    """A line for each service; -q the names; tsv a header; an empty queue says so."""
    assert board("stats").err == "nothing waits or runs, and nothing ended in 1h\n"
    board.add("pay")
    header, line = (each.split() for each in board("stats").out.splitlines())
    assert header[:3] == ["SERVICE", "READY", "PENDING"]
    assert line[:3] == ["pay", "1", "1"]
    assert board("stats", "-q").out == "pay\n"
    assert board("stats", "-o", "tsv").out.startswith("key\tpending\t")
    board.add("mail")
    assert "showing 1 of 2" in board("stats", "--limit", "1").err


@pytest.mark.parametrize(
    "words",
    [
        "stats --by colour",
        "stats --since soon",
        "stats --since 1h --until 1d",
        "errors --since soon",
        "errors --since 1h --until 2h",
        "errors --group-by x",
        "errors -s dead",
    ],
)
def test_wrong_words_are_exit_2(board: Board, words: str) -> None:
    """An unknown field or word, or an empty window, is a wrong call with a hint."""
    said = board(*words.split(), "-o", "json")
    assert said.code == 2
    assert said.error["hint"]


@pytest.mark.parametrize("command", ["stats", "errors"])
def test_exits_3_and_5(board: Board, empty_dsn: str, command: str) -> None:
    """An unknown beginning of an id is exit 3, a database without the schema exit 5."""
    assert board(command, "ffffff", "-o", "json").code == 3
    assert Board(empty_dsn)(command, "-o", "json").code == 5


@pytest.mark.parametrize("command", ["stats", "errors"])
def test_numbers_say_when_nobody_is_there(board: Board, command: str) -> None:
    """Calm numbers are no comfort when no worker lives or one is silent: a warning says so and what to type."""
    assert board(command, "-o", "json").document["warnings"] == []
    board.add("pay")
    board.sql(
        "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, heartbeat_at) "
        "VALUES ('w1', 'far', 1, '0.1.0', 1, 1, now() - interval '1 minute')"
    )
    silent, absent = board(command, "-o", "json").document["warnings"]
    assert "1 worker has been silent" in str(silent)
    assert "no worker is alive" in str(absent)
    board.sql("UPDATE jobs.tb_worker SET heartbeat_at = now()")
    assert board(command, "-o", "json").document["warnings"] == []


def test_by_and_group_by_are_one(board: Board) -> None:
    """Both names in stats, count, list and errors; one is in the help, and a wrong field names the right ones."""
    board.add("pay", status="failed", fingerprint="abcd", error_message="x")
    assert board("stats", "--group-by", "operation", "-o", "json").data["by"] == "operation"
    for command in ("count", "list", "errors"):
        said = board(command, "--by", "service,operation", "-o", "json")
        assert said.data["groups"] == board(command, "--group-by", "service,operation", "-o", "json").data["groups"]
        wrong = board(command, "--by", "colour", "-o", "json").error
        assert ("--by" in wrong["message"], "service" in wrong["hint"]) == (True, True)
        assert "  --by " not in board(command, "--help").out
    assert "service, operation" in board("stats", "--group-by", "colour", "-o", "json").error["hint"]
    assert "--group-by" not in board("stats", "--help").out
