"""What a job or a host may do to its worker: kill it, freeze it, give it a wrong clock. Nothing is applied twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from support.dockerjobs import running
from support.http_target import HttpTarget, Seen, Wire
from support.processes import Started
from support.queue import Queue, queue
from support.registries import far_end
from support.require import require
from support.shelljobs import folder
from support.waiting import until, until_async

__all__ = ["folder"]

Spawn = Callable[..., Started]

SHELL: Final = """
services:
  box:
    execution_type: shell
    security_policy: {{allowed_commands: [/bin/sh]}}
    operations:
      work:
        timeout: 300
        argv: [/bin/sh, -c, "echo $SPECQL_JOB_LEASE; test $SPECQL_JOB_LEASE -gt 1 || sleep 300; : {mark}"]
"""
#: Preloaded, it shifts a process's wall clock; the monotonic one stays, as it would on a host with a wrong clock.
FAKETIME: Final = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
PATIENCE: Final = 60.0


async def _is(value: object) -> object:
    return value


async def _count(it: Queue, condition: str) -> int:
    (row,) = await it.rows(f"SELECT count(*) AS n FROM jobs.tb_job_run WHERE {condition}")
    return int(row["n"])


async def _bury_the_dead(it: Queue, living: list[Started]) -> None:
    """Make the heartbeats of killed workers old, so that no test has to wait until they are."""
    pids = [worker.pid for worker in living if worker.running]
    aged = "UPDATE jobs.tb_worker SET heartbeat_at = heartbeat_at - interval '1 minute' WHERE pid <> ALL (%s)"
    await it.rows(aged, pids)


async def test_a_job_that_kills_its_workers_ends_and_its_neighbours_live(
    dsn: str, spawn: Spawn, tmp_path: Path
) -> None:
    """At the third worker that it takes down the job is failed as crash_loop; each job beside it is completed."""
    async with queue(dsn) as it, HttpTarget() as target:
        workers: list[Started] = []

        async def poison(_seen: Seen, wire: Wire) -> None:
            workers[-1].send(signal.SIGKILL)
            await wire.hung_up()

        target.script("/poison", poison)
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "far", work={"timeout": 120}, poison={"timeout": 120}))
        (bad,) = await it.rows("SELECT jobs.enqueue('far', 'poison', '{\"n\": 0}', priority => 9) AS id")
        for n in range(40):
            await it.rows("SELECT jobs.enqueue('far', 'work', jsonb_build_object('n', %s::int))", n)

        async def ended() -> bool:
            if not workers or not workers[-1].running:
                await _bury_the_dead(it, workers)
                words = ("--registry", str(file), "--concurrency", "4", "--dsn", dsn)
                workers.append(spawn("worker", *words))
            await it.rows("UPDATE jobs.tb_job_run SET run_at = now() WHERE status = 'pending' AND run_at > now()")
            return await _count(it, "completed_at IS NULL") == 0

        await until_async(ended, "every job has ended", PATIENCE)
        row = await it.job(bad["id"])
        assert (row["status"], row["error_category"], row["crash_count"]) == ("failed", "crash_loop", 3)
        assert await _count(it, "status = 'completed'") == 40
    assert len([seen for seen in target.requests if seen.target == "/poison"]) == 3
    assert len(workers) == 4


async def test_a_worker_that_was_frozen_ends_its_jobs_when_it_wakes(dsn: str, spawn: Spawn, folder: Path) -> None:
    """Its process went on while it slept: awake, it finds its job taken, kills the process and applies nothing."""
    require("sandbox", os.geteuid() == 0 and Path("/usr/bin/bwrap").exists(), "bubblewrap, or root, is missing")
    mark = uuid4().hex
    async with queue(dsn) as it:
        file = folder / "services.yaml"
        file.write_text(SHELL.format(mark=mark))
        (job,) = await it.rows("SELECT jobs.enqueue('box', 'work') AS id")
        frozen = spawn("worker", "--registry", str(file), "--dsn", dsn)
        await until_async(lambda: _is(running(mark)), "the job runs", PATIENCE)
        frozen.pause()
        other = spawn("worker", "--registry", str(file), "--dsn", dsn)
        await asyncio.to_thread(other.wait_for, "worker_started")
        await _bury_the_dead(it, [other])
        await until_async(lambda: _count(it, "status = 'completed'"), "the other has completed it", PATIENCE)
        before = await it.job(job["id"])
        assert running(mark)
        frozen.resume()
        await asyncio.to_thread(frozen.wait_for, "worker_fenced")
        await asyncio.to_thread(until, lambda: not running(mark), "the woken worker's process ends", PATIENCE)
        await asyncio.to_thread(frozen.wait_for, "settle_lost")
        assert await it.job(job["id"]) == before
        assert frozen.running
    assert (before["lease_seq"], before["crash_count"]) == (3, 1)


async def test_processes_drain_when_their_parent_is_killed(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """Nobody could stop them any more, and whoever starts the parent again would have twice as many."""
    async with queue(dsn) as it, HttpTarget() as target:
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "far", work={"timeout": 120}, poison={"timeout": 120}))
        pool = spawn("worker", "--registry", str(file), "--dsn", dsn, "--processes", "2")

        async def in_state(state: str) -> bool:
            rows = await it.rows("SELECT worker_id FROM jobs.tb_worker WHERE state = %s", state)
            return len(rows) == 2

        await until_async(lambda: in_state("running"), "both processes work", PATIENCE)
        await asyncio.to_thread(pool.kill)
        await until_async(lambda: in_state("stopped"), "both have signed off", PATIENCE)
        assert "process_replaced" not in pool.said()


async def test_a_workers_wrong_clock_changes_nothing(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """The queue's clock is the database's: workers hours off run what is due, wait for the rest, and are not lost."""
    require("faketime", FAKETIME is not None, "libfaketime is not installed (apt-get install faketime)")
    env = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    async with queue(dsn) as it, HttpTarget() as target:
        file = tmp_path / "services.yaml"
        file.write_text(far_end(target.url, "far", work={"timeout": 120}, poison={"timeout": 120}))
        later = "SELECT jobs.enqueue('far', 'work', '{\"n\": 1}', run_at => now() + interval '1 hour') AS id"
        (waiting,) = await it.rows(later)
        words = ("worker", "--registry", str(file), "--dsn", dsn)
        ahead, behind = (spawn(*words, env={**env, "FAKETIME": shift}) for shift in ("+3h", "-3h"))
        for worker in (ahead, behind):
            await asyncio.to_thread(worker.wait_for, "worker_started")
        assert (_hours_off(ahead), _hours_off(behind)) == (3, -3)
        for n in range(50):
            await it.rows("SELECT jobs.enqueue('far', 'work', jsonb_build_object('n', %s::int))", n)
        await until_async(lambda: _has(it, 50), "what is due is completed", PATIENCE)
        beats = await it.rows("SELECT heartbeat_at > now() - interval '1 minute' AS fresh, state FROM jobs.tb_worker")
        assert [tuple(row.values()) for row in beats] == [(True, "running")] * 2
        assert (await it.job(waiting["id"]))["status"] == "pending"


async def _has(it: Queue, count: int) -> bool:
    return await _count(it, "status = 'completed'") == count


def _hours_off(worker: Started) -> int:
    """By how much the clock of a worker's log is wrong."""
    said = datetime.fromisoformat(worker.said().split()[0])
    return round((said - datetime.now(UTC)).total_seconds() / 3600)
