"""`rescue`, `worker list` and `worker drain`: looking after workers by hand, on real worker processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.board import Board
from support.processes import Started
from support.registries import far_end
from support.waiting import until

Spawn = Callable[..., Started]


def add_worker(board: Board, worker_id: str, state: str = "running", seconds: float = 0.0) -> str:
    """Insert a worker that was heard of so many seconds ago, and return its id."""
    board.sql(
        "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, state, lock_key, concurrency, execution_types, "
        "heartbeat_at, stopped_at) VALUES (%s, 'app-1', 7, '0', %s, 1, 5, '{http}', now() - %s * interval '1 second', "
        "CASE WHEN %s IN ('lost', 'stopped') THEN now() END)",
        worker_id, state, seconds, state,
    )  # fmt: skip
    return worker_id


def hold(board: Board, worker_id: str, jobs: int = 1, **columns: Any) -> list[str]:
    """Insert jobs that a worker runs; return their ids."""
    return [board.add(status="running", worker_id=worker_id, lease_seq=1, **columns) for _ in range(jobs)]


def one(board: Board, id_: str) -> tuple[Any, ...]:
    """Return a job's status, crash count and lease."""
    return board.sql("SELECT status, crash_count, lease_seq FROM jobs.tb_job_run WHERE id = %s", id_)[0]


def test_a_dry_run_shows_what_the_rescue_then_does(board: Board) -> None:
    """-n lists the lost worker and what becomes of each job, and changes nothing; without it just that happens."""
    gone = add_worker(board, "gone", seconds=60)
    again, (worn,) = hold(board, gone, 2), hold(board, gone, crash_count=2)
    rehearsed = board("rescue", "-n", "-o", "json").data
    assert (rehearsed["lost"], rehearsed["dry_run"]) == (["gone"], True)
    assert rehearsed["counts"] == {"rescued": 3, "pending": 2, "failed": 1, "cancelled": 0}
    assert board.status(again[0]) == "running"
    done = board("rescue", "--reason", "disk", "-o", "json").data
    assert {key: done[key] for key in ("lost", "counts", "jobs")} == {
        key: rehearsed[key] for key in ("lost", "counts", "jobs")
    }
    assert [one(board, id_) for id_ in (*again, worn)] == [("pending", 1, 2), ("pending", 1, 2), ("failed", 3, 2)]
    assert "crash_loop" in board("show", worn, "-o", "json").out


def test_the_ledger_says_who_rescued(board: Board) -> None:
    """`show` of a rescued job names the person and the reason."""
    (id_,) = hold(board, add_worker(board, "gone", seconds=60))
    board("rescue", "--reason", "app-2 lost its disk")
    (change,) = board("show", id_, "-o", "json").data[0]["changes"]
    assert (change["kind"], change["actor"], change["reason"]) == ("rescue", "mo", "app-2 lost its disk")
    assert change["outcome"] == "rescued_pending"


def test_a_living_workers_jobs_stay_with_it(board: Board) -> None:
    """Without --force nothing is taken from a worker that was just heard of: exit 6, with what to type instead."""
    (id_,) = hold(board, add_worker(board, "alive"))
    assert board("rescue", "-o", "json").data["counts"]["rescued"] == 0
    said = board("rescue", "--worker", "alive", "-o", "json")
    assert (said.code, said.error["code"]) == (6, "E630")
    assert "holds 1 job" in said.error["message"]
    assert "worker drain alive" in said.error["hint"]
    assert board.status(id_) == "running"


def test_force_takes_them_after_a_yes(board: Board) -> None:
    """--force on a worker that seems alive asks, because its jobs run; with --yes it is lost and they are pending."""
    (id_,), (other,) = hold(board, add_worker(board, "alive")), hold(board, add_worker(board, "neighbour"))
    said = board("rescue", "--worker", "alive", "--force")
    assert (said.code, "E204" in said.err, board.status(id_)) == (2, True, "running")
    said = board("rescue", "--worker", "alive", "--force", "--yes", "-o", "json")
    assert (said.code, said.data["lost"], board.status(id_)) == (0, ["alive"], "pending")
    assert (board.status(other), board.sql("SELECT state FROM jobs.tb_worker WHERE worker_id = 'alive'")) == (
        "running",
        [("lost",)],
    )


def test_an_unknown_worker_is_exit_3(board: Board) -> None:
    """A mistyped id is said to be unknown, by rescue and by drain, and nothing happens."""
    for words in (("rescue", "--worker", "nobody"), ("worker", "drain", "nobody")):
        said = board(*words, "-o", "json")
        assert (said.code, said.error["code"], said.error["hint"]) == (3, "E330", "specql-jobs worker list")


def test_jobs_of_another_program_go_back_only_by_name(board: Board) -> None:
    """`external` proves nothing, so it is never lost by rule; by name and --force its jobs are taken back."""
    (id_,) = hold(board, "external")
    assert board("rescue", "-o", "json").data["jobs"] == []
    assert board("rescue", "--worker", "external").code == 6
    assert board("rescue", "--worker", "external", "--force", "--yes").code == 0
    assert board.status(id_) == "pending"


def test_many_jobs_are_asked_about(board: Board) -> None:
    """More than ten jobs of a lost worker want a yes, and are counted instead of listed."""
    hold(board, add_worker(board, "gone", seconds=60), 11)
    said = board("rescue")
    assert (said.code, "E204" in said.err) == (2, True)
    assert "pending      11  held by gone" in board("rescue", "--yes").out


def test_workers_are_listed(board: Board) -> None:
    """Living ones first; one that nobody hears is `silent`; what it holds and what it may run stands beside it."""
    hold(board, add_worker(board, "a"), 2)
    add_worker(board, "b", seconds=20)
    add_worker(board, "c", "stopped")
    said = board("worker", "list", "-o", "json")
    assert [(each["id"], each["state"], each["held"]) for each in said.data] == [
        ("a", "running", 2), ("b", "silent", 0), ("c", "stopped", 0),
    ]  # fmt: skip
    assert board("worker", "list", "-q").out.split() == ["a", "b", "c"]
    assert "0/5" in board("worker", "list").out
    board.sql("UPDATE jobs.tb_worker SET stopped_at = now() - interval '2 hours' WHERE worker_id = 'c'")
    assert board("worker", "list", "-q").out.split() == ["a", "b"]
    assert board("worker", "list", "-q", "--all").out.split() == ["a", "b", "c"]


def test_draining_says_what_each_is(board: Board) -> None:
    """A running worker is asked; one that drains or has ended is named as that."""
    add_worker(board, "a"), add_worker(board, "b", "draining"), add_worker(board, "c", "stopped")
    said = board("worker", "drain", "a", "b", "c", "-o", "json")
    outcomes = {each["id"]: each["outcome"] for each in said.data["workers"]}
    assert outcomes == {"a": "draining", "b": "already_draining", "c": "already_stopped"}


@dataclass(frozen=True, slots=True)
class Target:
    """A service whose answers wait until the test lets them go."""

    url: str
    release: threading.Event


@pytest.fixture
def target() -> Iterator[Target]:
    """Serve on a thread; whatever is still unanswered at the end is let go."""
    release = threading.Event()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            release.wait(60)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Target(f"http://127.0.0.1:{server.server_port}", release)
    release.set()
    server.shutdown()
    thread.join()
    server.server_close()


def start(spawn: Spawn, board: Board, folder: Path, url: str) -> Started:
    """Start a worker of the echo service, and wait until it is known."""
    (folder / "services.yaml").write_text(far_end(url, "echo", say={"timeout": 60}))
    words = ("worker", "--registry", str(folder / "services.yaml"), "--drain-timeout", "60s")
    process = spawn(*words, env={"SPECQL_JOBS_DSN": board.dsn})
    process.wait_for("worker_started")
    return process


def worker_id(board: Board) -> str:
    """Return the only worker that lives."""
    ((found,),) = board.sql("SELECT worker_id FROM jobs.tb_worker WHERE state = 'running'")
    return str(found)


def test_a_drained_worker_finishes_what_it_runs(board: Board, spawn: Spawn, tmp_path: Path, target: Target) -> None:
    """`worker drain` reaches a worker on any host: it claims nothing more, ends its job, and exits 0."""
    process = start(spawn, board, tmp_path, target.url)
    first = board.add("echo", "say")
    until(lambda: board.status(first) == "running", "the job runs")
    assert board("worker", "drain", worker_id(board)).code == 0
    process.wait_for("drain_requested")
    second = board.add("echo", "say")
    target.release.set()
    assert process.finish() == 0
    assert (board.status(first), board.status(second)) == ("completed", "pending")


def test_a_worker_that_is_declared_lost_stops_its_jobs(
    board: Board, spawn: Spawn, tmp_path: Path, target: Target
) -> None:
    """Rescued by force, a living worker hears of it, stops what it ran, and goes on under another identity."""
    process = start(spawn, board, tmp_path, target.url)
    id_ = board.add("echo", "say")
    until(lambda: board.status(id_) == "running", "the job runs")
    before = worker_id(board)
    assert board("rescue", "--worker", before, "--force", "--yes").code == 0
    process.wait_for("worker_fenced")
    until(lambda: one(board, id_)[1:] == (1, 3), "the job runs again, under the next lease")
    assert worker_id(board) != before
    process.kill()
