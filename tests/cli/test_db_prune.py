"""`db prune`: what it needs to be told, what it shows before and after, how it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from support.board import Board
from support.cli import specql_jobs
from support.processes import Started

OLD = {"completed_at": "2020-01-01", "started_at": "2020-01-01", "created_at": "2020-01-01", "id": None}


def add_old(board: Board, status: str = "completed", number: int = 1) -> str:
    """Insert a job that ended in 2020, with the id that it would have got then."""
    return board.add(status=status, **OLD | {"id": f"016f5e66-e800-7000-8000-{number:012x}"})


def count(board: Board) -> int:
    """Return how many jobs there are."""
    return int(board.sql("SELECT count(*) FROM jobs.tb_job_run")[0][0])


def test_without_a_retention_nothing_is_deleted(board: Board) -> None:
    """Nothing is assumed: no flag and no configuration is exit 2, and says what to type."""
    add_old(board)
    said = board("db", "prune", "--yes", "-o", "json")
    assert (said.code, said.error["code"]) == (2, "E240")
    assert "--completed 30d" in said.error["hint"]
    assert count(board) == 1


def test_a_dry_run_says_how_many_of_each(board: Board) -> None:
    """-n counts each status that has a retention, names the oldest, and deletes nothing."""
    add_old(board, number=1), add_old(board, number=2), add_old(board, "failed", 3), add_old(board, "cancelled", 4)
    board.add()
    said = board("db", "prune", "--completed", "30d", "--failed", "90d", "-n", "-o", "json")
    assert [(each["status"], each["jobs"]) for each in said.data["would_delete"]] == [("completed", 2), ("failed", 1)]
    assert said.data["would_delete"][0]["oldest"].startswith("2020-01-01")
    text = board("db", "prune", "--completed", "30d", "-n").out
    assert "Nothing was deleted." in text
    assert "failed     kept for ever" in text
    assert count(board) == 5


def test_it_deletes_and_keeps_who_and_why(board: Board) -> None:
    """What it deleted is counted by status; the ledger has the person, the reason, the retention and the numbers."""
    add_old(board, number=1), add_old(board, "failed", 2)
    said = board("db", "prune", "--completed", "30d", "--failed", "30d", "--reason", "full disk", "-o", "json")
    assert (said.code, said.data["deleted"]) == (0, {"completed": 1, "failed": 1, "cancelled": 0})
    ((kind, actor, reason, details),) = board.sql("SELECT kind, actor, reason, details FROM jobs.tb_change")
    assert (kind, actor, reason) == ("prune", "mo", "full disk")
    assert details["deleted"] == {"completed": 1, "failed": 1}
    assert details["retention_seconds"]["cancelled"] is None


def test_many_jobs_want_a_yes(board: Board) -> None:
    """More than ten, and nobody to ask: exit 2 and nothing deleted; --yes goes on without a question."""
    for number in range(11):
        add_old(board, number=number)
    said = board("db", "prune", "--completed", "30d")
    assert (said.code, "E204" in said.err, count(board)) == (2, True, 11)
    assert board("db", "prune", "--completed", "30d", "--yes").out.startswith("deleted 11 jobs (completed 11)")


def test_the_configuration_states_it_once(board: Board, tmp_path: Path) -> None:
    """[retention] of specql-jobs.toml serves where no flag does; a flag replaces its own status alone."""
    add_old(board, number=1), add_old(board, "failed", 2)
    (tmp_path / "specql-jobs.toml").write_text('[retention]\ncompleted = "30d"\nfailed = "90d"\n')
    env = {"SPECQL_JOBS_DSN": board.dsn}
    said = specql_jobs("db", "prune", "--failed", "10000d", "--yes", "-o", "json", env=env, folder=tmp_path)
    assert said.data["deleted"] == {"completed": 1, "failed": 0, "cancelled": 0}
    assert specql_jobs("db", "prune", "-o", "json", env=env, folder=tmp_path).data["deleted"]["failed"] == 1


def test_a_wrong_configuration_is_said_with_its_place(board: Board, tmp_path: Path) -> None:
    """A duration that is none, and a key that is unknown, are exit 2 and name the key."""
    file = tmp_path / "specql-jobs.toml"
    for text, says in (('completed = "soon"', "completed"), ("archived = true", "retention.archived")):
        file.write_text(f"[retention]\n{text}\n")
        said = specql_jobs("db", "prune", "-n", env={"SPECQL_JOBS_DSN": board.dsn}, folder=tmp_path)
        assert (said.code, says in said.err) == (2, True), said.err


def test_ctrl_c_stops_between_batches(board: Board, spawn: Callable[..., Started]) -> None:
    """Ctrl-C is exit 130 and says how far it came; whole batches are gone, the rest is there."""
    for number in range(5):
        add_old(board, number=number)
    words = ("db", "prune", "--completed", "30d", "--yes", "--batch", "2", "--pause", "60")
    process = spawn(*words, env={"SPECQL_JOBS_DSN": board.dsn})
    process.wait_until(lambda: count(board) == 3, "the first batch is gone")
    process.send(signal.SIGINT)
    assert process.finish() == 130
    assert "stopped between two batches: deleted 2 jobs (completed 2)" in "".join(process.stderr)
    assert count(board) == 3
