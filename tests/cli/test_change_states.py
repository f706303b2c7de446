"""The states of bulk changes: one word each, and what to type."""

from __future__ import annotations

import pytest
from support.board import Board

from specql_jobs.cli.output.change_state import MEANINGS

CANARY = ("retry", "-s", "failed", "--canary", "1", "--canary-timeout", "0s", "--yes", "-o", "json")


def test_a_client_that_died_in_its_canary_left_a_line_to_type(board: Board) -> None:
    """Whether or not jobs are left, an interrupted canary names its resumption, in show and beside the list."""
    board.add(status="failed")
    made = board(*CANARY).data["change"]
    assert made["state"] == "canary"
    assert "  state     canary: somebody waits for its first jobs" in board("changes", "show", "1").out
    board.sql("UPDATE jobs.tb_change SET updated_at = now() - interval '31 seconds'")
    shown = board("changes", "show", "1").out
    assert "  state     interrupted: for over 30 s nobody has gone on with it" in shown
    assert "  next      specql-jobs changes resume 1    looks at its first jobs again" in shown
    assert "interrupted: specql-jobs changes resume 1" in board("changes", "list").err
    board.sql("UPDATE jobs.tb_job_run SET status = 'completed', started_at = now(), completed_at = now()")
    assert board("changes", "resume", "1", "-o", "json").data["state"] == "done"
    assert "state  " not in board("changes", "show", "1").out
    assert "resume" not in board("changes", "list").err


@pytest.mark.parametrize("state", MEANINGS)
def test_every_state_is_explained(board: Board, state: str) -> None:
    """Each state's word stands with its meaning in the help of the list."""
    assert f"{state}: " in " ".join(board("changes", "list", "--help").out.split())
