"""`logs`: captured output by attempt, marked, safe on a terminal, followed to the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.board import Board
from support.cli import answering, write_registry
from support.processes import Started

UNKNOWN = "0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d"
HOSTILE = "red \x1b[31m and \x1b[2J gone\nsecond\n"


def _say(board: Board, id_: str, lease: int, stream: str, text: str, **more: object) -> None:
    board.sql(
        "INSERT INTO jobs.tb_job_log (job_id, lease_seq, chunk, stream, content, truncated)"
        " SELECT %s, %s, count(*), %s, %s, %s FROM jobs.tb_job_log WHERE job_id = %s AND lease_seq = %s",
        *(id_, lease, stream, text, bool(more.get("truncated")), id_, lease),
    )


def _attempt(board: Board, id_: str, lease: int, number: int) -> None:
    board.sql(
        "INSERT INTO jobs.tb_job_attempt (job_id, lease_seq, attempt, worker_id, started_at, error_category)"
        " VALUES (%s, %s, %s, 'w1', now(), 'timeout')",
        *(id_, lease, number),
    )


@pytest.fixture
def tried(board: Board) -> str:
    """A job that completed with its second attempt; both said something."""
    id_ = board.add(status="completed", attempts=2, lease_seq=2)
    _attempt(board, id_, 1, 1)
    _say(board, id_, 1, "stdout", "first try\n")
    _say(board, id_, 1, "stderr", "no luck\n")
    _say(board, id_, 2, "stdout", "one\ntwo\nthree\n")
    _say(board, id_, 2, "stderr", "hm\n", truncated=True)
    return id_


def test_the_last_attempt_with_its_streams_marked(board: Board, tried: str) -> None:
    """Without flags the last attempt is shown, each line with its stream; what was cut is told on stderr."""
    said = board("logs", tried)
    assert said.out == "stdout| one\nstdout| two\nstdout| three\nstderr| hm\n"
    assert "stderr of attempt 2 was cut" in said.err
    assert said.code == 0


def test_attempts_are_chosen(board: Board, tried: str) -> None:
    """`--attempt` picks one, `--all-attempts` shows all with a line above each; the two exclude each other."""
    assert board("logs", tried, "--attempt", "1").out == "stdout| first try\nstderr| no luck\n"
    every = board("logs", tried, "--all-attempts").out.splitlines()
    assert [line for line in every if line.startswith("==>")] == [
        f"==> {tried}  pay.ok  attempt 1 <==",
        f"==> {tried}  pay.ok  attempt 2 <==",
    ]
    silent = board.add(status="completed", attempts=3, lease_seq=3)
    _say(board, silent, 3, "stdout", "at last\n")
    said = board("logs", silent, "--attempt", "1")
    assert (said.code, "that one left no output; attempt 3 did" in said.err) == (0, True)
    assert board("logs", tried, "--attempt", "1", "--all-attempts").code == 2


def test_an_attempt_that_there_is_not(board: Board, tried: str) -> None:
    """`--attempt` of a number that no named job has had is exit 3 and names those there are; one job's is enough."""
    error = board("logs", tried, "--attempt", "7", "-o", "json").error
    assert (error["code"], error["exit_code"]) == ("E302", 3)
    assert error["message"].endswith("has had no attempt 7, only attempts 1, 2")
    fresh = board.add()
    assert "no attempt 1, nor any other" in board("logs", fresh, "--attempt", "1", "-o", "json").error["message"]
    said = board("logs", tried, fresh, "--attempt", "1")
    assert (said.code, "first try" in said.out, f"{fresh}: no attempt has started yet" in said.err) == (0, True, True)
    assert "none of these 2 jobs" in board("logs", tried, fresh, "--attempt", "9").err


def test_following_says_how_each_ended(board: Board, tried: str) -> None:
    """At the end of -f stderr has one line for each job, with the error, and the sums; the exit code stays 0."""
    failed = board.add(status="failed", error_category="timeout", error_message="too slow")
    said = board("logs", "-f", tried, failed)
    assert said.code == 0
    assert said.err.splitlines()[-3:] == [
        f"{tried}  completed  pay.ok",
        f"{failed}  failed  pay.ok  timeout: too slow",
        "of these jobs 1 completed, 1 failed",
    ]
    assert board("logs", "-f", tried).err.splitlines()[-1] == f"{tried}  completed  pay.ok"
    assert "completed" not in board("logs", tried).err


def test_a_part_of_it(board: Board, tried: str) -> None:
    """`--stream` and `--tail` bound what is shown, for each job apart."""
    assert board("logs", tried, "--stream", "stderr").out == "stderr| hm\n"
    assert board("logs", tried, "--tail", "2").out == "stdout| three\nstderr| hm\n"
    assert board("logs", tried, "--tail", "0").out == ""


def test_documents(board: Board, tried: str) -> None:
    """JSON has the output by attempt; jsonl has one object a line and ends with a summary."""
    (job,) = board("logs", tried, "--all-attempts", "-o", "json").data
    assert [each["attempt"] for each in job["attempts"]] == [1, 2]
    assert job["attempts"][1]["output"][1]["truncated"] is True
    assert job["note"] is None
    lines = [json.loads(line) for line in board("logs", tried, "-o", "jsonl").out.splitlines()]
    assert [each.get("line") for each in lines] == ["one", "two", "three", "hm", None]
    assert lines[-1] == {"type": "summary", "jobs": 1, "lines": 4}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": "pending"}, "no attempt has started yet"),
        ({"status": "running", "lease_seq": 1}, "attempt 1 is running; its output is kept when the attempt ends"),
        ({"status": "completed", "lease_seq": 1}, "left no output"),
    ],
)
def test_no_output_is_explained(board: Board, columns: dict[str, object], words: str) -> None:
    """Nothing captured is exit 0 with an empty stdout and the reason on stderr, and in the document."""
    id_ = board.add(**columns)  # type: ignore[arg-type] # the columns of one row
    said = board("logs", id_)
    assert (said.code, said.out) == (0, "")
    assert words in said.err
    assert words in board("logs", id_, "-o", "json").data[0]["note"]


def test_unknown_and_unfit(board: Board, tried: str) -> None:
    """An unknown id is exit 3, --raw beside a document exit 2."""
    assert board("logs", tried, UNKNOWN, "-o", "json").error["code"] == "E301"
    assert board("logs", tried, "--raw", "-o", "json").code == 2
    assert Board("postgresql://me@127.0.0.1:1/app")("logs", tried).code == 5


def test_control_characters(board: Board) -> None:
    """They are shown as text; --raw in a pipe has the bytes as they came."""
    id_ = board.add(status="completed", lease_seq=1)
    _say(board, id_, 1, "stdout", HOSTILE)
    assert board("logs", id_).out == "stdout| red \\x1b[31m and \\x1b[2J gone\nstdout| second\n"
    assert "\x1b" not in board("logs", id_, "-o", "json").out + board("logs", id_, "-o", "jsonl").out
    assert board("logs", id_, "--raw").out == HOSTILE


def test_following_until_the_end(board: Board, spawn: Callable[..., Started]) -> None:
    """-f shows each attempt's output once it is there, goes on over a retry, and ends with the job."""
    id_ = board.add(status="running", lease_seq=1)
    process = spawn("logs", id_, "-f", env={"SPECQL_JOBS_DSN": board.dsn})
    process.wait_for("attempt 1 is running")
    _say(board, id_, 1, "stdout", "first\n")
    _attempt(board, id_, 1, 1)
    process.wait_for("stdout| first")
    _say(board, id_, 2, "stderr", "second\n")
    board.sql("UPDATE jobs.tb_job_run SET status = 'completed', attempts = 2, lease_seq = 2, completed_at = now()")
    assert process.finish() == 0
    assert process.stdout == ["stdout| first\n", f"==> {id_}  pay.ok  attempt 2 <==\n", "stderr| second\n"]


def test_output_outlives_the_worker(board: Board, tmp_path: Path, spawn: Callable[..., Started]) -> None:
    """What an attempt captured is in the database: it is shown when the worker has gone."""
    with answering() as url:
        registry = str(write_registry(tmp_path, url))
        env = {"SPECQL_JOBS_DSN": board.dsn, "PAY_TOKEN": "tok-0123456789"}
        id_ = board("enqueue", "pay.no", "-r", registry, "-q").out.strip()
        assert spawn("worker", "-r", registry, "--until-empty", env=env).finish() == 0
    said = board("logs", id_, "--stream", "http")
    assert said.out.startswith("http| ")
    assert "tok-0123456789" not in said.out
