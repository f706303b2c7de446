"""`retry --canary` of what cannot run now: what keeps the first jobs is said before, and while they are waited for."""

from __future__ import annotations

import pytest
from support.at_terminal import at_terminal
from support.board import Board
from support.processes import COMMAND

CANARY = ("retry", "-s", "failed", "--canary", "1", "--yes")
BREAKER = "INSERT INTO jobs.tb_service_state (service_name, failures, open_until) VALUES ('pay', 5, now() + '1 h')"


def be_there(board: Board) -> None:
    """Have a live worker that serves everything."""
    board.sql(
        "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency)"
        " VALUES ('w1', 'h', 1, '0', 1, 1)"
    )


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ("SELECT jobs.pause('pay', actor => 'mo')", "service pay was paused by mo; specql-jobs resume --service pay"),
        (
            f"SELECT jobs.pause(tenant_id => '{'1' * 8}-1111-1111-1111-{'1' * 12}', actor => 'mo')",
            f"was paused by mo; specql-jobs resume --tenant {'1' * 8}",
        ),
        (BREAKER, "specql-jobs breaker reset pay"),
        (
            "UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '1 h'",
            "no live worker serves pay; specql-jobs worker",
        ),
    ],
)
def test_what_keeps_a_canary_is_said_before_and_while_it_waits(board: Board, gate: str, words: str) -> None:
    """A pause, an open breaker and a missing worker are named with the line to type: a warning, then beside it."""
    be_there(board)
    for _ in range(2):
        board.add(status="failed", tenant_id=f"{'1' * 8}-1111-1111-1111-{'1' * 12}")
    board.sql(gate)
    said = board(*CANARY, "--canary-timeout", "0s", "-o", "json")
    assert (said.code, said.error["code"]) == (8, "E801")
    assert words in said.document["warnings"][0]
    (line,) = [line for line in said.err.splitlines() if line.startswith("canary: 0 of 1 completed")]
    assert words in line
    (first,) = board.ids("-s", "pending")
    assert f"; {first} waits: " in line


def test_nothing_is_said_of_what_nothing_keeps(board: Board) -> None:
    """With a live worker and no gate there is no warning, and the line says that the job is ready."""
    be_there(board)
    board.add(status="failed")
    said = board(*CANARY, "--canary-timeout", "0s", "-o", "json")
    assert (said.code, said.document["warnings"]) == (8, [])
    assert "waiting for a free worker" in said.err


def test_a_person_sees_news_of_a_canary_sooner(board: Board) -> None:
    """At a terminal what became of one of the first jobs is told while the others are waited for."""
    be_there(board)
    ids = [board.add(status="failed") for _ in range(2)]
    board.sql("SELECT jobs.pause('pay', actor => 'mo')")
    words = ("retry", *ids, "--canary", "2,100%", "--canary-timeout", "5m", "--yes")
    with at_terminal(str(COMMAND), *words, env={"SPECQL_JOBS_DSN": board.dsn}, size=(24, 200)) as terminal:
        terminal.wait_for("canary: 0 of 2 completed")
        board.sql("UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now() WHERE id = %s", ids[0])
        terminal.wait_for("canary: 1 of 2 completed")
        board.sql("UPDATE jobs.tb_job_run SET status = 'cancelled', completed_at = now() WHERE id = %s", ids[1])
        assert terminal.finish() == 7
    assert board.sql("SELECT state FROM jobs.tb_change WHERE kind = 'retry'") == [("stopped",)]
