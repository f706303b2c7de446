"""`worker` as a process: what it refuses to start with, how signals end it, how it reloads, what its probes say."""

from __future__ import annotations

import asyncio
import signal
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from support.cli import Said, specql_jobs
from support.http_target import HttpTarget, Seen, Wire, reply
from support.processes import Started
from support.queue import Queue, queue
from support.registries import far_end
from support.waiting import until, until_async

from specql_jobs.core.store import db

Spawn = Callable[..., Started]


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A registry whose server nobody listens on."""
    file = tmp_path / "services.yaml"
    file.write_text(far_end("http://127.0.0.1:9", "echo", say={"timeout": 60}))
    return file


def test_a_worker_needs_a_registry_and_a_database(services: Path, tmp_path: Path) -> None:
    """Missing registry, bad registry and missing DSN are exit 2, each with a code, before anything is connected."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("services: [")
    dsn = "postgresql://x@127.0.0.1:1/x"
    assert specql_jobs("worker", "--dsn", dsn, "--registry", str(tmp_path / "none.yaml")).code == 2
    said = specql_jobs("worker", "--dsn", dsn, "--registry", str(bad))
    assert (said.code, "SQJ001" in said.err) == (2, True)
    said = specql_jobs("worker", "--registry", str(services))
    assert (said.code, "E213" in said.err) == (2, True)


def test_an_unreachable_database_is_exit_5_at_once(services: Path) -> None:
    """A worker does not wait for a database that was never there; its password is not shown."""
    said = specql_jobs("worker", "--registry", str(services), "--dsn", "postgresql://u:hunter22@127.0.0.1:1/x")
    assert (said.code, "E502" in said.err) == (5, True)
    assert "hunter22" not in said.err + said.out


def test_a_database_without_the_schema_is_exit_5(empty_dsn: str, services: Path) -> None:
    """The message says how to migrate."""
    said = specql_jobs("worker", "--registry", str(services), "--dsn", empty_dsn)
    assert said.code == 5
    assert "db migrate" in said.err


async def test_a_schema_from_the_future_is_exit_6(dsn: str, services: Path) -> None:
    """An older worker refuses a newer breaking schema."""
    async with await db.connect(dsn) as connection:
        await connection.execute("INSERT INTO jobs.tb_schema_migration VALUES (9999, '9999_future', true, now())")
    said = specql_jobs("worker", "--registry", str(services), "--dsn", dsn)
    assert (said.code, "E610" in said.err) == (6, True)


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (("--types", "teleport"), 2, "http, shell"),
        (("--types", ","), 2, "--types is empty"),
        (("--services", "nobody"), 3, "echo"),
        (("--types", "docker"), 5, "doctor"),
        (("--health", "nonsense"), 2, "HOST:PORT"),
        (("--drain-timeout", "soon"), 2, "soon"),
        (("--concurrency", "0"), 2, "concurrency"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    dsn: str, services: Path, flags: tuple[str, ...], code: int, says: str
) -> None:
    """Each wrong flag is one sentence and the right exit code; the worker does not start."""
    said = specql_jobs("worker", "--registry", str(services), "--dsn", dsn, *flags)
    assert said.code == code
    assert says in said.err
    assert "worker_started" not in said.err


async def test_sigterm_drains_and_a_cut_drain_gives_back(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """SIGTERM with nothing to do is exit 0; with a job that outlives the drain it is exit 1, and the job is pending."""
    async with queue(dsn) as it, HttpTarget() as target:
        held = _held(target)
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "echo", say={"timeout": 60}))
        idle = spawn("worker", "--registry", str(file), "--dsn", dsn, "-o", "json")
        idle.wait_for("worker_started")
        idle.terminate()
        assert await _ended(idle) == 0
        assert Said(0, "".join(idle.stdout), "").data == {"drained": True}
        busy = spawn("worker", "--registry", str(file), "--dsn", dsn, "--drain-timeout", "1s")
        busy.wait_for("worker_started")
        await it.rows("SELECT jobs.enqueue('echo', 'say')")
        await until_async(held, "the job is under way")
        busy.terminate()
        assert await _ended(busy) == 1
        (row,) = await it.rows("SELECT status, attempts, worker_id FROM jobs.tb_job_run")
    assert tuple(row.values()) == ("pending", 0, None)


def _held(target: HttpTarget) -> Callable[[], Awaitable[bool]]:
    """Have the target hold every request; return how to ask whether one is held."""

    async def hold(_seen: Seen, wire: Wire) -> None:
        await wire.hung_up()

    target.script("/say", hold)

    async def asked() -> bool:
        return bool(target.requests)

    return asked


async def _ended(process: Started) -> int:
    return await asyncio.to_thread(process.finish)


async def test_sighup_takes_a_good_registry_and_refuses_a_bad_one(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """After SIGHUP new jobs run under the new registry; a broken file keeps the old one in force and is reported."""
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/say", reply(200, {"from": "old"}))
        target.script("/new", reply(200, {"from": "new"}))
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "echo", say={"timeout": 60}))
        worker = spawn("worker", "--registry", str(file), "--dsn", dsn)
        worker.wait_for("worker_started")
        good = file.read_text().replace("path: /say", "path: /new")
        for text, event, expected in (("services: [", "registry_rejected", "old"), (good, "registry_loaded", "new")):
            before = worker.said().count(event)
            file.write_text(text)
            worker.send(signal.SIGHUP)
            worker.wait_until(partial(_more, worker, event, before), event)
            (row,) = await it.rows("SELECT jobs.enqueue('echo', 'say') AS id")
            await until_async(partial(_output, it, row["id"]), "the job is completed")
            assert await _output(it, row["id"]) == {"from": expected}


async def test_a_reload_leaves_new_execution_types_to_others(dsn: str, spawn: Spawn, services: Path) -> None:
    """A service of a type that was not checked at the start is not claimed; its jobs stay pending, they do not fail."""
    container = (
        "\n  box: {execution_type: docker, runner_config: {image: 'a:1'}, operations: {run: {input_schema: {}}}}\n"
    )
    async with queue(dsn) as it:
        worker = spawn("worker", "--registry", str(services), "--dsn", dsn)
        worker.wait_for("worker_started")
        services.write_text(services.read_text().rstrip() + container)
        worker.send(signal.SIGHUP)
        worker.wait_until(partial(_more, worker, "registry_loaded", 1), "the reload")
        (left,) = await it.rows("SELECT jobs.enqueue('box', 'run') AS id")
        (probe,) = await it.rows("SELECT jobs.enqueue('nobody', 'run', priority => -1) AS id")
        await until_async(partial(_failed, it, probe["id"]), "what is claimed after it has failed")
        row = await it.job(left["id"])
    assert row["status"] == "pending"


async def _failed(it: Queue, id_: UUID) -> bool:
    return bool((await it.job(id_))["status"] == "failed")


def _more(worker: Started, event: str, before: int) -> bool:
    return worker.said().count(event) > before


async def _output(it: Queue, id_: UUID) -> object:
    return (await it.job(id_))["output_data"]


def test_probes_say_whether_the_worker_claims(dsn: str, spawn: Spawn, services: Path) -> None:
    """/healthz is 200 while the process lives, /readyz while it claims; everything else is 404."""
    worker = spawn("worker", "--registry", str(services), "--dsn", dsn, "--health", "127.0.0.1:0")
    worker.wait_for("health_listening")
    address = next(word for word in worker.said().split() if word.startswith("address=")).removeprefix("address=")
    until(lambda: _status(f"http://{address}/readyz") == 200, "ready")
    assert _status(f"http://{address}/healthz") == 200
    assert _status(f"http://{address}/secrets") == 404
    worker.terminate()
    assert worker.finish() == 0


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_several_processes_share_the_work_and_end_together(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """--processes 2: two identities, jobs run, one SIGTERM drains both, exit 0."""
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/say", reply(200, {}))
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "echo", say={"timeout": 60}))
        pool = spawn("worker", "--registry", str(file), "--dsn", dsn, "--processes", "2")
        pool.wait_until(lambda: pool.said().count("worker_started") == 2, "both have started")
        for _ in range(20):
            await it.rows("SELECT jobs.enqueue('echo', 'say')")

        async def done() -> bool:
            (row,) = await it.rows("SELECT bool_and(status = 'completed') AS yes FROM jobs.tb_job_run")
            return bool(row["yes"])

        await until_async(done, "all jobs are completed")
        pool.terminate()
        assert await _ended(pool) == 0
        (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_worker WHERE state = 'stopped'")
    assert row["n"] == 2
