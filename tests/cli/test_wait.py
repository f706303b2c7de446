"""`wait`: every way in which waiting can end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.board import Board
from support.cli import answering, write_registry
from support.processes import Started
from support.waiting import until

UNKNOWN = "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["completed"], 0),
        (["completed", "completed"], 0),
        (["completed", "failed"], 1),
        (["cancelled"], 1),
        (["completed", "pending"], 8),
        (["running", "failed"], 8),
    ],
)
def test_looking_once(board: Board, statuses: list[str], code: int) -> None:
    """`--timeout 0` looks once: 0 all completed, 1 some did not, 8 some are open; text and JSON alike."""
    ids = [board.add(status=status) for status in statuses]
    said = board("wait", *ids, "--timeout", "0", "-o", "json")
    assert said.code == code
    assert [each["status"] for each in said.data["jobs"]] == statuses
    assert (said.document["error"] is None) == (code != 8)
    text = board("wait", *ids, "--timeout", "0")
    assert text.code == code
    assert [line.split()[1] for line in text.out.splitlines()] == statuses


def test_an_unknown_id_is_not_waited_for(board: Board) -> None:
    """Exit 3 at once, also beside a job that is open; a malformed id is exit 2."""
    known = board.add()
    assert board("wait", known, UNKNOWN, "-o", "json").error["code"] == "E301"
    assert board("wait", UNKNOWN).code == 3
    assert board("wait", "zzz", "-o", "json").code == 2
    assert board("wait", known, "--timeout", "soon").code == 2


def test_the_time_is_up(board: Board) -> None:
    """A job that stays open ends the wait with 8, an error that says so, and the job in the answer."""
    id_ = board.add()
    said = board("wait", id_, "--timeout", "1s", "-o", "json")
    assert (said.code, said.error["code"], said.error["retryable"]) == (8, "E800", True)
    assert said.data["jobs"][0]["id"] == id_
    assert said.data["elapsed_ms"] >= 1000


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_any_end_ends_the_wait(board: Board, spawn: Callable[..., Started], status: str, code: int) -> None:
    """A wait goes on while the job is open, and ends when it fails or is cancelled as when it completes."""
    id_ = board.add(status="running")
    process = spawn("wait", "-v", id_[:23], env={"SPECQL_JOBS_DSN": board.dsn})
    until(lambda: _waits(board), "it has looked")
    board.sql("UPDATE jobs.tb_job_run SET status = %s, completed_at = now()", status)
    assert process.finish() == code
    assert status in process.said()


def _waits(board: Board) -> bool:
    """Whether the command has looked at the job."""
    return any("status IN ('pending', 'running')" in query for query in _last_statements(board, "specql-jobs wait"))


def test_ids_on_stdin(board: Board) -> None:
    """`-` reads ids or JSON lines, as the other commands do; nothing on stdin is a wrong call."""
    id_ = board.add(status="completed")
    assert board("wait", "-", "-o", "json", stdin=board("list", "-o", "jsonl").out).data["jobs"][0]["id"] == id_
    assert board("wait", "-", "-o", "json", stdin="").code == 2


def test_a_worker_tells_who_waits(board: Board, tmp_path: Path, spawn: Callable[..., Started]) -> None:
    """A worker that hears of a follower notifies it when jobs have ended, and says nothing when nobody follows."""
    with answering() as url:
        registry = str(write_registry(tmp_path, url))
        worker = spawn("worker", "-r", registry, env={"SPECQL_JOBS_DSN": board.dsn, "PAY_TOKEN": "tok-0123456789"})
        worker.wait_for("worker_started")
        assert board("enqueue", "pay.no", "--wait", "-r", registry).code == 1
        assert _told(board)
        id_ = board("enqueue", "pay.no", "-r", registry, "-q").out.strip()
        assert board("wait", id_, "-q").code == 1
        worker.terminate()
        assert worker.finish() == 0


def _told(board: Board) -> bool:
    """Whether the worker's last statement on its settling connection was word to followers."""
    return "NOTIFY specql_jobs_changed" in _last_statements(board, "specql-jobs worker settle")


def _last_statements(board: Board, session: str) -> list[str]:
    sql = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    return [query for (query,) in board.sql(sql, session)]


def test_the_database_is_away() -> None:
    """A database that never answered is exit 5 at once."""
    said = Board("postgresql://me@127.0.0.1:1/app")("wait", UNKNOWN, "-o", "json")
    assert (said.code, said.error["code"]) == (5, "E502")


def _change(board: Board, state: str, *members: tuple[str, str]) -> str:
    """A bulk retry in the ledger with these jobs and their outcomes."""
    ((id_,),) = board.sql(
        "INSERT INTO jobs.tb_change (kind, actor, state, matched) VALUES ('retry', 'mo', %s, %s) RETURNING id",
        *(state, len(members)),
    )
    for place, (job, outcome) in enumerate(members):
        board.sql(
            "INSERT INTO jobs.tb_change_job (change_id, job_id, outcome, position) VALUES (%s, %s, %s, %s)",
            *(id_, job, outcome, place),
        )
    return str(id_)


@pytest.mark.parametrize(
    ("state", "statuses", "code"),
    [
        ("done", ["completed", "completed"], 0),
        ("done", ["completed", "failed"], 1),
        ("done", ["completed", "pending"], 8),
        ("stopped", ["completed", "failed"], 1),
        ("canary", ["completed", "failed"], 8),
    ],
)
def test_a_change_is_waited_for(board: Board, state: str, statuses: list[str], code: int) -> None:
    """All jobs of a bulk change, by the exit codes of `wait`; a canary that has not decided is still pending."""
    outcome = "planned" if state == "canary" else "retried"
    change = _change(board, state, *((board.add(status=each), outcome) for each in statuses))
    said = board("wait", "--change", change, "--timeout", "0", "-o", "json")
    assert said.code == code
    assert [each["status"] for each in said.data["jobs"]] == statuses
    assert ("E800" in said.out) == (code == 8)


def test_a_change_that_is_nobody_s(board: Board) -> None:
    """An unknown change is exit 3; ids beside --change, or neither, is exit 2; many jobs are told in numbers."""
    assert board("wait", "--change", "77", "-o", "json").error["code"] == "E340"
    assert board("wait", UNKNOWN, "--change", "1").code == 2
    assert board("wait", "-o", "json").error["code"] == "E205"
    change = _change(board, "done", *((board.add(status="completed"), "retried") for _ in range(21)))
    assert board("wait", "--change", change).out == "21 completed\n"


def test_a_change_that_goes_on_is_waited_for(board: Board, spawn: Callable[..., Started]) -> None:
    """Jobs that a canary lets go on are waited for too, once it has decided."""
    first, other = board.add(status="completed"), board.add(status="failed")
    change = _change(board, "canary", (first, "retried"), (other, "planned"))
    process = spawn("wait", "--change", change, "--timeout", "30s", env={"SPECQL_JOBS_DSN": board.dsn})
    follows = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'specql-jobs wait'"
    process.wait_until(lambda: board.sql(follows), "it is connected")
    board.sql("UPDATE jobs.tb_job_run SET status = 'completed' WHERE id = %s", other)
    board.sql("UPDATE jobs.tb_change SET state = 'done' WHERE id = %s", int(change))
    assert process.finish() == 0
    assert other in process.said()
