"""The SQL behind the generated hooks: what each function answers, changes and refuses, whoever asks it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from support.board import TENANT, Board
from support.registries import good, read

from specql_jobs.core.job import EXECUTION_TYPE_ALIASES
from specql_jobs.core.specql.frontend.generate import generate

SQL = next(
    each.text
    for each in generate(good(read("services: {pay: {category: c, operations: {ok: {input_schema: {}}}}}")))
    if each.path.endswith(".sql")
)


STATE = "INSERT INTO jobs.tb_service_state (service_name, {}) VALUES ('pay', now() + interval '1 hour')"
WORKER = """INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency)
            VALUES ('w', 'h', 1, '0', 1, 1)"""
SPELLINGS = {**EXECUTION_TYPE_ALIASES, "HTTP": "http", "LAMBDA": "serverless"}


@pytest.fixture
def board(dsn: str) -> Board:
    """A migrated database with the generated SQL in it."""
    made = Board(dsn)
    apply(made)
    return made


def apply(board: Board) -> None:
    """Apply the generated file, as psql would."""
    with psycopg.connect(board.dsn, autocommit=True) as connection:
        connection.execute(SQL.encode())


def ask(board: Board, call: str, *values: Any) -> Any:
    """Return what a function of jobs_graphql answers, as JSON."""
    ((found,),) = board.sql(f"SELECT to_jsonb(jobs_graphql.{call})", *values)
    return found


def test_it_may_be_applied_again(board: Board) -> None:
    """The file makes its schema anew, over jobs that are there."""
    id_ = board.add()
    apply(board)
    assert ask(board, "job(%s)", id_)["status"] == "pending"


@pytest.mark.parametrize(
    ("columns", "also", "reason"),
    [
        ({}, "", "no_worker"),
        ({"run_at": "tomorrow"}, "", "scheduled"),
        ({"run_at": "tomorrow", "error_category": "timeout"}, "", "retrying"),
        ({"blocked_by": 1}, "", "blocked"),
        ({}, "SELECT jobs.pause(service => 'pay')", "paused"),
        ({}, STATE.format("open_until"), "breaker_open"),
        ({}, STATE.format("limited_until"), "limited"),
        ({}, WORKER, "ready"),
    ],
)
def test_a_pending_job_says_why_it_waits(board: Board, columns: dict[str, Any], also: str, reason: str) -> None:
    """waiting_reason is the word that `show` has for the same job."""
    id_ = board.add(**columns)
    if also:
        board.sql(also)
    assert ask(board, "job(%s)", id_)["waiting_reason"] == reason
    ((shown,),) = [(each["why"]["code"],) for each in board("show", id_, "-o", "json").data]
    assert shown == reason


def test_other_jobs_wait_for_nothing(board: Board) -> None:
    """A job that runs or has ended has no waiting_reason, and an unknown id is no job."""
    for status in ("running", "completed", "failed", "cancelled"):
        assert ask(board, "job(%s)", board.add(status=status))["waiting_reason"] is None
    assert ask(board, "job(%s)", uuid4()) is None


def test_execution_types_have_one_spelling(board: Board) -> None:
    """Whatever word a row has for its execution type, front ends read one of four, and find it by that."""
    made = {board.add(execution_type=stored): shown for stored, shown in SPELLINGS.items()}
    assert {each["id"]: each["execution_type"] for each in ask(board, "jobs()")["jobs"]} == made
    functions = [each for each in made.values() if each == "serverless"]
    assert ask(board, "jobs_by_execution_type('serverless')")["total_count"] == len(functions)


def test_jobs_are_found_by_identifier_and_followed_by_id(board: Board) -> None:
    """An identifier finds its job with its documents, and standings come for the ids that are known."""
    id_ = board.add(identifier="order-7", input_data={"n": 1})
    found = ask(board, "job_by_identifier('order-7')")
    assert (found["id"], found["input_data"]) == (id_, {"n": 1})
    (standing,) = ask(board, "job_status_updates(%s)", [id_, str(uuid4())])
    assert (standing["job_id"], standing["new_status"]) == (id_, "pending")


def test_pages_go_through_all_jobs_newest_first(board: Board) -> None:
    """limit and offset cut pages of the same list, which say whether there is more, and have no documents."""
    made = [board.add() for _ in range(5)]
    pages = [ask(board, 'jobs("limit" => 2, "offset" => %s)', start) for start in (0, 2, 4)]
    assert [each["id"] for page in pages for each in page["jobs"]] == sorted(made, reverse=True)
    assert [(page["has_previous_page"], page["has_next_page"]) for page in pages] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert {page["total_count"] for page in pages} == {5}
    assert "input_data" not in pages[0]["jobs"][0]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("status => ARRAY['failed', 'completed']", 1),
        ("service_name => 'PAY'", 2),
        ("operation => 'ok', service_name => 'mail'", 0),
        (f"tenant_id => '{TENANT}'", 1),
        ("correlation_id => 'c1'", 1),
        ("entity_type => 'order', entity_pk => '7'", 1),
        ("created_after => now() - interval '1 hour'", 3),
        ("created_before => now() - interval '1 hour'", 0),
        ("status => '{}'", 0),
    ],
)
def test_conditions_choose_jobs(board: Board, condition: str, found: int) -> None:
    """Each condition leaves the jobs that it says, names in any case."""
    board.add(status="failed", tenant_id=TENANT, correlation_id="c1")
    board.add(service="Pay", entity_type="Order", entity_pk="7")
    board.add(service="mail", operation="send")
    assert ask(board, f"jobs({condition})")["total_count"] == found


def test_pending_jobs_come_as_workers_take_them(board: Board) -> None:
    """The higher priority is first, then what has been due for longer; what is not pending is not there."""
    late, early, urgent = board.add(), board.add(run_at="yesterday"), board.add(priority=5)
    board.add(status="completed")
    assert [each["id"] for each in ask(board, "pending_jobs()")] == [urgent, early, late]
    assert len(ask(board, "pending_jobs(1)")) == 1


def test_creating_is_enqueueing(board: Board) -> None:
    """create_job takes what jobs.enqueue takes, refuses what it refuses, and leaves nothing after a rollback."""
    first = ask(board, "create_job('pay', 'ok', '{\"n\": 1}', idempotency_key => 'k', priority => 3)")
    again = ask(board, "create_job('pay', 'ok', idempotency_key => 'k')")
    assert [first["outcome"], again["outcome"], again["success"]] == ["created", "duplicate", True]
    assert first["job"]["id"] == again["job"]["id"]
    assert (first["job"]["input_data"], first["job"]["priority"]) == ({"n": 1}, 3)
    for call in ("create_job('', 'ok')", "create_job('pay', 'ok', '[]')", "create_job(NULL, NULL)"):
        with pytest.raises(psycopg.DataError):
            ask(board, call)
    with psycopg.connect(board.dsn) as connection:
        connection.execute("SELECT jobs_graphql.create_job('pay', 'ok'), jobs_graphql.create_job('pay', 'ok')")
        connection.rollback()
    assert ask(board, "jobs()")["total_count"] == 1


def test_only_a_pending_job_may_be_updated(board: Board) -> None:
    """Priority and due time change while it waits, recorded in the ledger; a job that runs or ended is left alone."""
    id_ = board.add(run_at="yesterday")
    changed = ask(board, "update_job(%s, 7, reason => 'urgent')", id_)
    assert (changed["outcome"], changed["job"]["priority"]) == ("updated", 7)
    (entry,) = board("changes", "list", "-o", "json").data
    assert (entry["kind"], entry["reason"]) == ("update", "urgent")
    assert ask(board, "update_job(%s, run_at => 'tomorrow')", id_)["job"]["waiting_reason"] == "scheduled"
    assert ask(board, "update_job(%s)", id_)["outcome"] == "unchanged"
    assert ask(board, "update_job(%s, 1)", uuid4())["outcome"] == "not_found"
    for status in ("running", "completed", "failed", "cancelled"):
        refused = ask(board, "update_job(%s, 7)", board.add(status=status))
        assert (refused["success"], refused["outcome"]) == (False, f"already_{status}")
        assert refused["job"]["priority"] == 0


def test_an_updated_job_is_where_workers_look(board: Board) -> None:
    """A new due time in the past becomes now: workers do not look behind the place that they have reached."""
    id_ = board.add(run_at="tomorrow")
    ask(board, "update_job(%s, run_at => 'yesterday')", id_)
    assert board.sql("SELECT run_at > now() - interval '1 minute' FROM jobs.tb_job_run") == [(True,)]


def test_cancelling_and_retrying_are_the_queues_own(board: Board) -> None:
    """cancel_job and retry_job answer with the words of jobs.cancel and jobs.retry, and with the job as it is then."""
    id_, running = board.add(), board.add(status="running")
    cancelled = ask(board, "cancel_job(%s, 'no')", id_)
    assert (cancelled["outcome"], cancelled["job"]["status"]) == ("cancelled", "cancelled")
    assert ask(board, "cancel_job(%s)", id_) | {"job": None} == {
        "success": False,
        "outcome": "already_cancelled",
        "job": None,
    }
    assert ask(board, "cancel_job(%s)", running)["outcome"] == "requested"
    retried = ask(board, "retry_job(%s)", id_)
    assert (retried["outcome"], retried["job"]["status"]) == ("retried", "pending")
    assert ask(board, "retry_job(%s)", uuid4()) == {"success": False, "outcome": "not_found", "job": None}


def test_numbers_are_of_open_jobs_and_of_the_window(board: Board) -> None:
    """Statistics count what is open, and what ended since a given time, of one tenant if asked."""
    board.add(created_at="2020-01-01")
    board.add(status="running", tenant_id=TENANT)
    usage = json.dumps({"duration_seconds": 2.0, "memory_mb": 10})
    board.add(status="completed", execution_type="http", resource_usage=usage, tenant_id=TENANT)
    board.add(status="failed", execution_type="http", error_category="timeout")
    board.add(status="completed", completed_at="2020-01-02")
    numbers = ask(board, "job_statistics()")
    words = ("total", "pending", "running", "completed", "failed")
    assert [numbers[f"{each}_jobs"] for each in words] == [4, 1, 1, 1, 1]
    assert (numbers["average_duration_seconds"], numbers["success_rate_percent"]) == (2.0, 50.0)
    assert ask(board, "job_statistics(since => '2019-01-01')")["completed_jobs"] == 2
    assert ask(board, f"job_statistics('{TENANT}')")["total_jobs"] == 2
    (http,) = [each for each in ask(board, "execution_type_breakdown()") if each["execution_type"] == "http"]
    assert (http["total_jobs"], http["failed_jobs"], http["average_resource_usage"]["memory_mb"]) == (2, 1, 10)


def test_the_dashboard_has_all_of_it(board: Board) -> None:
    """One call brings statistics, breakdown, the latest jobs, and what each operation takes, uses and fails with."""
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at, resource_usage) "
        "SELECT 'pay', 'ok', 'completed', now(), jsonb_build_object('duration_seconds', n, 'peak_memory_mb', n) "
        "FROM generate_series(1, 100) AS n"
    )
    board.add(status="failed", error_category="timeout", attempts=3)
    found = ask(board, 'job_monitoring_dashboard("limit" => 3)')
    assert found["statistics"]["total_jobs"] == 101
    assert len(found["recent_jobs"]) == 3
    (speed,) = found["performance_metrics"]
    assert (speed["p95_duration_sec"], speed["total_jobs"]) == (pytest.approx(95, abs=1), 101)
    (pattern,) = found["failure_patterns"]
    assert (pattern["error_types"], pattern["avg_attempts_before_failure"]) == (["timeout"], 3)
    assert found["resource_usage"][0]["max_memory_mb"] == 100


def test_an_empty_queue_has_numbers_too(board: Board) -> None:
    """Nothing is null that the schema says is never null when there are no jobs."""
    assert ask(board, "job_statistics()")["total_jobs"] == 0
    assert ask(board, "job_monitoring_dashboard()")["performance_metrics"] == []
    assert ask(board, "jobs()") == {"jobs": [], "total_count": 0, "has_next_page": False, "has_previous_page": False}
    for call in ("pending_jobs()", "job_status_updates('{}')", "job_execution_events()", "execution_type_breakdown()"):
        assert ask(board, call) == []


def test_it_gives_no_rights(board: Board) -> None:
    """A role without rights to the queue gets none by these functions, though it may call them."""
    name = f"sqj_{uuid4().hex[:8]}"
    board.add()
    with psycopg.connect(board.dsn) as connection:
        for statement in (f"CREATE ROLE {name}", f"GRANT USAGE ON SCHEMA jobs_graphql TO {name}", f"SET ROLE {name}"):
            connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT jobs_graphql.jobs()")
        connection.rollback()
