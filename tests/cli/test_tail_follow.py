"""`tail -f`: over the loss of the database, with the jobs' output, to its end."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from support.board import Board
from support.postgres import Server
from support.processes import Started


def _end(board: Board, id_: str, output: str = "") -> None:
    """End a running job as a worker does: its output and its status with one commit."""
    board.sql(
        "WITH said AS (INSERT INTO jobs.tb_job_log (job_id, lease_seq, chunk, stream, content)"
        " SELECT id, lease_seq, 0, 'stdout', %s FROM jobs.tb_job_run WHERE id = %s AND %s <> '')"
        " UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now(), updated_at = now() WHERE id = %s",
        *(output, id_, output, id_),
    )


@pytest.mark.parametrize("stop", ["restart", "crash"])
def test_the_gap_of_a_restart_is_replayed(own_server: Server, spawn: Callable[..., Started], stop: str) -> None:
    """After PostgreSQL was restarted or killed the tail goes on where it stood, says so, and repeats nothing."""
    board = Board(own_server.dsn)
    before = board.add(status="running", lease_seq=1)
    process = spawn("tail", "-f", "-o", "jsonl", "--max", "2", env={"SPECQL_JOBS_DSN": own_server.dsn})
    process.wait_for(before)
    getattr(own_server, stop)()
    _end(board, before)
    process.wait_for("-- reconnected after ")
    after = board.add()
    assert process.finish() == 0
    lines = [json.loads(line) for line in process.stdout]
    assert [(each.get("id"), each.get("event")) for each in lines[:3]] == [
        (before, "running"),
        (before, "completed"),
        (after, "enqueued"),
    ]
    assert lines[3] == {"type": "summary", "events": 3}
    assert "waiting 60 s for it" in process.said()
    assert "replayed --" in process.said()


def test_a_database_that_stays_away(own_server: Server, spawn: Callable[..., Started]) -> None:
    """`wait` gives up after its patience: exit 5 with a code and the word that it waited."""
    board = Board(own_server.dsn)
    id_ = board.add()
    process = spawn("wait", id_, "--timeout", "5s", env={"SPECQL_JOBS_DSN": own_server.dsn})
    follows = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'specql-jobs wait'"
    process.wait_until(lambda: board.sql(follows), "it is connected")
    assert own_server.private is not None
    own_server.private.leave()
    assert process.finish(60) == 5
    assert "error[E502 db-unreachable]" in process.said()


def test_output_stands_before_the_end_of_its_attempt(board: Board, spawn: Callable[..., Started]) -> None:
    """--logs shows what a job wrote before the event that ends the attempt, under a line that names both."""
    first, second = (board.add(status="running", lease_seq=1) for _ in "ab")
    process = spawn("tail", "-f", "--logs", "--max", "2", env={"SPECQL_JOBS_DSN": board.dsn})
    process.wait_for(second)
    _end(board, first, "hello \x1b[2J\nworld\n")
    process.wait_for("world")
    _end(board, second, "other\n")
    assert process.finish() == 0
    lines = [line.rstrip("\n") for line in process.stdout[2:]]
    assert lines[0] == f"==> {first}  pay.ok  attempt 1 <=="
    assert lines[1:3] == ["stdout| hello \\x1b[2J", "stdout| world"]
    assert "completed" in lines[3]
    assert first in lines[3]
    assert lines[4:6] == [f"==> {second}  pay.ok  attempt 1 <==", "stdout| other"]


def test_output_as_json_lines(board: Board) -> None:
    """Log lines and events of a jsonl stream are told apart by their type."""
    id_ = board.add(status="running", lease_seq=1)
    _end(board, id_, "one\ntwo\n")
    lines = [json.loads(line) for line in board("tail", "--logs", "-o", "jsonl").out.splitlines()]
    assert [each["type"] for each in lines] == ["log", "log", "event", "summary"]
    assert [each.get("line") for each in lines[:2]] == ["one", "two"]
    assert board("tail", "--logs", "-o", "json").code == 2
    assert board("tail", "--logs", "-o", "tsv").code == 2


def test_quiet_for_long_enough(board: Board) -> None:
    """--until-idle ends the following with 0 when nothing has happened for so long; also where nothing ever did."""
    assert board("tail", "-f", "--until-idle", "1s").code == 0
    id_ = board.add()
    said = board("tail", "-f", "--until-idle", "0s", "-o", "jsonl")
    assert [json.loads(line)["type"] for line in said.out.splitlines()] == ["event", "summary"]
    assert id_ in said.out
    assert board("tail", "-f", "--until-idle", "soon").code == 2


def test_a_stream_that_fails_says_so_as_json() -> None:
    """A jsonl stream that cannot begin or go on ends with the error as an object, beside the talk on stderr."""
    said = Board("postgresql://me@127.0.0.1:1/app")("logs", "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d", "-o", "jsonl")
    assert said.code == 5
    assert "error[E502" in said.err
    (line,) = map(json.loads, said.out.splitlines())
    assert (line["type"], line["error"]["code"]) == ("error", "E502")
