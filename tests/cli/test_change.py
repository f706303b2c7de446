"""`retry` and `cancel`: what they change, what they refuse, what they ask."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from support.board import Board
from support.processes import COMMAND

UNKNOWN = "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_retry_makes_it_pending_again(board: Board, status: str) -> None:
    """A failed or cancelled job is pending again: same id, attempts counted anew."""
    id_ = board.add(status=status, attempts=3)
    said = board("retry", id_, "--reason", "fixed", "-o", "json")
    assert said.code == 0
    assert said.data["results"] == [{"id": id_, "outcome": "retried"}]
    assert board.sql("SELECT status, attempts FROM jobs.tb_job_run") == [("pending", 0)]
    assert board.sql("SELECT kind, actor, reason FROM jobs.tb_change") == [("retry", "mo", "fixed")]


@pytest.mark.parametrize(
    ("verb", "status"), [("retry", "pending"), ("retry", "running"), ("retry", "completed"), ("cancel", "completed")]
)
def test_named_job_in_the_wrong_state_is_exit_6(board: Board, verb: str, status: str) -> None:
    """A job that was named and cannot be changed is a conflict that names its state."""
    id_ = board.add(status=status)
    said = board(verb, id_, "--yes", "-o", "json")
    assert said.code == 6
    assert f"already {status}" in said.error["message"]
    assert board.status(id_) == status


def test_cancel_pending_and_running(board: Board) -> None:
    """Pending jobs are cancelled at once; running ones are asked, after a yes."""
    waiting, running = board.add(), board.add(status="running")
    assert board("cancel", waiting, running, "-o", "json").error["code"] == "E204"
    said = board("cancel", waiting, running, "--yes", "-o", "json")
    assert said.code == 0
    assert {each["outcome"] for each in said.data["results"]} == {"cancelled", "requested"}
    assert (board.status(waiting), board.status(running)) == ("cancelled", "running")


@pytest.mark.parametrize("verb", ["retry", "cancel"])
@pytest.mark.parametrize("selector", [(), ("-s", ""), ("--service", ""), ("-e", ""), ("--limit", "5")])
def test_nothing_selected_is_exit_2(board: Board, verb: str, selector: tuple[str, ...]) -> None:
    """A write without a selector, or with an empty one, is a wrong call and never means all."""
    pending, failed = board.add(), board.add(status="failed")
    assert board(verb, *selector, "--yes", "-o", "json").code == 2
    assert (board.status(pending), board.status(failed)) == ("pending", "failed")


def test_no_ids_on_stdin_changes_nothing(board: Board) -> None:
    """An empty list of ids on stdin is no job, not every job."""
    id_ = board.add(status="failed")
    assert board("retry", "-", "--yes", stdin="").out == "no jobs match: nothing to retry\n"
    assert board("retry", "-", "--status", "failed", "--yes", stdin="").code == 0
    assert board.status(id_) == "failed"


def test_all_must_be_typed(board: Board) -> None:
    """--all means every job that the verb applies to, and nothing else."""
    failed, done = board.add(status="failed"), board.add(status="completed")
    assert board("retry", "--all", "-o", "json").data["counts"] == {"matched": 1, "applied": 1, "skipped": 0}
    assert (board.status(failed), board.status(done)) == ("pending", "completed")


def test_unknown_and_partly(board: Board) -> None:
    """Only unknown ids is exit 3; some done and some not is exit 7; a malformed id is exit 2."""
    failed = board.add(status="failed")
    assert board("retry", UNKNOWN, "-o", "json").code == 3
    said = board("retry", failed, UNKNOWN, "-o", "json")
    assert said.code == 7
    assert {each["outcome"] for each in said.data["results"]} == {"retried", "not_found"}
    assert board("retry", "nonsense", "-o", "json").code == 2
    assert board("retry", failed[:12], "-o", "json").code == 2


def test_more_than_ten_need_a_yes(board: Board) -> None:
    """Eleven jobs are not changed without --yes where nobody can be asked; ten are."""
    ids = [board.add(status="failed") for _ in range(11)]
    said = board("retry", "-s", "failed")
    assert said.code == 2
    assert "11 jobs" in said.err
    assert "--yes" in said.err
    assert board.status(ids[0]) == "failed"
    assert board("retry", "-s", "failed", "--limit", "10").code == 0
    assert board("retry", "-s", "failed", "--yes").code == 0
    assert {board.status(id_) for id_ in ids} == {"pending"}


def test_dry_run_and_expect(board: Board) -> None:
    """-n shows the breakdown and changes nothing; --expect guards the number."""
    ids = [board.add("pay", "ok", "failed"), board.add("mail", "send", "failed"), board.add(status="completed")]
    said = board("retry", "-s", "failed,completed", "-n", "-o", "json")
    assert (said.code, said.data["dry_run"]) == (0, True)
    assert said.data["counts"]["matched"] == 2
    assert {(each["service"], each["jobs"]) for each in said.data["matched_by_operation"]} == {("pay", 1), ("mail", 1)}
    assert "Nothing was changed." in board("retry", "-s", "failed", "-n").out
    assert board("retry", "-s", "failed", "--expect", "3", "-o", "json").error["code"] == "E602"
    assert [board.status(id_) for id_ in ids] == ["failed", "failed", "completed"]
    assert board("retry", "-s", "failed", "--expect", "2").code == 0


def test_large_change_goes_in_batches(board: Board) -> None:
    """More jobs than one statement takes are all changed."""
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at)"
        " SELECT 'pay', 'ok', 'failed', now() FROM generate_series(1, 2300)"
    )
    said = board("retry", "--service", "pay", "--yes", "-o", "json")
    assert said.data["counts"] == {"matched": 2300, "applied": 2300, "skipped": 0}
    assert board.sql("SELECT count(*) FROM jobs.tb_job_run WHERE status = 'pending'") == [(2300,)]


def _ask(board: Board, answer: str, *arguments: str, folder: Path | None = None) -> tuple[int, str]:
    """Run a command whose stdin and stderr are a terminal, and type an answer."""
    outer, inner = pty.openpty()
    try:
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            stdin=inner,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "SPECQL_JOBS_ACTOR": "mo", **({} if folder else {"SPECQL_JOBS_DSN": board.dsn})},
        )
        os.write(outer, f"{answer}\n".encode())
        _, err = process.communicate(timeout=30)
        return process.returncode, err
    finally:
        os.close(inner)
        os.close(outer)


def test_the_question_and_its_answers(board: Board) -> None:
    """A terminal is asked on stderr, with the number and the target; anything but yes is exit 6."""
    running = board.add(status="running")
    code, err = _ask(board, "n", "cancel", running)
    assert code == 6
    assert "cancel 1 job, 1 of them running on " in err
    assert "error[E601 declined]" in err
    code, _ = _ask(board, "y", "cancel", running)
    assert code == 0
    assert board.sql("SELECT cancel_requested_at IS NOT NULL FROM jobs.tb_job_run") == [(True,)]


def test_protected_profile_wants_its_name_and_a_reason(board: Board, tmp_path: Path) -> None:
    """On a protected profile a change needs a reason, and the profile's name instead of y."""
    config = f'[profiles.prod]\ndsn = "{board.dsn}"\nprotected = true\n'
    (tmp_path / "specql-jobs.toml").write_text(config)
    id_ = board.add(status="failed")
    arguments = ["retry", id_, "--profile", "prod"]
    assert _ask(board, "prod", *arguments, folder=tmp_path)[0] == 2
    arguments += ["--reason", "INC-1"]
    assert _ask(board, "y", *arguments, folder=tmp_path)[0] == 6
    assert _ask(board, "", *arguments, "--yes", folder=tmp_path)[0] == 2
    assert board.status(id_) == "failed"
    assert _ask(board, "prod", *arguments, folder=tmp_path)[0] == 0
    assert board.status(id_) == "pending"


def test_the_change_outlives_its_reader(board: Board) -> None:
    """A closed pipe on stdout does not stop a bulk change half way."""
    ids = [board.add(status="failed") for _ in range(12)]
    process = subprocess.Popen(
        [str(COMMAND), "retry", "-s", "failed", "--yes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SPECQL_JOBS_DSN": board.dsn},
    )
    assert process.stdout is not None
    process.stdout.close()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert {board.status(id_) for id_ in ids} == {"pending"}
