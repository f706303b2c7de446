"""Bulk changes: `discard`, plans, rate and canary, what outlives the client, and the ledger that `changes` shows."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from support.at_terminal import at_terminal
from support.board import Board
from support.cli import Said
from support.processes import COMMAND, Started
from support.waiting import until

Spawn = Callable[..., Started]

UNKNOWN = "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"


def fail_many(board: Board, count: int) -> None:
    """Have so many failed jobs, each a millisecond younger than the one before."""
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at, created_at, fingerprint) "
        "SELECT 'pay', 'ok', 'failed', now(), now() + n * interval '1 ms', 'f' || n %% 2 FROM generate_series(1, %s) n",
        count,
    )


def statuses(board: Board) -> dict[str, int]:
    """Return how many jobs there are by status."""
    return dict(board.sql("SELECT status, count(*) FROM jobs.tb_job_run GROUP BY 1"))


def start(spawn: Spawn, board: Board, *arguments: str) -> Started:
    """Start a command on the board's database as a process of its own."""
    return spawn(*arguments, env={**os.environ, "SPECQL_JOBS_DSN": board.dsn, "SPECQL_JOBS_ACTOR": "mo"})


def plan_of(said: Said) -> str:
    """Return the word of a rehearsed plan."""
    assert said.code == 0, said.err
    return str(said.data["plan_token"])


# ---- discard ---------------------------------------------------------------------------------------------------------


def test_discard_gives_failed_jobs_up(board: Board) -> None:
    """A discarded job is cancelled, keeps its error, is in the ledger with the reason, and a retry brings it back."""
    id_ = board.add(status="failed", error_category="timeout", error_message="too slow")
    said = board("discard", id_, "--reason", "left", "-o", "json")
    assert (said.code, said.data["results"]) == (0, [{"id": id_, "outcome": "discarded"}])
    row = board.sql("SELECT status, error_category, error_message FROM jobs.tb_job_run")
    assert row == [("cancelled", "timeout", "too slow")]
    assert board.sql("SELECT kind, actor, reason, state FROM jobs.tb_change") == [("discard", "mo", "left", "done")]
    assert board("retry", id_).code == 0
    assert board.status(id_) == "pending"


@pytest.mark.parametrize("status", ["pending", "running", "completed", "cancelled"])
def test_discard_is_for_failed_jobs_alone(board: Board, status: str) -> None:
    """Any other job that is named is a conflict and stays as it is; with a failed one beside it, partly done."""
    id_ = board.add(status=status)
    assert board("discard", id_, "-o", "json").error["exit_code"] == 6
    failed = board.add(status="failed")
    said = board("discard", id_, failed, "-o", "json")
    assert (said.code, said.data["skipped_by_reason"]) == (7, {f"already_{status}": 1})
    assert (board.status(id_), board.status(failed)) == (status, "cancelled")


def test_discard_wants_a_selection(board: Board) -> None:
    """No selector is exit 2, an id that no job has exit 3, and eleven jobs want a yes."""
    fail_many(board, 11)
    assert board("discard", "-o", "json").code == 2
    assert board("discard", UNKNOWN, "-o", "json").code == 3
    assert board("discard", "--service", "pay", "-o", "json").error["code"] == "E204"
    assert board("discard", "--service", "pay", "--yes").code == 0
    assert statuses(board) == {"cancelled": 11}


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_preview_and_question_say_the_same(board: Board) -> None:
    """--dry-run shows the breakdown by operation and error that the question shows, and changes nothing."""
    fail_many(board, 12)
    rehearsed = board("retry", "-s", "failed,completed", "--canary", "2", "--rate", "5/s", "--dry-run")
    shown = rehearsed.out.split("Nothing was changed.")[0].strip()
    assert "pay.ok" in shown
    assert "6  f0" in shown
    assert "2 jobs first" in shown
    assert "10 jobs at 5/s: 2.0s" in shown
    asked = board("retry", "-s", "failed,completed", "--canary", "2", "--rate", "5/s")
    assert asked.code == 2
    assert shown in asked.err
    assert statuses(board) == {"failed": 12}
    assert board.sql("SELECT count(*) FROM jobs.tb_change") == [(0,)]


def test_a_plan_holds_while_its_jobs_are_the_same(board: Board) -> None:
    """--plan makes the real run refuse when a job has come, gone, or run again since, and else lets it go on."""
    fail_many(board, 3)
    plan = plan_of(board("retry", "-s", "failed", "-n", "-o", "json"))
    late = board.add(status="failed")
    said = board("retry", "-s", "failed", "--plan", plan, "-o", "json")
    assert (said.error["code"], said.code) == ("E604", 6)
    assert "3 then, 4 now" in said.error["message"]
    board.sql("UPDATE jobs.tb_job_run SET status = 'completed' WHERE id = %s", late)
    board.sql("UPDATE jobs.tb_job_run SET lease_seq = lease_seq + 1 WHERE fingerprint = 'f0'")
    assert board("retry", "-s", "failed", "--plan", plan, "-o", "json").code == 6
    board.sql("UPDATE jobs.tb_job_run SET lease_seq = lease_seq - 1 WHERE fingerprint = 'f0'")
    assert board("discard", "-s", "failed", "--plan", plan, "-o", "json").code == 6, "a plan is for one verb"
    assert statuses(board) == {"failed": 3, "completed": 1}
    assert board("retry", "-s", "failed", "--plan", plan, "-o", "json").data["counts"]["applied"] == 3
    assert board.sql("SELECT plan FROM jobs.tb_change") == [(plan,)]


def test_a_plan_without_its_selectors_says_what_is_missing(board: Board) -> None:
    """--plan alone selects nothing: exit 2, and the hint names the dry run's selectors."""
    said = board("retry", "--plan", "1-000000000000-6b04f33a", "--yes")
    assert (said.code, "repeat beside --plan" in said.err) == (2, True)


def test_a_plan_keeps_its_window(board: Board) -> None:
    """Relative times count from the plan's own second, so that a window does not slide away from its jobs."""
    id_ = board.add(status="failed")
    plan = plan_of(board("retry", "--since", "1h", "-n", "-o", "json"))
    head, second = plan.rsplit("-", 1)
    hours = f"{head}-{int(second, 16) + 7200:x}"
    assert board("retry", "--since", "1h", "--plan", hours, "-o", "json").error["code"] == "E604"
    assert board("retry", "--since", "1h", "--plan", plan, "-o", "json").code == 0
    assert board.status(id_) == "pending"


@pytest.mark.parametrize("word", ["7f3a", "-", "3-abc-1", "x" * 80])
def test_a_word_that_is_no_plan(board: Board, word: str) -> None:
    """A malformed plan is a wrong call, whatever it selects."""
    board.add(status="failed")
    assert board("retry", "-s", "failed", f"--plan={word}", "-o", "json").error["exit_code"] == 2
    assert statuses(board) == {"failed": 1}


def test_a_retry_of_what_is_paused_says_so(board: Board) -> None:
    """Retried jobs of a paused service or operation will wait: a warning says so, of no other service."""
    board.add("Pay", "ok", status="failed")
    board.add("mail", "send", status="failed")
    assert board("pause", "--service", "pay", "--reason", "INC-2").code == 0
    warnings = board("retry", "-s", "failed", "-n", "-o", "json").document["warnings"]
    assert warnings == ["service pay was paused by mo: INC-2; specql-jobs resume --service pay"]
    assert board("retry", "--service", "mail", "-n", "-o", "json").document["warnings"] == []
    assert board("discard", "--service", "pay", "-n", "-o", "json").document["warnings"] == []


# ---- rate ------------------------------------------------------------------------------------------------------------


def test_rate_staggers_the_due_times(board: Board) -> None:
    """With --rate each job is pending and due one interval after the one before, oldest first, across batches."""
    fail_many(board, 2300)
    said = board("retry", "-s", "failed", "--rate", "50/s", "--yes", "-o", "json")
    assert said.data["counts"]["applied"] == 2300
    assert said.data["change"]["rate_per_second"] == 50
    due = [row[0] for row in board.sql("SELECT run_at FROM jobs.tb_job_run ORDER BY created_at")]
    assert {round((later - sooner).total_seconds(), 3) for sooner, later in pairwise(due)} == {0.02}
    ((left,),) = board.sql("SELECT extract(epoch FROM max(run_at) - now())::float8 FROM jobs.tb_job_run")
    assert 30 < left < 47


def test_rate_takes_minutes_too(board: Board) -> None:
    """30/m is one every two seconds."""
    fail_many(board, 3)
    assert board("retry", "-s", "failed", "--rate", "30/m", "--yes").code == 0
    due = [row[0] for row in board.sql("SELECT run_at FROM jobs.tb_job_run ORDER BY created_at")]
    assert [(later - sooner).total_seconds() for sooner, later in pairwise(due)] == [2.0, 2.0]


@pytest.mark.parametrize(
    "pace",
    [
        *(("--rate", word) for word in ("20", "0/s", "-1/s", "5/d", "x")),
        *(("--canary", word) for word in ("0", "5,0%", "5,101%", "x")),
        ("--canary", "1", "--canary-timeout", "10"),
    ],
)
def test_a_pace_that_is_none(board: Board, pace: tuple[str, ...]) -> None:
    """A malformed rate or canary is a wrong call and changes nothing."""
    board.add(status="failed")
    assert board("retry", "-s", "failed", *pace, "--yes", "-o", "json").code == 2
    assert statuses(board) == {"failed": 1}


# ---- canary ----------------------------------------------------------------------------------------------------------


def end_canaries(board: Board, *ends: str) -> None:
    """Wait until the first jobs are pending, and end each as a worker would."""
    oldest = "SELECT id FROM jobs.tb_job_run WHERE status = 'pending' ORDER BY created_at"
    for (id_,), end in zip(until(lambda: board.sql(oldest), "the canaries are pending"), ends, strict=True):
        board.sql(
            "UPDATE jobs.tb_job_run SET status = %s, started_at = now(), completed_at = now(), worker_id = 'w1' "
            "WHERE id = %s",
            end,
            id_,
        )


def test_a_good_canary_lets_the_others_go(board: Board, spawn: Spawn) -> None:
    """When enough of the first jobs have completed, the others are retried; nobody else was before."""
    fail_many(board, 20)
    process = start(spawn, board, "retry", "-s", "failed", "--canary", "4,75%", "--yes")
    until(lambda: statuses(board).get("pending") == 4, "four go first")
    end_canaries(board, "completed", "failed", "completed", "completed")
    assert process.finish() == 0, process.said()
    assert statuses(board) == {"completed": 3, "failed": 1, "pending": 16}
    assert board("changes", "show", "1", "-o", "json").data["canary"] == {
        "wanted": 4,
        "percent": 75,
        "jobs": 4,
        "completed": 3,
        "ended": 4,
    }


def test_a_bad_canary_stops_the_others(board: Board, spawn: Spawn) -> None:
    """When too few complete, the others stay failed: exit 7, and the ledger says stopped with how many are left."""
    fail_many(board, 20)
    process = start(spawn, board, "retry", "-s", "failed", "--canary", "4", "--yes")
    until(lambda: statuses(board).get("pending") == 4, "four go first")
    end_canaries(board, "completed", "failed", "cancelled", "completed")
    assert process.finish() == 7, process.said()
    assert "E702" in process.said()
    assert statuses(board) == {"completed": 2, "failed": 17, "cancelled": 1}
    shown = board("changes", "show", "1", "-o", "json").data
    assert (shown["state"], shown["left"], shown["counts"]) == ("stopped", 16, {"retried": 4, "planned": 16})
    assert board("changes", "resume", "1", "-o", "json").error["code"] == "E702"
    board.sql(
        "UPDATE jobs.tb_job_run j SET status = 'completed' FROM jobs.tb_change_job m "
        "WHERE m.job_id = j.id AND m.outcome = 'retried'"
    )
    assert board("changes", "resume", "1", "-o", "json").data["state"] == "done"
    assert statuses(board) == {"completed": 4, "pending": 16}


def test_an_undecided_canary_is_exit_8(board: Board) -> None:
    """When time is up before the first jobs have decided, the others wait, and resume goes on with them."""
    fail_many(board, 5)
    said = board("retry", "-s", "failed", "--canary", "1", "--canary-timeout", "0s", "--yes", "-o", "json")
    assert (said.code, said.error["code"]) == (8, "E801")
    assert said.data["canary"] == {"jobs": 1, "completed": 0, "ended": 0}
    assert statuses(board) == {"pending": 1, "failed": 4}
    assert board("changes", "resume", "1", "--canary-timeout", "0s", "-o", "json").code == 8
    end_canaries(board, "completed")
    assert board("changes", "resume", "1", "-o", "json").data["counts"] == {"retried": 5}
    assert statuses(board) == {"completed": 1, "pending": 4}


def test_what_a_killed_client_left_is_gone_on_with(board: Board, spawn: Spawn) -> None:
    """kill -9 while the first jobs are waited for: resume does exactly the rest, and at its rate."""
    fail_many(board, 30)
    process = start(spawn, board, "retry", "-s", "failed", "--canary", "2", "--rate", "10/s", "--reason", "r", "--yes")
    until(lambda: statuses(board).get("pending") == 2, "two go first")
    process.kill()
    fail_many(board, 5)
    end_canaries(board, "completed", "completed")
    assert statuses(board) == {"completed": 2, "failed": 33}
    assert [each["id"] for each in board("changes", "list", "--open", "-o", "json").data] == [1]
    said = board("changes", "resume", "1", "-o", "json")
    assert (said.code, said.data["counts"], said.data["state"]) == (0, {"retried": 30}, "done")
    assert statuses(board) == {"completed": 2, "pending": 28, "failed": 5}
    due = [row[0] for row in board.sql("SELECT run_at FROM jobs.tb_job_run WHERE status = 'pending' ORDER BY 1")]
    assert {round((later - sooner).total_seconds(), 3) for sooner, later in pairwise(due)} == {0.1}


def test_a_client_that_is_told_to_end(board: Board, spawn: Spawn) -> None:
    """SIGTERM while the first jobs are waited for is exit 143; how to go on was said before."""
    fail_many(board, 3)
    process = start(spawn, board, "retry", "-s", "failed", "--canary", "1", "--yes")
    process.wait_for("waiting for the 1 that went first")
    process.terminate()
    assert process.finish() == 143
    assert "if this ends early: specql-jobs changes resume 1" in process.said()
    end_canaries(board, "completed")
    assert board("changes", "resume", "1").code == 0
    assert statuses(board) == {"completed": 1, "pending": 2}


def test_a_client_killed_between_batches_leaves_none_half_done(board: Board, spawn: Spawn) -> None:
    """kill -9 in the middle: ledger and rows agree job by job, and the same command again does the rest."""
    fail_many(board, 20_000)
    process = start(spawn, board, "retry", "-s", "failed", "--yes")
    some = "SELECT 1 FROM jobs.tb_change_job WHERE outcome = 'retried' LIMIT 1"
    until(lambda: board.sql(some), "the first batch is done")
    process.kill()
    until(lambda: not board.sql(_BUSY), "the server has noticed")
    found = statuses(board)
    assert 0 < found["pending"] < 20_000
    assert board.sql(_DISAGREE) == [(0,)]
    shown = board("changes", "show", "1", "-o", "json").data
    assert shown["counts"] == {"retried": found["pending"], "planned": found["failed"]}
    assert shown["jobs_now"] == {"pending": found["pending"]}
    said = board("retry", "-s", "failed", "--yes", "-o", "json")
    assert said.data["counts"]["applied"] == found["failed"]
    assert statuses(board) == {"pending": 20_000}
    assert board("changes", "resume", "1", "-o", "json").data["counts"] == {
        "retried": found["pending"],
        "already_pending": found["failed"],
    }


_BUSY = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'specql-jobs retry' AND datname = current_database()"
_DISAGREE = (
    "SELECT count(*) FROM jobs.tb_change_job m JOIN jobs.tb_job_run j ON j.id = m.job_id "
    "WHERE (m.outcome = 'retried') <> (j.status = 'pending')"
)


def test_rows_that_somebody_holds_are_passed_over(board: Board) -> None:
    """A locked row does not hold the others up: it is counted as locked, exit 7, and the same command gets it later."""
    fail_many(board, 4)
    with psycopg.connect(board.dsn) as other:
        other.execute("SELECT FROM jobs.tb_job_run WHERE fingerprint = 'f0' LIMIT 1 FOR UPDATE")
        said = board("retry", "-s", "failed", "--yes", "-o", "json")
    assert (said.code, said.error["code"]) == (7, "E701")
    assert (said.data["counts"]["applied"], said.data["skipped_by_reason"]) == (3, {"locked": 1})
    assert statuses(board) == {"pending": 3, "failed": 1}
    assert board("retry", "-s", "failed", "--yes").code == 0


def test_dependents_come_back_with_a_change(board: Board) -> None:
    """Jobs that had failed because of a retried one wait again, and are counted beside the change's own."""
    parent = board.add(status="failed", has_dependents=True)
    child = board.add(status="failed", error_category="dependency_failed", on_dependency_failure="fail")
    board.sql(
        "INSERT INTO jobs.tb_job_dependency (job_id, depends_on, ended_as) VALUES (%s, %s, 'failed')", child, parent
    )
    said = board("retry", parent, "-o", "json")
    assert (said.data["brought_back"], said.data["counts"]["applied"]) == (1, 1)
    assert statuses(board) == {"pending": 2}


# ---- cancel --wait ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "code", "outcome"),
    [("cancelled", 0, "cancelled"), ("completed", 6, "ended_first"), ("failed", 6, "ended_first")],
)
def test_cancel_follows_what_it_asked_to_stop(board: Board, spawn: Spawn, end: str, code: int, outcome: str) -> None:
    """With --wait a running job is followed to its end, and one that ended otherwise was not stopped."""
    id_ = board.add(status="running")
    process = start(spawn, board, "cancel", id_, "--wait", "--yes", "-o", "json")
    asked = "SELECT 1 FROM jobs.tb_job_run WHERE cancel_requested_at IS NOT NULL"
    until(lambda: board.sql(asked), "it is asked to stop")
    board.sql("UPDATE jobs.tb_job_run SET status = %s, completed_at = now()", end)
    assert process.finish() == code, process.said()
    assert _results(process) == [{"id": id_, "outcome": outcome}]


def test_cancel_says_what_still_runs(board: Board) -> None:
    """When time is up and a job still runs, that is exit 8; the pending one beside it is cancelled all the same."""
    running, waiting = board.add(status="running"), board.add()
    said = board("cancel", running, waiting, "--wait=0s", "--yes", "-o", "json")
    assert (said.code, said.error["code"]) == (8, "E800")
    assert {each["id"]: each["outcome"] for each in said.data["results"]} == {
        running: "still_running",
        waiting: "cancelled",
    }


def test_without_a_wait_cancel_promises_nothing(board: Board) -> None:
    """A running job was asked, not stopped, and the answer says so in words."""
    id_ = board.add(status="running")
    said = board("cancel", id_, "--yes")
    assert said.out == f"requested  {id_}\nrequested: cancelled when its worker has stopped it; --wait follows it\n"


def _results(process: Started) -> Any:
    return Said(process.finish(), "".join(process.stdout), "").data["results"]


# ---- the ledger ------------------------------------------------------------------------------------------------------


def test_changes_list_says_who_what_and_why(board: Board) -> None:
    """Every change is listed, newest first, with actor, reason, selection and outcomes; pauses too; in every format."""
    assert board("changes", "list").err == "no changes match\n"
    fail_many(board, 3)
    assert board("retry", "--service", "pay", "--limit", "2", "--reason", "INC-1").code == 0
    assert board("pause", "--service", "pay", "--reason", "INC-2").code == 0
    pause, retry = board("changes", "list", "-o", "json").data
    assert (pause["kind"], pause["scope"], pause["counts"]) == ("pause", "service:pay", {})
    assert (retry["actor"], retry["reason"], retry["counts"]) == ("mo", "INC-1", {"retried": 2})
    assert (retry["state"], retry["selector"], retry["matched"]) == ("done", {"service": ["pay"], "limit": 2}, 2)
    text = board("changes", "list").out
    assert "retried 2" in text
    assert "service:pay" in text
    assert board("changes", "list", "-q").out == "2\n1\n"
    for format_ in ("jsonl", "tsv", "markdown"):
        assert "INC-2" in board("changes", "list", "-o", format_).out


def test_changes_list_selects(board: Board) -> None:
    """Kind, actor, time and whether it is done narrow the list; --limit says how many more there are."""
    for _ in range(3):
        board("retry", board.add(status="failed"))
    board("cancel", board.add())
    assert [each["id"] for each in board("changes", "list", "--kind", "cancel", "-o", "json").data] == [4]
    assert board("changes", "list", "--actor", "somebody", "-o", "json").data == []
    assert board("changes", "list", "--open", "-o", "json").data == []
    assert len(board("changes", "list", "--since", "1h", "-o", "json").data) == 4
    document = board("changes", "list", "--limit", "2", "-o", "json").document
    assert document["page"] == {"returned": 2, "limit": 2, "total": 4, "truncated": True}
    assert board("changes", "list", "--since", "nonsense", "-o", "json").code == 2


def test_changes_show_tells_all(board: Board) -> None:
    """One change is shown with its outcomes, its jobs and what these are now; text says it too."""
    fail_many(board, 25)
    board("retry", "-s", "failed", "--rate", "5/s", "--reason", "INC-9", "--yes")
    said = board("changes", "show", "1", "-o", "json").data
    assert (said["counts"], said["left"], said["jobs_now"]) == ({"retried": 25}, 0, {"pending": 25})
    assert said["due_until"] > said["created_at"]
    assert len(said["results"]) == 20
    text = board("changes", "show", "1").out
    for words in ("INC-9", "status=failed", "retried 25", "5/s", "pending 25", "and 5 more"):
        assert words in text


def test_a_silent_change_is_interrupted(board: Board) -> None:
    """A change that nobody has moved for 30 s is interrupted, and says how to go on."""
    fail_many(board, 2)
    board("retry", "-s", "failed", "--canary", "1", "--canary-timeout", "0s", "--yes")
    board.sql("UPDATE jobs.tb_change SET updated_at = now() - interval '31 seconds'")
    assert board("changes", "list", "-o", "json").data[0]["state"] == "interrupted"
    assert "specql-jobs changes resume 1    1 still to do" in board("changes", "show", "1").out


def test_older_entries_are_shown_too(board: Board) -> None:
    """A change made in one statement of SQL has its outcomes counted when it is looked at."""
    id_ = board.add(status="failed")
    board.sql("SELECT jobs.discard(%s, 'by hand')", id_)
    board.sql("SELECT jobs.retry(%s)", id_)
    retried, discarded = board("changes", "list", "-o", "json").data
    assert (retried["counts"], discarded["counts"]) == ({"retried": 1}, {"discarded": 1})
    assert board("changes", "show", "1", "-o", "json").data["results"] == [{"id": id_, "outcome": "discarded"}]
    assert board("changes", "resume", "1", "-o", "json").code == 0


@pytest.mark.parametrize("verb", ["show", "resume"])
def test_a_change_that_is_not_there(board: Board, verb: str) -> None:
    """An unknown number is exit 3, and what is no number exit 2."""
    assert board("changes", verb, "99", "-o", "json").error["code"] == "E340"
    assert board("changes", verb, "99", "-o", "json").code == 3
    assert board("changes", verb, "x", "-o", "json").code == 2


def test_a_rehearsal_ends_with_the_line_to_type(board: Board) -> None:
    """The last line of --dry-run, pasted as it stands, makes the change that was shown."""
    fail_many(board, 3)
    line = board("retry", "-s", "failed", "--reason", "INC 4's end", "-n").out.splitlines()[-1]
    program, *words = shlex.split(line)
    said = board(*words)
    assert (program, said.code, statuses(board)) == ("specql-jobs", 0, {"pending": 3})


@pytest.mark.parametrize("ended", ["\x03", signal.SIGTERM])
def test_the_question_can_be_left(board: Board, ended: str | signal.Signals) -> None:
    """Ctrl-C and SIGTERM at the question end the command at once, with their own codes, and nothing is changed."""
    fail_many(board, 12)
    with at_terminal(str(COMMAND), "retry", "-s", "failed", env={"SPECQL_JOBS_DSN": board.dsn}) as terminal:
        terminal.wait_for("y/N")
        terminal.type(ended) if isinstance(ended, str) else terminal.send(ended)
        assert terminal.finish() == (130 if isinstance(ended, str) else 143)
    assert statuses(board) == {"failed": 12}


def test_a_retry_that_takes_discarded_jobs_says_so(board: Board) -> None:
    """What somebody gave up comes back only with open eyes: the rehearsal counts it and says how to leave it out."""
    fail_many(board, 3)
    board.add(status="cancelled")
    assert "1 were cancelled or discarded: --status failed leaves them out" in board("retry", "--all", "-n").out
    assert "discarded" not in board("retry", "-s", "failed", "-n").out
