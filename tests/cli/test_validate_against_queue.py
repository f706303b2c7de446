"""`validate --against-queue`: queued jobs that a registry would no longer execute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from support.board import Board
from support.cli import Said, specql_jobs
from support.repository import new_repository

REGISTRY = """\
services:
  pay:
    category: financial
    runner_config: {base_url: "https://pay.example", timeout: 30s}
    security_policy: {allowed_domains: [pay.example], max_request_size: 64KB}
    operations:
      charge: {input_schema: {amount: integer, note: string?}}
      refund: {input_schema: {id: string}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """The registry in a file."""
    path = tmp_path / "services.yaml"
    path.write_text(REGISTRY)
    return path


def check(board: Board, registry: Path, *arguments: str) -> Said:
    """Hold the registry against the board's jobs."""
    return board("validate", str(registry), "--against-queue", "--select", "SQJ7", *arguments, "-o", "json")


def one(said: Said) -> dict[str, Any]:
    """The only finding."""
    (found,) = said.data["findings"]
    return dict(found)


def test_jobs_that_resolve_are_no_finding(board: Board, registry: Path) -> None:
    """Open jobs that fit, and finished ones that do not, are fine; names are read in any case."""
    board.add("pay", "charge", input_data={"amount": 1})
    board.add("PAY", "Refund", "running", input_data={"id": "a"})
    board.add("gone", "away", "failed")
    said = check(board, registry)
    assert (said.code, said.data["findings"], said.data["summary"]["queued_jobs"]) == (0, [], 2)


def test_an_unknown_service_is_named_with_its_jobs(board: Board, registry: Path) -> None:
    """Jobs of a service that is gone are counted over its operations, with ids and the command that lists them."""
    ids = {board.add("pai", "charge"), board.add("pai", "refund"), board.add("Pai", "refund", "running")}
    said = check(board, registry)
    found = one(said)
    assert (said.code, found["code"], found["service"].lower(), found["line"]) == (1, "SQJ730", "pai", 1)
    assert "3 queued jobs" in found["message"]
    assert "(2 pending, 1 running)" in found["message"]
    assert all(id_ in found["message"] for id_ in ids)
    assert "is it pay now?" in found["help"]
    command = found["help"].partition("specql-jobs ")[2].split()
    assert board.ids(*command[1:]) == ids


def test_an_unknown_operation_stands_at_its_service(board: Board, registry: Path) -> None:
    """Jobs of an operation that is gone are found at the service, and the command in the help lists them."""
    id_ = board.add("pay", "charge_card")
    found = one(check(board, registry))
    assert (found["code"], found["line"], found["operation"]) == ("SQJ731", 2, "charge_card")
    assert "is it charge now?" in found["help"]
    assert board.ids(*found["help"].partition("specql-jobs ")[2].split()[1:]) == {id_}


def test_inputs_are_held_against_the_schema(board: Board, registry: Path) -> None:
    """What no longer fits is counted, with the field and an id, and never with what the input holds."""
    board.add("pay", "charge", input_data={"amount": 1})
    id_ = board.add("pay", "charge", input_data={"amount": "swordfish", "note": "a"})
    found = one(check(board, registry))
    assert (found["code"], found["line"], found["operation"]) == ("SQJ732", 7, "charge")
    assert "1 of 2 queued jobs of pay.charge have an input" in found["message"]
    assert "amount: wanted integer, got a string; such as" in found["message"]
    assert id_ in found["message"]
    assert "swordfish" not in str(found)


def test_an_input_that_postgres_cannot_print_stops_nothing(board: Board, registry: Path) -> None:
    """A poisoned row is a finding, and the rows beside it are looked at."""
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, input_data)"
        " SELECT 'pay', 'charge', jsonb_build_object('amount', jsonb_agg('1e131071'::jsonb))"
        " FROM generate_series(1, 9000)"
    )
    board.add("pay", "refund", input_data={"no": 1})
    codes = [(each["code"], each["operation"]) for each in check(board, registry).data["findings"]]
    assert codes == [("SQJ732", "charge"), ("SQJ732", "refund")]


def test_rows_that_ask_for_more_are_refused(board: Board, registry: Path, tmp_path: Path) -> None:
    """A row that asks beyond the policy, or beyond the host's ceiling, is found."""
    for size in ("32KB", "64KB", "1MB"):
        board.add("pay", "refund", input_data={"id": "a"}, security_context=f'{{"max_request_size": "{size}"}}')
    found = one(check(board, registry))
    assert found["code"] == "SQJ733"
    assert "1 of 3 queued jobs of pay.refund ask for what the policy does not allow" in found["message"]
    (tmp_path / "host.yaml").write_text("max_request_size: 16KB\n")
    said = check(board, registry, "--policy", str(tmp_path / "host.yaml"))
    assert "2 of 3 queued jobs" in one(said)["message"]


def test_another_execution_type_is_a_warning(board: Board, registry: Path) -> None:
    """Jobs that were queued for another type are named; an alias or another case of the same type is not."""
    board.add("pay", "refund", input_data={"id": "a"}, execution_type="API")
    id_ = board.add("pay", "refund", input_data={"id": "a"}, execution_type="SHELL")
    said = check(board, registry)
    found = one(said)
    assert (said.code, found["code"], found["severity"], found["line"]) == (0, "SQJ734", "warning", 2)
    assert "1 queued job was made for it as shell" in found["message"]
    assert id_ in found["message"]
    assert check(board, registry, "--strict").code == 1


def test_a_type_that_no_live_worker_has_is_a_warning(board: Board, registry: Path) -> None:
    """Where workers run and none executes a service's type it is said; where none runs nobody can tell."""
    board.add("pay", "refund", input_data={"id": "a"})
    assert check(board, registry).data["findings"] == []
    board.sql(
        "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, execution_types, concurrency)"
        " VALUES ('w', 'h', 1, '0', 1, '{shell}', 1)"
    )
    found = one(check(board, registry))
    assert (found["code"], found["service"]) == ("SQJ735", "pay")
    assert "executes http (shell only)" in found["message"]


def test_of_a_large_group_a_sample_is_read(board: Board, registry: Path) -> None:
    """Of thousands of jobs some hundred inputs are read, old ones and new ones, and the message says so."""
    board.sql(
        "INSERT INTO jobs.tb_job_run (service_name, operation, input_data)"
        " SELECT 'pay', 'charge', jsonb_build_object('amount', CASE WHEN n <= 2500 THEN '\"x\"' ELSE '1' END::jsonb)"
        " FROM generate_series(1, 5000) AS n"
    )
    message = one(check(board, registry))["message"]
    refused, _, looked_at = (word.replace(",", "") for word in message.split()[:3])
    assert "looked at (5,000 are queued)" in message
    assert 100 <= int(looked_at) <= 400
    assert 0 < int(refused) < int(looked_at)


def test_a_comment_accepts_what_is_known(board: Board, registry: Path) -> None:
    """Jobs that are going to be cancelled can be accepted in place, with a reason."""
    board.add("pay", "old")
    registry.write_text(REGISTRY.replace("  pay:", "  pay:  # specql-jobs: ignore[SQJ731] cancelled on Monday"))
    said = check(board, registry)
    assert (said.code, said.data["findings"], said.data["summary"]["accepted"]) == (0, [], 1)


def test_a_role_that_may_only_select_is_enough(board: Board, registry: Path) -> None:
    """A role without rights is denied; with SELECT on the schema's tables it can answer."""
    board.add("pay", "charge", input_data={"amount": 1})
    board.sql("CREATE ROLE just_reads")
    reader = {"SPECQL_JOBS_DSN": make_conninfo(board.dsn, options="-c role=just_reads")}
    arguments = ("validate", str(registry), "--against-queue", "-o", "json")
    try:
        assert specql_jobs(*arguments, env=reader).code == 4
        board.sql("GRANT USAGE ON SCHEMA jobs TO just_reads")
        board.sql("GRANT SELECT ON ALL TABLES IN SCHEMA jobs TO just_reads")
        said = specql_jobs(*arguments, env=reader)
        assert (said.code, said.data["summary"]["queued_jobs"]) == (0, 1)
    finally:
        board.sql("DROP OWNED BY just_reads")
        board.sql("DROP ROLE just_reads")


def test_an_empty_queue_is_fine(board: Board, registry: Path) -> None:
    """Nothing queued, nothing to say."""
    said = check(board, registry)
    assert (said.code, said.data["summary"]["queued_jobs"]) == (0, 0)


def test_a_registry_with_errors_is_not_held_against_the_queue(board: Board, registry: Path) -> None:
    """Its own findings come first, and what was not done is said."""
    registry.write_text(REGISTRY.replace("timeout: 30s", "timeout: soon"))
    said = board("validate", str(registry), "--against-queue")
    assert (said.code, "the queue was not looked at" in said.err) == (1, True)


def test_a_commit_and_the_queue_together(board: Board, tmp_path: Path) -> None:
    """What a change breaks, and the jobs that it would hit, are told in one run."""
    repository = new_repository(tmp_path / "work", REGISTRY)
    repository.write(REGISTRY.replace("      refund: {input_schema: {id: string}}\n", ""))
    board.add("pay", "refund", input_data={"id": "a"})
    said = repository.validate("--diff-base", "HEAD", "--against-queue", "-o", "json", SPECQL_JOBS_DSN=board.dsn)
    assert [(each["code"], each["line"]) for each in said.data["findings"]] == [("SQJ703", 2), ("SQJ731", 2)]
    assert (said.data["summary"]["breaking"], said.data["summary"]["queued_jobs"]) == (1, 1)


@pytest.mark.parametrize(
    ("dsn", "code", "error"),
    [("host=127.0.0.1 port=1 user=a dbname=b", 5, "E502"), ("", 2, "E213")],
)
def test_without_a_database_it_says_so(registry: Path, tmp_path: Path, dsn: str, code: int, error: str) -> None:
    """An unreachable database is exit 5 and none at all exit 2; without the flag neither matters."""
    env = {"SPECQL_JOBS_DSN": dsn, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    said = specql_jobs("validate", str(registry), "--against-queue", "-o", "json", env=env, folder=tmp_path)
    assert (said.code, said.error["code"]) == (code, error)
    assert specql_jobs("validate", str(registry), env=env, folder=tmp_path).code == 0


def test_a_database_without_the_schema_is_unavailable(empty_dsn: str, registry: Path) -> None:
    """A database that was never migrated is exit 5."""
    said = specql_jobs("validate", str(registry), "--against-queue", "-o", "json", env={"SPECQL_JOBS_DSN": empty_dsn})
    assert (said.code, said.error["code"]) == (5, "E503")
