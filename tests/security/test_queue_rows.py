"""A malicious tenant: rows of any content, put straight into the table, before a real worker and the real command line.

The database refuses rows that a statement over many rows cannot carry; every other row ends as its own job's failure.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.board import Board
from support.cli import answering
from support.queue import queue

from specql_jobs.core.store import db, migrate

REGISTRY: Final = """
services:
  web:
    execution_type: http
    runner_config: {{base_url: "{url}"}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true, max_execution_time: 30}}
    operations:
      ok: {{input_schema: {{type: object}}, request: {{method: POST, path: /ok, body: json}}}}
      no: {{input_schema: {{type: object}}, request: {{method: POST, path: /no, body: json}}}}
      any: {{input_schema: {{type: object}}}}
  far:
    execution_type: http
    runner_config: {{base_url: "{url}"}}
    security_policy: {{allowed_domains: ["far.example"]}}
    operations: {{go: {{input_schema: {{type: object}}}}}}
"""

#: Printed by Postgres it has a gigabyte; stored it has some kilobytes.
UNPRINTABLE: Final = "(SELECT jsonb_build_object('n', jsonb_agg('1e131071'::jsonb)) FROM generate_series(1, 9000))"
DEEP: Final = "(repeat('[', 3000) || repeat(']', 3000))::jsonb"


@pytest.fixture
def board(dsn: str) -> Board:
    """A migrated database without jobs."""
    return Board(dsn)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Path]:
    """The worker's registry, with a live target behind it."""
    with answering() as url:
        path = tmp_path / "services.yaml"
        path.write_text(REGISTRY.format(url=url))
        yield path


def insert(board: Board, **columns: str) -> str:
    """Insert one row as a tenant would, its columns given as SQL; return its id."""
    filled = {"service_name": "'web'", "operation": "'ok'", **columns}
    statement = f"INSERT INTO jobs.tb_job_run ({', '.join(filled)}) VALUES ({', '.join(filled.values())}) RETURNING id"
    ((made,),) = board.sql(statement)
    return str(made)


def work(board: Board, registry: Path, *more: str) -> None:
    """Run a worker until the queue is empty; it must end well."""
    said = board("worker", "--registry", str(registry), "--until-empty", *more)
    assert said.code == 0, said.err


def job(board: Board, id_: str) -> tuple[Any, ...]:
    """Return status, category and message of one row."""
    (found,) = board.sql("SELECT status, error_category, error_message FROM jobs.tb_job_run WHERE id = %s", id_)
    return found


# ---- rows that the database refuses ----------------------------------------------------------------------------------

RUNNING: Final = {"status": "'running'", "worker_id": "'ghost'", "started_at": "now()"}


@pytest.mark.parametrize(
    ("rule", "columns"),
    [
        ("tg_numbers_in_bounds", {"lease_seq": "9223372036854775807"}),
        ("tg_numbers_in_bounds", {"attempts": "2147483647"}),
        ("tg_numbers_in_bounds", {"max_attempts": "2147483647"}),
        ("tg_numbers_in_bounds", {"timeout_seconds": "0"}),
        ("tg_numbers_in_bounds", {"timeout_seconds": "-5"}),
        ("tg_numbers_in_bounds", {**RUNNING, "crash_count": "2147483647"}),
        ("tg_numbers_in_bounds", {**RUNNING, "lease_seq": "9223372036854775807"}),
        ("tg_numbers_in_bounds", {**RUNNING, "priority": "-2147483648"}),
        ("tg_numbers_in_bounds", {"status": "'failed'", "completed_at": "now()", "priority": "-2147483648"}),
        ("tg_times_in_bounds", {"run_at": "'-infinity'"}),
        ("tg_times_in_bounds", {"run_at": "'infinity'"}),
        ("tg_times_in_bounds", {"run_at": "'4000-01-01 BC'"}),
        ("tg_times_in_bounds", {"run_at": "'200000-01-01'"}),
        ("tg_times_in_bounds", {"created_at": "'infinity'"}),
        ("tg_times_in_bounds", {"updated_at": "'-infinity'"}),
        ("tg_times_in_bounds", {**RUNNING, "started_at": "'4000-01-01 BC'"}),
        ("tg_times_in_bounds", {"status": "'completed'", "completed_at": "'infinity'"}),
        ("tg_times_in_bounds", {"cancel_requested_at": "'infinity'"}),
        ("tg_texts_in_bounds", {"service_name": "repeat('x', 401)"}),
        ("tg_texts_in_bounds", {"operation": "repeat('x', 30000000)"}),
        ("tg_texts_in_bounds", {"idempotency_key": "repeat('x', 200000)"}),
        ("tg_texts_in_bounds", {"correlation_id": "repeat('x', 2001)"}),
        ("tg_texts_in_bounds", {**RUNNING, "worker_id": "repeat('x', 401)"}),
        ("tg_texts_in_bounds", {"error_message": "repeat('x', 65537)"}),
        ("tg_documents_in_bounds", {"runner_config": "to_jsonb(repeat('x', 70000))"}),
        ("tg_documents_in_bounds", {"security_context": "to_jsonb(repeat('x', 70000))"}),
        ("tg_documents_in_bounds", {"resource_usage": "jsonb_build_array(1e70000)"}),
    ],
)
def test_a_row_that_would_stop_others_does_not_get_in(board: Board, rule: str, columns: dict[str, str]) -> None:
    """Numbers at the end of their type, times that no client reads and endless texts are refused, naming the rule."""
    with pytest.raises(psycopg.errors.CheckViolation, match="the new row is out of bounds: ") as caught:
        insert(board, **columns)
    assert caught.value.diag.constraint_name == rule


def test_a_row_at_the_bounds_runs(board: Board, registry: Path) -> None:
    """The bounds leave room for what the worker itself counts: rows that sit on them are claimed and completed."""
    high = insert(
        board, lease_seq="1000000000000000", attempts="1000000", max_attempts="1000", priority="2147483647",
        crash_count="1000000", timeout_seconds="1", run_at="'1900-01-01 00:00+00'",
    )  # fmt: skip
    low = insert(board, priority="-2147483647", idempotency_key="repeat('k', 2000)")
    work(board, registry)
    assert [job(board, each)[0] for each in (high, low)] == ["completed"] * 2
    assert board.sql("SELECT lease_seq, attempts FROM jobs.tb_job_run WHERE id = %s", high) == [(10**15 + 1, 10**6 + 1)]


@pytest.mark.parametrize("column", ["security_context", "runner_config", "input_data"])
def test_a_document_that_postgres_cannot_print_stops_nobody(board: Board, registry: Path, column: str) -> None:
    """Such a row of an adopted table fails alone, its neighbour in the batch runs, and `show` shows the rest of it."""
    board.sql("ALTER TABLE jobs.tb_job_run DISABLE TRIGGER tg_documents_in_bounds")
    poisoned = insert(board, **{column: UNPRINTABLE})
    good = insert(board)
    work(board, registry)
    assert job(board, good)[0] == "completed"
    assert job(board, poisoned)[:2] == ("failed", "invalid_input")
    said = board("show", poisoned, "-o", "json")
    assert (said.code, said.data[0]["status"]) == (0, "failed")
    assert (said.data[0]["input"] == "(too large to show)") is (column == "input_data")


# ---- rows that fail alone --------------------------------------------------------------------------------------------

ALONE: Final = {
    "nested": ({"input_data": DEEP}, "invalid_input", "nested deeper than 100"),
    "digits": ({"input_data": "'{\"n\": 1e5000}'"}, "invalid_input", "a number of 5001 digits"),
    "scalar": ({"input_data": "'7'"}, "invalid_input", "wanted object"),
    "large": ({"input_data": "jsonb_build_object('x', repeat('x', 10000000))"}, "invalid_input", "larger than 1 MiB"),
    "nobody": ({"service_name": "E'\\x1b]0;pwned\\x07'"}, "invalid_input", "no service is named"),
    "kelvin": ({"service_name": "'web'", "operation": "U&'o\\212A'"}, "invalid_input", "no operation is named"),
    "context": ({"security_context": DEEP}, "policy_violation", "no readable object"),
    "scalar context": ({"security_context": "'[\"none\"]'"}, "policy_violation", "no readable object"),
    "unknown term": ({"security_context": "'{\"sandbocks\": \"none\"}'"}, "policy_violation", "is not a policy key"),
    "wider": ({"security_context": "'{\"allowed_domains\": [\"*.example\"]}'"}, "policy_violation", "only narrow"),
    "digits wider": ({"security_context": "'{\"max_execution_time\": 1e5000}'"}, "policy_violation", "no readable"),
    "zero": ({"security_context": "'{\"max_execution_time\": 0}'"}, "policy_violation", "above 0"),
    "true": ({"security_context": "'{\"max_execution_time\": true}'"}, "policy_violation", "not a number"),
    "null": ({"security_context": "'{\"allowed_domains\": null}'"}, "policy_violation", "wanted a list"),
    "config": ({"runner_config": "'{\"base_url\": \"http://127.0.0.1:1\"}'"}, "policy_violation", "'base_url'"),
    "token url": ({"runner_config": "'{\"auth_type\": \"oauth2\"}'"}, "policy_violation", "'auth_type'"),
    "verify": ({"runner_config": "'{\"verify\": false}'"}, "policy_violation", "'verify'"),
    "patience": ({"timeout_seconds": "2147483647"}, "policy_violation", "30 allowed"),
    "domain": ({"service_name": "'far'", "operation": "'go'"}, "policy_violation", "is not in allowed_domains"),
    "metadata": (
        {"operation": "'any'", "input_data": "'{\"endpoint\": \"http://169.254.169.254/latest\"}'"},
        "policy_violation",
        "169.254.169.254",
    ),
    "header": (
        {"operation": "'any'", "input_data": "'{\"endpoint\": \"/ok\", \"headers\": {\"Host\": \"evil\"}}'"},
        "policy_violation",
        "may not set the header",
    ),
    "line": (
        {"operation": "'any'", "input_data": "'{\"endpoint\": \"/ok\", \"headers\": {\"Accept\": \"a\\r\\nX: y\"}}'"},
        "invalid_input",
        "printable ASCII",
    ),
}  # fmt: skip


def test_every_hostile_row_fails_as_its_own_job(board: Board, registry: Path) -> None:
    """One worker meets them all at once: each ends with its own category and reason, and the good ones complete."""
    good = [insert(board) for _ in range(3)]
    hostile = {name: insert(board, **columns) for name, (columns, _, _) in ALONE.items()}
    good.append(insert(board, execution_type="'DOCKER'"))  # what runs it is the registry's to say
    work(board, registry)
    assert [job(board, each)[0] for each in good] == ["completed"] * 4
    for name, (_, category, words) in ALONE.items():
        status, found, message = job(board, hostile[name])
        assert (name, status, found) == (name, "failed", category)
        assert words in message


def test_a_name_in_another_alphabet_does_not_slip_past_the_scope(board: Board, registry: Path) -> None:
    """A letter that only Unicode folds to a registry's name names no service: a worker told to leave it out does."""
    odd = insert(board, service_name="U&'\\212Aelvin'")
    registry.write_text(registry.read_text().replace("  far:", "  kelvin:"))
    work(board, registry)
    assert job(board, odd)[:2] == ("failed", "invalid_input")
    assert "no service is named" in job(board, odd)[2]


def test_a_row_cannot_make_a_job_of_somebody_elses_lease(board: Board, registry: Path) -> None:
    """A row that says it runs on a worker that never was is taken back, and completed under a lease of its own."""
    ghost = insert(board, status="'running'", worker_id="'ghost'", started_at="now()", lease_seq="41")
    insert(board)
    work(board, registry, "--max-jobs", "2")
    assert board.sql("SELECT status, lease_seq FROM jobs.tb_job_run WHERE id = %s", ghost) == [("completed", 43)]


async def test_spelling_a_name_in_many_ways_costs_no_memory(dsn: str) -> None:
    """However many spellings of one operation rows use, the worker keeps one entry for it."""
    async with queue(dsn) as it:
        for number in range(8):
            spelled = "".join(c.upper() if number >> place & 1 else c for place, c in enumerate("svc"))
            await it.rows("SELECT jobs.enqueue(%s, 'op')", spelled)
        worker = it.worker(until_empty=True)
        planner = worker._around.planner
        await asyncio.wait_for(worker.run(), 20)
    assert len(it.puppet.ran) == 8
    assert len(planner._prepared) == 1


# ---- what people see of such rows ------------------------------------------------------------------------------------

ESCAPE: Final = "text E'\\x1b[2J\\x1b]52;c;x\\x07\\u009b31m\\u202eevil'"
EVERY_TEXT: Final = (
    "service_name", "operation", "identifier", "idempotency_key", "correlation_id", "entity_type", "entity_pk",
    "worker_id", "error_category", "error_message", "fingerprint", "registry_digest", "runner_version",
)  # fmt: skip


@pytest.mark.parametrize("status", ["failed", "running", "completed", "cancelled"])
def test_no_text_of_a_row_reaches_a_terminal_as_a_command(board: Board, status: str) -> None:
    """Whatever column holds the control characters and in whatever state, every text output writes them as escapes."""
    times = {"started_at": "now()"} | ({} if status == "running" else {"completed_at": "now()"})
    documents = {
        "input_data": f"jsonb_build_object({ESCAPE}, {ESCAPE})",
        "output_data": f"to_jsonb({ESCAPE})",
        "resource_usage": f"jsonb_build_object({ESCAPE}, {ESCAPE})",
    }
    id_ = insert(board, status=f"'{status}'", **dict.fromkeys(EVERY_TEXT, ESCAPE), **times, **documents)
    board.sql("INSERT INTO jobs.tb_job_log VALUES (%s, 0, 0, 'stdout', E'\\x1b[2Jlog')", id_)
    for arguments in _looks(id_):
        said = board(*arguments)
        assert said.code in (0, 6), (arguments, said.err)
        assert not [sign for sign in said.out + said.err if _commands_a_terminal(sign)], arguments


def _looks(id_: str) -> list[list[str]]:
    """Every command that shows the row, the two that would change it last."""
    texts = [[verb, *form] for verb in ("list", "tail") for form in ([], ["-o", "tsv"], ["-o", "markdown"])]
    documents = [[verb, *ids, "-o", "json"] for verb, ids in (("list", []), ("tail", []), ("show", [id_]))]
    return [*texts, *documents, ["show", id_], ["retry", id_, "-n"], ["cancel", id_, "-n"]]


def _commands_a_terminal(sign: str) -> bool:
    return (sign not in "\n\t" and ord(sign) < 32) or 0x7F <= ord(sign) < 0xA0 or sign == "\u202e"


@pytest.mark.parametrize("document", [DEEP, "'{\"n\": 1e5000}'"])
def test_a_document_that_no_program_reads_does_not_break_show(board: Board, document: str) -> None:
    """`show` says that it leaves such a document out, in text and in JSON, and shows everything else."""
    id_ = insert(board, status="'completed'", completed_at="now()", input_data=document, output_data=document)
    shown, data = board("show", id_), board("show", id_, "-o", "json").data[0]
    assert (shown.code, data["status"]) == (0, "completed")
    assert data["input"].startswith("(not shown: ")
    assert "(not shown: " in shown.out


def test_next_commands_are_safe_to_paste(board: Board) -> None:
    """What `show` says to type next quotes what it took from the row: a shell would run nothing of it."""
    id_ = insert(board, status="'failed'", completed_at="now()", fingerprint="'$(touch /tmp/pwned); ls'")
    (offered,) = [line for line in board("show", id_, "-o", "json").data[0]["next"] if "fingerprint" in line]
    assert offered == "specql-jobs list --fingerprint '$(touch /tmp/pwned); ls'"


def test_no_row_makes_the_listing_endless(board: Board, registry: Path) -> None:
    """An error that repeats a row's own words stays short, however many words the row has."""
    names = json.dumps({f"n{number}": "x" for number in range(4000)})
    id_ = insert(board, security_context=f"'{names}'", operation="'ok'")
    work(board, registry)
    assert job(board, id_)[:2] == ("failed", "policy_violation")
    assert len(job(board, id_)[2]) <= 4100


async def test_adopted_rows_are_brought_into_bounds(empty_dsn: str) -> None:
    """Rows that an older table already held are kept, with numbers and times that every statement can carry."""
    older = (Path(__file__).parent.parent / "fixtures" / "sql" / "older_table.sql").read_bytes()
    async with await db.connect(empty_dsn) as connection:
        await connection.execute(older)
        await connection.execute(
            b"INSERT INTO jobs.tb_job_run (identifier, service_name, operation, attempts, max_attempts, created_at)"
            b" VALUES ('odd', 'svc', 'op', 2147483647, 2147483647, '-infinity'), ('good', 'svc', 'op', 0, 3, now())"
        )
        await migrate.migrate(connection)
    async with queue(empty_dsn) as it:
        await it.drain()
        rows = await it.rows("SELECT status, created_at < now() AS past FROM jobs.tb_job_run")
    assert [tuple(row.values()) for row in rows] == [("completed", True)] * 2
