"""`show`: why, timeline, what to type next."""

from __future__ import annotations

import pytest
from support.board import TENANT, Board

UNKNOWN = "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"


def _worker(board: Board, services: list[str] | None = None) -> None:
    board.sql(
        "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, services)"
        " VALUES ('w1', 'h', 1, '0', 1, 1, %s)",
        services,
    )


@pytest.mark.parametrize(
    ("status", "columns", "code", "words"),
    [
        ("pending", {}, "no_worker", "no live worker serves pay"),
        ("pending", {"run_at": "2999-01-01"}, "scheduled", "due in"),
        (
            "pending",
            {"run_at": "2999-01-01", "error_category": "timeout", "error_message": "late", "attempts": 1},
            "retrying",
            "attempt 2 in",
        ),
        ("running", {"max_attempts": 3}, "running", "attempt 1/3 on w1"),
        ("running", {"cancel_requested_at": "now"}, "cancelling", "asked to stop"),
        ("completed", {}, "completed", "succeeded on attempt 1"),
        (
            "failed",
            {"attempts": 3, "max_attempts": 3, "error_category": "timeout", "error_message": "late"},
            "attempts_exhausted",
            "attempts exhausted (3/3); last: timeout: late",
        ),
        ("failed", {"error_category": "policy_violation", "error_message": "refused: x"}, "refused", "refused: x"),
        ("failed", {"error_category": "target_error", "max_attempts": 3}, "not_retryable", "is not retried"),
        ("cancelled", {}, "cancelled", "cancelled"),
    ],
)
def test_why(board: Board, status: str, columns: dict[str, object], code: str, words: str) -> None:
    """Each state is explained by one code and one sentence."""
    said = board("show", board.add(status=status, **columns), "-o", "json")
    assert said.data[0]["why"]["code"] == code
    assert words in said.data[0]["why"]["message"]


def test_ready_when_a_worker_serves_it(board: Board) -> None:
    """A due job is ready only if a live worker serves its service."""
    id_ = board.add()
    _worker(board, ["mail"])
    assert board("show", id_, "-o", "json").data[0]["why"]["code"] == "no_worker"
    board.sql("UPDATE jobs.tb_worker SET services = NULL")
    assert board("show", id_, "-o", "json").data[0]["why"]["code"] == "ready"
    board.sql("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '1 minute'")
    assert board("show", id_, "-o", "json").data[0]["why"]["code"] == "no_worker"


@pytest.mark.parametrize(
    ("scope", "flags"),
    [
        ("'pay'", "--service pay"),
        ("operation => 'pay.ok'", "--operation pay.ok"),
        ("everything => true", "--all"),
        ("tenant_id => '6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11'", "--tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11"),
    ],
)
def test_a_paused_job_names_the_way_on(board: Board, scope: str, flags: str) -> None:
    """What to type next of a paused job is the resume of that very pause, and it ends it."""
    id_ = board.add(tenant_id=TENANT)
    _worker(board)
    board.sql(f"SELECT jobs.pause({scope})")
    (job,) = board("show", id_, "-o", "json").data
    assert job["next"][0] == f"specql-jobs resume {flags}"
    assert board(*job["next"][0].split()[1:]).code == 0
    assert board("show", id_, "-o", "json").data[0]["why"]["code"] == "ready"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("SELECT jobs.pause('Pay', reason => 'INC-7', actor => 'mo')", "paused", "service pay was paused by mo: INC-7"),
        ("SELECT jobs.pause(everything => true, duration => '1 h')", "paused", "everything was paused by"),
        (
            "INSERT INTO jobs.tb_service_state (service_name, failures, open_until) VALUES ('pay', 5, now() + '1 h')",
            "breaker_open",
            "pay failed 5 times in a row; tried again in",
        ),
        (
            "INSERT INTO jobs.tb_service_state (service_name, limited_until) VALUES ('pay', now() + '1 h')",
            "limited",
            "pay has reached its hourly limit; looked at again in",
        ),
        (
            (
                "INSERT INTO jobs.tb_service_state (service_name, limited_by, limited_at)"
                " VALUES ('pay', 'max_concurrency 5', now() + '1 h')"
            ),
            "limited",
            "pay has reached max_concurrency 5, over all workers",
        ),
    ],
)
def test_why_a_due_job_is_kept_back(board: Board, change: str, code: str, words: str) -> None:
    """A pause, an open breaker and a reached limit are named, with who or until when."""
    id_ = board.add()
    _worker(board)
    board.sql(change)
    why = board("show", id_, "-o", "json").data[0]["why"]
    assert why["code"] == code
    assert words in why["message"]


def test_everything_about_a_failed_job(board: Board) -> None:
    """Attempts, changes, captured output, input, usage and the next command are all there."""
    id_ = board.add(
        status="failed",
        attempts=2,
        max_attempts=2,
        error_category="target_error",
        error_message="HTTP status 402",
        fingerprint="abc123",
        input_data={"amount": 12, "card_token": "tok_visible"},
        output_data='{"body": "no"}',
        resource_usage='{"status_code": 402}',
        idempotency_key="order-1",
        correlation_id="trace-1",
    )
    board.sql(
        "INSERT INTO jobs.tb_job_attempt (job_id, lease_seq, attempt, worker_id, started_at, error_category,"
        " error_message) VALUES (%s, 1, 1, 'w1', now(), 'timeout', 'late')",
        id_,
    )
    board.sql(
        "INSERT INTO jobs.tb_job_log (job_id, lease_seq, chunk, stream, content) VALUES (%s, 1, 0, 'stderr', %s)",
        id_,
        "line one\nline \x1b[2Jtwo\n",
    )
    job = board("show", id_, "-o", "json").data[0]
    assert job["failed_attempts"][0]["error_category"] == "timeout"
    assert job["logs"][0]["content"].startswith("line one")
    assert job["input"] == {"amount": 12, "card_token": "tok_visible"}
    assert job["output"] == {"body": "no"}
    assert job["resource_usage"] == {"status_code": 402}
    assert job["next"][0] == f"specql-jobs retry {id_}"
    text = board("show", id_).out
    assert "  why       attempts exhausted (2/2); last: target_error: HTTP status 402" in text
    assert "stderr| line \\x1b[2Jtwo" in text
    assert "tok_visible" not in text
    assert f"specql-jobs retry {id_}" in text
    assert text.splitlines()[0].split() == [id_, "failed", "pay.ok"]


def test_cancelled_says_who_and_why(board: Board) -> None:
    """A cancelled job names the person and the reason."""
    id_ = board.add()
    assert board("cancel", id_, "--reason", "wrong customer").code == 0
    job = board("show", id_, "-o", "json").data[0]
    assert job["why"] == {"code": "cancelled", "message": "cancelled by mo: wrong customer"}
    assert job["changes"][0]["actor"] == "mo"


def test_unknown_and_malformed_ids(board: Board) -> None:
    """An unknown id is exit 3; one that is no id at all is exit 2."""
    known = board.add()
    assert board("show", UNKNOWN, "-o", "json").error["code"] == "E301"
    assert board("show", known, UNKNOWN, "-o", "json").code == 3
    assert board("show", "zzz", "-o", "json").error["code"] == "E201"
    assert board("show", "-o", "json").code == 2


def test_prefix_and_stdin(board: Board) -> None:
    """A unique beginning of an id is enough; ids and JSON lines are read from stdin."""
    id_ = board.add()
    assert board("show", id_[:23], "-o", "json").data[0]["id"] == id_
    lines = board("list", "-o", "jsonl").out
    assert board("show", "-", "-o", "json", stdin=lines).data[0]["id"] == id_
    assert board("show", "-", "-o", "json", stdin=f" {id_}\n{id_} \n").data[0]["id"] == id_
    assert board("show", "-", "-o", "json", stdin='{"no": 1}\n').code == 2


def test_a_silent_worker_is_told(board: Board) -> None:
    """A running job whose worker has gone quiet says so, and what takes the job back."""
    id_ = board.add(status="running", resource_usage='{"exit_code": null, "memory_mb": 1.5}')
    _worker(board)
    assert board("show", id_, "-o", "json").data[0]["why"]["code"] == "running"
    board.sql("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '1 minute'")
    (job,) = board("show", id_, "-o", "json").data
    assert job["why"]["code"] == "worker_silent"
    assert "no worker is alive" in job["why"]["message"]
    assert job["next"][:2] == ["specql-jobs rescue --dry-run", "specql-jobs worker --registry FILE"]
    said = board("show", id_)
    assert "memory_mb 1.5" in said.out
    assert "None" not in said.out


def test_a_job_asked_to_stop_is_not_cancelled_twice(board: Board) -> None:
    """What to type next for a running job is cancel, until that was typed."""
    id_ = board.add(status="running")
    assert board("show", id_, "-o", "json").data[0]["next"] == [f"specql-jobs cancel {id_}"]
    board.sql("UPDATE jobs.tb_job_run SET cancel_requested_at = now()")
    assert board("show", id_, "-o", "json").data[0]["next"] == []


# ---- dependencies and deadline ---------------------------------------------------------------------------------------


def _waiting(board: Board, *on: str, choice: str = "fail") -> str:
    sql = "SELECT jobs.enqueue('pay', 'ok', depends_on => %s::uuid[], on_dependency_failure => %s, deadline => '2 h')"
    ((made,),) = board.sql(sql, list(on), choice)
    return str(made)


def test_a_blocked_job_says_what_it_waits_for(board: Board) -> None:
    """The why names the open dependencies, the document lists both sides, and the page has the deadline."""
    first, second = board.add(), board.add()
    child = _waiting(board, first, second)
    shown = board("show", child, "-o", "json").data[0]
    assert shown["why"]["code"] == "blocked"
    assert shown["why"]["message"].startswith("waits for 2 jobs: ")
    assert first in shown["why"]["message"]
    assert shown["blocked_by"] == 2
    assert {each["id"] for each in shown["depends_on"]} == {first, second}
    assert board("show", first, "-o", "json").data[0]["dependents"] == [
        {"id": child, "status": "pending", "service": "pay", "operation": "ok"}
    ]
    page = board("show", child).out
    assert "deadline" in page
    assert f"{second}  pending    pay.ok" in page


@pytest.mark.parametrize(("choice", "status"), [("fail", "failed"), ("skip", "cancelled")])
def test_a_job_that_ended_with_its_dependency_says_so_and_points_at_it(board: Board, choice: str, status: str) -> None:
    """The why has the dependency's id, and the command to type retries that one."""
    parent = board.add()
    child = _waiting(board, parent, choice=choice)
    board("cancel", parent)
    shown = board("show", child, "-o", "json").data[0]
    assert (shown["status"], shown["why"]["code"]) == (status, "dependency_failed")
    assert f"dependency {parent} (pay.ok) was cancelled" in shown["why"]["message"]
    assert shown["next"][0] == f"specql-jobs retry {parent}"


def test_a_retry_of_what_waited_alone_is_a_conflict_that_names_the_reason(board: Board) -> None:
    """Exit 6 while the dependency is cancelled; its own retry brings both back."""
    parent = board.add()
    child = _waiting(board, parent)
    board("cancel", parent)
    refused = board("retry", child, "-o", "json")
    assert (refused.code, refused.data["results"][0]["outcome"]) == (6, "dependency_failed")
    assert board("retry", parent).code == 0
    assert (board.status(parent), board.status(child)) == ("pending", "pending")


@pytest.mark.parametrize(
    ("category", "lines"),
    [
        ("crash_loop", ["list --category crash_loop --service pay", "pause --service pay --for 30m"]),
        ("target_unavailable", ["breaker list", "stats --service pay"]),
        ("worker_lost", ["worker list --all"]),
        ("policy_violation", ["policy explain pay.ok"]),
        ("invalid_input", ["replay {id} --dry-run"]),
        ("target_error", []),
        ("of an older version", []),
    ],
)
def test_a_failed_job_says_where_to_look(board: Board, category: str, lines: list[str]) -> None:
    """What tells more about such a failure comes first, then the retry, and last the category's page."""
    id_ = board.add(status="failed", error_category=category)
    (job,) = board("show", id_, "-o", "json").data
    explained = [f"specql-jobs explain {category}"] if "_" in category else []
    looks = [f"specql-jobs {line.format(id=id_)}" for line in lines]
    assert job["next"] == [*looks, f"specql-jobs retry {id_}", *explained]
    assert all(
        board(*line.split()[1:]).code == 0 for line in looks[:2] if "policy" not in line and "replay" not in line
    )


def test_a_retrying_job_says_where_to_look(board: Board) -> None:
    """A job that waits for its next attempt names what tells of its last error, too."""
    id_ = board.add(run_at="2999-01-01", error_category="target_unavailable", attempts=1)
    _worker(board)
    found = board("show", id_, "-o", "json").data[0]["next"]
    assert found == ["specql-jobs breaker list", "specql-jobs stats --service pay", f"specql-jobs cancel {id_}"]


def test_a_starving_job_says_how_many_go_first(board: Board) -> None:
    """A ready job counts the due jobs of higher priority, up to a bound; later, blocked and lower ones do not count."""
    _worker(board)
    id_ = board.add(priority=1)
    board.add(priority=9, run_at="2999-01-01")
    board.add(priority=9, blocked_by=1)
    board.add(priority=1)
    assert "priority" not in board("show", id_, "-o", "json").data[0]["why"]["message"]
    board.add(priority=2)
    why = board("show", id_, "-o", "json").data[0]["why"]
    assert why["code"] == "ready"
    assert why["message"].endswith("waiting for a free worker; 1 due job has a higher priority and goes first")
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, priority)"
        " SELECT 'pay', 'ok', 5 FROM generate_series(1, 1239)"
    )
    assert "; 1,240 due jobs have a higher priority" in board("show", id_, "-o", "json").data[0]["why"]["message"]
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, priority)"
        " SELECT 'pay', 'ok', 99 FROM generate_series(1, 10000)"
    )
    assert "; 10,000 or more due jobs have" in board("show", id_, "-o", "json").data[0]["why"]["message"]
