"""`enqueue`: what reaches the queue, what does not, and waiting for the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from support.board import TENANT, Board
from support.cli import answering, write_registry
from support.processes import Started


@pytest.fixture
def registry(tmp_path: Path) -> str:
    """A registry whose HTTP service nobody answers."""
    return str(write_registry(tmp_path))


def test_row_and_document(board: Board, registry: str) -> None:
    """One row with input, type and placing; the document has exactly the promised keys."""
    placing = ("--priority", "5", "--key", "k", "--tenant", TENANT, "--correlation", "c", "--in", "1h")
    said = board("enqueue", "PAY.ok", "--set", "amount=5", "-r", registry, *placing, "-o", "json")
    (job,) = said.data["jobs"]
    assert list(job) == ["id", "status", "service", "operation", "duplicate"]
    assert board.sql(
        "SELECT id::text, service_name, operation, execution_type, input_data, priority, idempotency_key,"
        " tenant_id::text, correlation_id, run_at > now() + interval '59 minutes' FROM jobs.tb_job_run"
    ) == [(job["id"], "pay", "ok", "http", {"amount": 5}, 5, "k", TENANT, "c", True)]


def test_quiet_prints_the_id_alone(board: Board, registry: str) -> None:
    """`-q` prints the id and nothing else."""
    said = board("enqueue", "pay.no", "-r", registry, "-q")
    assert said.out == f"{UUID(said.out.strip())}\n"
    assert said.err == ""


def test_same_key_is_the_same_job(board: Board, registry: str) -> None:
    """A repeated key inserts nothing and gives the first job; on another operation it is a conflict."""
    first = board("enqueue", "pay.no", "-r", registry, "--key", "k", "-o", "json").data["jobs"][0]
    again = board("enqueue", "pay.no", "-r", registry, "--key", "k", "-o", "json").data["jobs"][0]
    assert (again["id"], first["duplicate"], again["duplicate"]) == (first["id"], False, True)
    assert board("enqueue", "open.go", "-r", registry, "--key", "k", "-o", "json").code == 6


def test_a_key_with_other_input_is_warned_of(board: Board, registry: str) -> None:
    """A repeated key whose job has other input is said, with that job's id; the same input, however written, is not."""
    order = ("enqueue", "pay.ok", "-r", registry, "--key", "k", "-o", "json")
    first = board(*order, "--input", '{"amount": 5, "note": "a"}')
    assert first.document["warnings"] == []
    assert board(*order, "--input", '{"note": "a",  "amount": 5}').document["warnings"] == []
    other = board(*order, "--input", '{"amount": 6}')
    (job,) = other.data["jobs"]
    assert (other.code, job["duplicate"], job["id"]) == (0, True, first.data["jobs"][0]["id"])
    (warning,) = other.document["warnings"]
    assert warning.startswith("the job of key k has other input")
    assert warning.endswith(f"specql-jobs show {job['id']}")


def test_keys_of_a_batch_with_other_input_are_warned_of(board: Board, registry: str, tmp_path: Path) -> None:
    """Of a batch the first such keys are named and the others counted."""
    batch = tmp_path / "jobs.jsonl"
    for amount in (1, 2):
        lines = [{"operation": "pay.ok", "key": f"k{n}", "input": {"amount": amount}} for n in range(7)]
        batch.write_text("\n".join(map(json.dumps, lines)), "utf-8")
        said = board("enqueue", "--batch", str(batch), "-r", registry, "-o", "json")
    warnings = said.document["warnings"]
    assert (len(warnings), warnings[-1]) == (6, "and 2 more keys whose job has other input")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("pay.ok", "--set", "amount=x"), 2),
        (("pay.ok",), 2),
        (("pay.nothing",), 3),
        (("pay",), 2),
        (("pay.no", "--in", "1h", "--at", "2030-01-01"), 2),
        (("pay.no", "--at", "soon"), 2),
        (("pay.no", "--in", "-5m"), 2),
        (("pay.no", "--tenant", "acme"), 2),
        (("pay.no", "--key", "schedule:pay.no:nightly:2030-01-01T00:00:00Z"), 2),
        (("pay.no", "--key", "schedule:"), 2),
        (("pay.no", "--priority", "99999999999"), 2),
        (("pay.no", "--wait=soon"), 2),
        (("pay.no", "--batch", "x", "--key", "k"), 2),
        (("pay.ok", "--input", '{"amount": 1, "note": "\\u0000"}'), 2),
    ],
)
def test_wrong_calls_insert_nothing(board: Board, registry: str, arguments: tuple[str, ...], code: int) -> None:
    """What cannot run is refused before anything is inserted."""
    said = board("enqueue", *arguments, "-r", registry, "-o", "json")
    assert said.code == code
    assert board.sql("SELECT count(*) FROM jobs.tb_job_run") == [(0,)]


def test_large_input_is_refused(board: Board, registry: str) -> None:
    """A ten-megabyte string is refused with a code, not sent to the database."""
    document = json.dumps({"amount": 1, "note": "x" * 10_000_000})
    said = board("enqueue", "pay.ok", "--input", "-", "-r", registry, "-o", "json", stdin=document)
    assert said.code == 2
    assert len(said.err + said.out) < 5000
    assert board.sql("SELECT count(*) FROM jobs.tb_job_run") == [(0,)]


def test_batch_is_all_or_nothing(board: Board, registry: str, tmp_path: Path) -> None:
    """A batch with bad lines inserts nothing and names each of them by number; a good one is inserted whole."""
    file = tmp_path / "batch.jsonl"
    file.write_text('{"amount": 1}\n\n{"amount": "x"}\nnot json\n')
    said = board("enqueue", "pay.ok", "--batch", str(file), "-r", registry, "-o", "json")
    assert said.code == 2
    assert "line 3: " in said.error["message"]
    assert "line 4: " in said.error["message"]
    assert "line 1: " not in said.error["message"]
    assert board.sql("SELECT count(*) FROM jobs.tb_job_run") == [(0,)]
    good = board("enqueue", "pay.ok", "--batch", "-", "-r", registry, "-q", stdin='{"amount": 1}\n{"amount": 2}\n')
    assert len(good.out.split()) == 2
    assert board.sql("SELECT input_data->'amount' FROM jobs.tb_job_run ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize("wait", [("--wait=1s",), ("--wait", "1s")])
def test_wait_that_ends_too_early_is_exit_8(board: Board, registry: str, wait: tuple[str, ...]) -> None:
    """Without a worker the wait times out: exit 8, and the document still has the job."""
    said = board("enqueue", "pay.no", "-r", registry, "-o", "json", *wait)
    assert said.code == 8
    assert said.data["jobs"][0]["status"] == "pending"
    assert said.error["code"] == "E800"


def test_wait_for_a_worker(board: Board, tmp_path: Path, spawn: Callable[..., Started]) -> None:
    """A bare --wait ends with the job: 0 with its output when it completed, 1 with its error when it failed."""
    with answering() as url:
        registry = str(write_registry(tmp_path, url))
        env = {"SPECQL_JOBS_DSN": board.dsn, "PAY_TOKEN": "tok-0123456789"}
        worker = spawn("worker", "-r", registry, env=env)
        worker.wait_for("worker_started")
        done = board("enqueue", "pay.ok", "--set", "amount=5", "-r", registry, "-o", "json", "--wait")
        assert done.code == 0
        assert done.data["jobs"][0]["status"] == "completed"
        assert done.data["jobs"][0]["output"]["got"] == {"amount": 5}
        failed = board("enqueue", "pay.no", "--wait", "-r", registry, "-o", "json")
        assert failed.code == 1
        assert failed.data["jobs"][0]["error"]["category"] == "target_error"
        assert failed.document["error"] is None
        worker.terminate()
        assert worker.finish() == 0


def test_at_with_a_duration_names_in(registry: str, board: Board) -> None:
    """A length of time after --at is answered with --in, not with itself."""
    said = board("enqueue", "pay.ok", "--set", "amount=1", "--at", "15m", "-r", registry, "-o", "json")
    assert (said.code, said.error["code"]) == (2, "E200")
    assert "--in 15m" in said.error["hint"]


def test_several_jobs_are_counted(tmp_path: Path, registry: str, board: Board) -> None:
    """A batch says on stderr how many jobs were queued; -q does not."""
    batch = tmp_path / "b.jsonl"
    batch.write_text('{"amount": 1}\n{"amount": 2}\n')
    assert board("enqueue", "pay.ok", "--batch", str(batch), "-r", registry).err == "2 jobs were queued\n"
    assert board("enqueue", "pay.ok", "--batch", str(batch), "-r", registry, "-q").err == ""


# ---- jobs that wait for others ---------------------------------------------------------------------------------------


def test_after_waits_for_jobs_by_id_or_beginning(board: Board, registry: str) -> None:
    """`--after` takes ids with commas and unique beginnings; choice and deadline reach the row."""
    first, second = board.add(), board.add()
    how = ("--after", f"{first},{second[:30]}", "--on-failed-dependency", "skip", "--deadline", "2h")
    (job,) = board("enqueue", "pay.no", "-r", registry, *how, "-o", "json").data["jobs"]
    rows = board.sql(
        "SELECT blocked_by, on_dependency_failure, deadline_at - run_at = '2 h' FROM jobs.tb_job_run WHERE id = %s",
        job["id"],
    )
    assert rows == [(2, "skip", True)]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--after", "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"), 3),
        (("--after", "nonsense"), 2),
        (("--on-failed-dependency", "explode"), 2),
        (("--deadline", "soon"), 2),
        (("--deadline", "0"), 2),
    ],
)
def test_what_cannot_be_waited_for_enqueues_nothing(
    board: Board, registry: str, arguments: tuple[str, ...], code: int
) -> None:
    """Unknown jobs are exit 3, words that mean nothing exit 2, and no row is written."""
    assert board("enqueue", "pay.no", "-r", registry, *arguments, "-o", "json").code == code
    assert board.sql("SELECT id FROM jobs.tb_job_run") == []


def test_a_pipeline_is_one_file(board: Board, registry: str, tmp_path: Path) -> None:
    """Lines name their operation and wait for earlier lines by ref or key, and for jobs that exist by id."""
    before = board.add()
    lines = [
        {"operation": "pay.ok", "input": {"amount": 1}, "ref": "a", "after": [before]},
        {"operation": "pay.no", "key": "b", "after": ["a"], "on_failed_dependency": "run", "priority": 7},
        {"operation": "open.go", "after": ["a", "b"], "deadline": "1h"},
    ]
    file = tmp_path / "pipeline.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    said = board("enqueue", "--batch", str(file), "-r", registry, "--correlation", "nightly", "-o", "json")
    a, b, c = (job["id"] for job in said.data["jobs"])
    edges = board.sql("SELECT job_id::text, depends_on::text FROM jobs.tb_job_dependency")
    assert set(edges) == {(a, before), (b, a), (c, a), (c, b)}
    rows = "SELECT blocked_by, priority, on_dependency_failure, correlation_id FROM jobs.tb_job_run WHERE id = %s"
    assert [board.sql(rows, id_)[0] for id_ in (a, b, c)] == [
        (1, 0, "fail", "nightly"),
        (1, 7, "run", "nightly"),
        (2, 0, "fail", "nightly"),
    ]


def test_bad_lines_of_a_pipeline_are_named_and_nothing_is_enqueued(board: Board, registry: str) -> None:
    """Each line with an unknown operation, key, ref or choice is named by its number."""
    lines = [
        '{"operation": "pay.no", "ref": "a"}',
        '{"operation": "pay.nothing"}',
        '{"operation": "pay.no", "after": ["z"]}',
        '{"operation": "pay.no", "depends": []}',
        '{"operation": "pay.no", "ref": "a"}',
        '{"operation": "pay.no", "on_failed_dependency": "maybe"}',
        '{"operation": "pay.ok", "input": {"amount": "x"}}',
        '{"operation": "pay.no", "ref": "self", "after": ["self"]}',
        '{"operation": "pay.no", "priority": true}',
        '{"operation": "pay.no", "deadline": "0s"}',
    ]
    said = board("enqueue", "--batch", "-", "-r", registry, "-o", "json", stdin="\n".join(lines))
    assert said.code == 2
    for number in range(2, 11):
        assert f"line {number}: " in said.error["message"]
    assert board.sql("SELECT id FROM jobs.tb_job_run") == []


def test_without_operation_and_batch_nothing_is_meant(board: Board, registry: str) -> None:
    """`enqueue` alone is exit 2 and says what is missing."""
    said = board("enqueue", "-r", registry, "--priority", "1", "-o", "json")
    assert (said.code, "SERVICE.OPERATION" in said.error["message"]) == (2, True)


def test_the_keys_of_ticks_are_refused(board: Board, registry: str) -> None:
    """A key of schedules is refused with what is wrong with it, on the command line and in a batch; SQL takes it."""
    key = "schedule:pay.no:nightly:2030-01-01T00:00:00Z"
    said = board("enqueue", "pay.no", "-r", registry, "--key", key, "-o", "json")
    assert (said.code, said.error["name"]) == (2, "usage")
    assert "begins with schedule:" in said.error["message"]
    line = json.dumps({"operation": "pay.no", "key": key})
    said = board("enqueue", "--batch", "-", "-r", registry, "-o", "json", stdin=line)
    assert said.code == 2
    assert "line 1: the key" in said.error["message"]
    assert board.sql("SELECT count(*) FROM jobs.tb_job_run") == [(0,)]
    assert board.sql("SELECT true FROM jobs.enqueue('pay', 'no', idempotency_key => %s)", key) == [(True,)]
