"""`errors`: failures in groups, beside the window before."""

from __future__ import annotations

import pytest
from support.board import Board


def fail(board: Board, message: str, ago: str = "1 minute", status: str = "failed", **columns: str) -> str:
    """Add a job with one failed attempt so long ago; return its id."""
    mark = columns.pop("fingerprint", "f" + message.rpartition(" ")[2])
    error = {"error_category": "target_unavailable", "error_message": message, "fingerprint": mark}
    ended = {} if status == "pending" else {"completed_at": board.sql("SELECT now() - %s::interval", ago)[0][0]}
    id_ = board.add("pay", "charge", status, **error, **ended, **columns)
    attempt(board, id_, message, mark, ago)
    return id_


def attempt(board: Board, id_: str, message: str, mark: str, ago: str, *, lease: int = 1) -> None:
    """Add a failed attempt to a job."""
    board.sql(
        "INSERT INTO jobs.tb_job_attempt (job_id, lease_seq, attempt, worker_id, ended_at, error_category,"
        " error_message, fingerprint, resource_usage)"
        " VALUES (%s, %s, 1, 'w1', now() - %s::interval, 'target_unavailable', %s, %s, '{\"status_code\": 503}')",
        id_, lease, ago, message, mark,
    )  # fmt: skip


def test_failures_that_read_alike_are_one_group(board: Board) -> None:
    """A group has its failures, its jobs that are failed and retrying, places, the template, the newest example."""
    fail(board, "order 17 answered status 503", "9 minutes")
    newest = fail(board, "order 18 answered status 503", "2 minutes")
    fail(board, "order 19 answered status 503", "3 minutes", status="pending")
    fail(board, "no such host x1")
    big, small = board("errors", "-o", "json").data
    assert (big["fingerprint"], small["fingerprint"]) == ("f503", "fx1")
    assert big["count"] == {"failures": 3, "jobs": 3, "failed": 2, "retrying": 1}
    assert (big["services"], big["operations"]) == (["pay"], ["pay.charge"])
    assert (big["message"], big["message_template"]) == (
        "order 18 answered status 503",
        "order <n> answered status <n>",
    )
    assert (big["category"], big["status_code"], big["exit_code"]) == ("target_unavailable", 503, None)
    assert big["sample_job_id"] == newest
    assert big["first_at"] < big["last_at"]
    assert big["next"][1] == "specql-jobs retry --status failed --fingerprint f503 --dry-run"
    assert board(*big["next"][1].split()[1:]).out.startswith("match   2 jobs to retry")


@pytest.mark.parametrize(
    ("before", "change", "ratio"), [(0, "new", None), (1, "up", 2), (2, "same", 1), (4, "down", 0.5)]
)
def test_the_window_before(board: Board, before: int, change: str, ratio: float | None) -> None:
    """Two failures of this hour are held against those of the hour before; older ones and other groups' are not."""
    for _ in range(2):
        fail(board, "late x")
    for _ in range(before):
        fail(board, "late x", "90 minutes")
    fail(board, "late x", "3 hours")
    fail(board, "other y", "90 minutes")
    (found,) = board("errors", "-o", "json").data
    assert found["count"]["failures"] == 2
    compared = found["compare"]
    assert (compared["previous_count"], compared["ratio"], compared["change"]) == (before, ratio, change)


def test_attempts_count_whatever_became_of_the_job(board: Board) -> None:
    """A job that failed, was retried and completed has failed all the same; selectors ask how the failure was."""
    id_ = board.add("mail", "send", "completed")
    attempt(board, id_, "late x", "fx", "5 minutes")
    attempt(board, id_, "lost y", "fy", "4 minutes", lease=2)
    assert [each["fingerprint"] for each in board("errors", "-o", "json").data] == ["fy", "fx"]
    (found,) = board("errors", "--fingerprint", "fx", "-o", "json").data
    assert found["count"] == {"failures": 1, "jobs": 1, "failed": 0, "retrying": 0}
    assert found["next"][0] == f"specql-jobs show {id_}"
    assert board("errors", "-e", "LOST", "-q").out == "fy\n"
    assert board("errors", "--service", "pay", "-o", "json").data == []


def test_a_failure_without_attempt_counts(board: Board) -> None:
    """A job that another program failed, or that fell with another job, is there once, whatever its fingerprint."""
    board.add("old", "call", "failed", error_category="target_error", error_message="it said no")
    board.add("new", "call", "failed", error_category="dependency_failed", fingerprint="dependency_failed")
    found = {each["fingerprint"]: each for each in board("errors", "-o", "json").data}
    assert set(found) == {None, "dependency_failed"}
    assert found[None]["message"] == "it said no"
    assert found[None]["next"][1] == "specql-jobs list --status failed --operation old.call"


def test_for_people(board: Board) -> None:
    """A line for each group, the sums and the next command beside it; -q has fingerprints; tsv a header."""
    assert board("errors").err.startswith("nothing failed since")
    id_ = fail(board, "\x1b[31mlate x")
    said = board("errors")
    assert said.out.splitlines()[0].split()[:3] == ["GROUP", "FAILURES", "FAILED"]
    assert "\\x1b[<n>mlate x [status 503]" in said.out
    assert "new" in said.out
    assert said.err.startswith("1 failure, 1 job failed, 0 retrying, in 1 group since")
    assert f"specql-jobs show {id_}" in said.err
    assert board("errors", "-q").out == "fx\n"
    assert board("errors", "-o", "tsv").out.startswith("fingerprint\t")


def test_groups_by_other_fields(board: Board) -> None:
    """`errors --group-by` counts failures by any field, as the document `count`."""
    fail(board, "late x")
    fail(board, "late x", "5 minutes")
    found = board("errors", "--group-by", "worker,category", "-o", "json").document
    assert found["schema"] == "specql-jobs.count/v1"
    assert found["data"]["groups"] == [{"worker": "w1", "category": "target_unavailable", "count": 2}]
