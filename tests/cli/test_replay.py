"""`replay`: a queued job's input executed here; the queue is only read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.board import Board
from support.cli import Said, answering, specql_jobs, write_registry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry whose services point at a running HTTP service, and the secret that they need."""
    monkeypatch.setenv("PAY_TOKEN", "tok-0123456789")
    with answering() as url:
        yield str(write_registry(tmp_path, url))


def _rows(board: Board) -> list[tuple[object, ...]]:
    """All that a replay could touch, as text."""
    return [
        *board.sql("SELECT j::text FROM jobs.tb_job_run j ORDER BY id"),
        *board.sql("SELECT count(*) FROM jobs.tb_audit_event"),
        *board.sql("SELECT count(*) FROM jobs.tb_job_attempt"),
    ]


def _replayed(board: Board, *arguments: str) -> Said:
    before = _rows(board)
    said = board("replay", *arguments)
    assert _rows(board) == before
    return said


def test_a_dead_job_is_executed_here_and_its_row_stays(board: Board, registry: str) -> None:
    """The answer is that of `run`, with the job's id; the row is as it was."""
    id_ = board.add("pay", "ok", "failed", input_data={"amount": 7}, error_category="target_error")
    said = _replayed(board, id_, "-r", registry, "-o", "json")
    assert (said.code, said.data["status"], said.data["job_id"]) == (0, "completed", id_)
    assert said.data["output"]["got"] == {"amount": 7}
    assert said.data["plan"]["headers"]["X-Job-Id"] == id_


@pytest.mark.parametrize("status", ["pending", "running", "completed", "cancelled"])
def test_a_job_of_any_status_can_be_replayed(board: Board, registry: str, status: str) -> None:
    """Also one that never ran or runs just now; a unique beginning of the id is enough."""
    id_ = board.add("pay", "ok", status, input_data={"amount": 1})
    assert _replayed(board, id_[:18], "-r", registry).code == 0


def test_dry_run_prints_the_plan(board: Board, registry: str) -> None:
    """-n executes nothing and needs nothing but the registry; the secret is in no plan."""
    id_ = board.add("pay", "ok", input_data={"amount": 7})
    said = _replayed(board, id_, "-n", "-r", registry, "-o", "json")
    assert (said.code, said.data["verdict"], said.data["job_id"]) == (0, "allowed", id_)
    assert "amount" in said.data["plan"]["curl"]
    assert "tok-0123456789" not in said.out + said.err


def test_what_the_row_asks_for_holds_here_too(board: Board, registry: str) -> None:
    """A row that asks for more than the policy is refused as a worker would refuse it."""
    asked = json.dumps({"allowed_domains": ["*"]})
    id_ = board.add("pay", "ok", "failed", input_data={"amount": 7}, security_context=asked)
    said = _replayed(board, id_, "-r", registry, "-o", "json")
    assert (said.code, said.data["error"]["category"]) == (1, "policy_violation")


def test_a_job_that_fails_again_is_exit_1(board: Board, registry: str) -> None:
    """The exit codes are those of `run`."""
    id_ = board.add("pay", "no", "failed")
    said = _replayed(board, id_, "-r", registry, "-o", "json")
    assert (said.code, said.data["error"]["category"]) == (1, "target_error")


def test_what_is_not_there_is_exit_3(board: Board, registry: str) -> None:
    """An unknown job, and a job of a service that this registry does not have."""
    assert board("replay", str(uuid4()), "-r", registry, "-o", "json").error["code"] == "E301"
    gone = board.add("retired", "go")
    assert board("replay", gone, "-r", registry, "-o", "json").error["code"] == "E310"


def test_a_malformed_id_is_exit_2(board: Board, registry: str) -> None:
    """A word that is no id is not looked for."""
    assert board("replay", "payments", "-r", registry, "-o", "json").error["code"] == "E201"


def test_unreadable_input_is_said_clearly(board: Board, registry: str) -> None:
    """An input beyond 1 MiB, or whose numbers Postgres cannot print, is exit 2 with the job's id; so is a misfit."""
    large = board.add("pay", "ok")
    board.sql(
        "UPDATE jobs.tb_job_run SET input_data = jsonb_build_object('note', repeat('x', 1100000)) WHERE id = %s", large
    )
    said = _replayed(board, large, "-r", registry, "-o", "json")
    assert (said.code, said.error["code"]) == (2, "E230")
    assert large in said.error["message"]
    misfit = board.add("pay", "ok", input_data={"amount": "much"})
    assert _replayed(board, misfit, "-r", registry, "-o", "json").error["code"] == "E230"


def test_without_a_database_it_is_exit_2_or_5(registry: str) -> None:
    """Nothing names a database: exit 2; nobody answers there: exit 5."""
    id_ = str(uuid4())
    assert specql_jobs("replay", id_, "-r", registry, "-o", "json").code == 2
    assert specql_jobs("replay", id_, "-r", registry, "--dsn", "postgresql://x@127.0.0.1:9/x", "-o", "json").code == 5


def test_as_recorded_takes_the_same_registry_only(board: Board, registry: str, tmp_path: Path) -> None:
    """Under the digest that the row has it runs; under another one it is exit 6, naming both and what to type."""
    id_ = board.add("pay", "ok", "failed", input_data={"amount": 7}, error_category="target_error")
    then = _replayed(board, id_, "-n", "-r", registry, "-o", "json").data["plan"]["registry_digest"]
    board.sql("UPDATE jobs.tb_job_run SET registry_digest = %s WHERE id = %s", then, id_)
    said = _replayed(board, id_, "--as-recorded", "-r", registry, "-o", "json")
    assert (said.code, said.data["source_job"]["registry_digest"]) == (0, then), said.out
    now = tmp_path / "now.yaml"
    now.write_text(Path(registry).read_text("utf-8").replace("path: /ok", "path: /okay"), "utf-8")
    said = _replayed(board, id_, "--as-recorded", "-r", str(now), "-o", "json")
    assert (said.code, said.error["code"]) == (6, "E605")
    assert then in said.error["message"]
    assert f"replay {id_} --as-recorded --registry" in said.error["hint"]


def test_a_job_that_never_ran_has_no_recorded_registry(board: Board, registry: str) -> None:
    """--as-recorded of it is exit 6; without the flag it is executed."""
    id_ = board.add("pay", "ok", input_data={"amount": 7})
    said = _replayed(board, id_, "--as-recorded", "-r", registry, "-o", "json")
    assert (said.code, said.error["name"]) == (6, "registry-differs")


def test_set_changes_the_input_of_this_execution(board: Board, registry: str) -> None:
    """--set is put over the job's input; what does not fit the schema then is exit 2."""
    id_ = board.add("pay", "ok", "failed", input_data={"amount": 7}, error_category="target_error")
    said = _replayed(board, id_, "--set", "amount=1", "--set", "note=why", "-r", registry, "-o", "json")
    assert said.data["output"]["got"] == {"amount": 1, "note": "why"}
    assert _replayed(board, id_, "--set", "amount=much", "-r", registry, "-o", "json").code == 2
