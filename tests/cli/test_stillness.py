"""Whoever waits is told why nothing happens: once for each reason, on stderr, in the words of `show`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.board import Board
from support.processes import Started


@pytest.mark.parametrize("command", ["wait {} --timeout 60s -o json", "logs {} -f", "tail {} -f"])
def test_the_reason_is_said_and_said_again_when_it_changes(
    board: Board, spawn: Callable[..., Started], command: str
) -> None:
    """No worker first, then a pause with what ends it; each once; the pause's line is that of `show`."""
    id_ = board.add("pay", tenant_id=None)
    process = spawn(*command.format(id_).split(), env={"SPECQL_JOBS_DSN": board.dsn, "SPECQL_JOBS_ACTOR": "mo"})
    process.wait_for("waits, no_worker: no live worker serves pay; specql-jobs worker --registry FILE")
    board("pause", "--service", "pay", "--for", "30m", "--reason", "INC-8")
    why = board("show", id_, "-o", "json").data[0]["why"]
    process.wait_for(f"waits, paused: {why['message']}; specql-jobs resume --service pay")
    board.sql("UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now() WHERE id = %s", id_)
    if command.startswith("tail"):
        process.terminate()
    process.finish()
    assert sum("waits, " in line for line in process.stderr) == 2


def test_quiet_says_nothing(board: Board) -> None:
    """With -q the answer alone: the reason is not said however long nothing happens."""
    said = board("wait", board.add("pay"), "--timeout", "4s", "-q")
    assert said.code == 8
    assert "waits" not in said.err
