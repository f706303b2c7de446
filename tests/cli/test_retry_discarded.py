"""`retry` and jobs that somebody had given up."""

from __future__ import annotations

from support.board import Board


def test_a_retry_that_takes_discarded_jobs_asks(board: Board) -> None:
    """One discarded job among few wants a yes, unless an id or status was typed; what was only cancelled does not."""
    board.add(status="cancelled")
    given_up = board.add(status="failed")
    assert board("discard", given_up).code == 0
    said = board("retry", "--service", "pay")
    assert (said.code, "2 jobs, 1 of them discarded" in said.err, "--status failed" in said.err) == (2, True, True)
    assert board("retry", "--service", "pay", "-o", "json").error["code"] == "E204"
    assert board.ids("-s", "pending") == set()
    assert board("retry", "-s", "cancelled", "--limit", "1").code == 0
    assert board("retry", given_up).code == 0
    assert len(board.ids("-s", "pending")) == 2


def test_a_job_cancelled_after_its_retry_is_not_discarded(board: Board) -> None:
    """What was given up, brought back and then cancelled is no longer given up: nobody is asked; --yes answers."""
    id_ = board.add(status="failed")
    for verb in ("discard", "retry", "cancel"):
        assert board(verb, id_).code == 0
    assert board("retry", "--service", "pay").code == 0
    board.sql("UPDATE jobs.tb_job_run SET status = 'failed', completed_at = now()")
    assert board("discard", id_).code == 0
    assert board("retry", "--service", "pay", "--yes").code == 0
    assert board.status(id_) == "pending"
