"""Workers as real processes, killed and frozen: nothing is lost, nothing is applied twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.http_target import HttpTarget, Seen, Wire, reply
from support.processes import Started
from support.queue import Queue, queue
from support.registries import far_end
from support.waiting import until_async

Spawn = Callable[..., Started]

#: Rescue needs about 4 s once Postgres is up for 15 s; a noisy machine gets more.
RESCUE_PATIENCE = 40.0


class SlowTarget:
    """Holds every request until it is told to answer; then answers all."""

    def __init__(self, target: HttpTarget) -> None:
        self.target = target
        self.answer = asyncio.Event()
        self.held = 0
        target.script("/wait", self._hold)

    async def _hold(self, seen: Seen, wire: Wire) -> None:
        self.held += 1
        await self.answer.wait()
        await reply(200, {"n": seen.json()["n"]})(seen, wire)


async def _worker(spawn: Spawn, it: Queue, file: Path) -> Started:
    process = spawn("worker", "--registry", str(file), "--concurrency", "50", "--dsn", it.dsn)
    await asyncio.to_thread(process.wait_for, "worker_started")
    return process


def _registry(folder: Path, target: HttpTarget) -> Path:
    file = folder / "services.yaml"
    file.write_text(far_end(target.url, "slow", wait={"timeout": 120}))
    return file


async def _settled_for_15_seconds(it: Queue) -> None:
    """For 15 s after its start Postgres' free locks prove nothing, and only the slow rule holds."""

    async def old_enough() -> Any:
        (row,) = await it.rows("SELECT now() - pg_postmaster_start_time() > interval '16 seconds' AS yes")
        return row["yes"]

    await until_async(old_enough, "Postgres is up for 16 s")


async def _statuses(it: Queue) -> dict[str, int]:
    rows = await it.rows("SELECT status, count(*) AS n FROM jobs.tb_job_run GROUP BY status")
    return {row["status"]: row["n"] for row in rows}


async def test_another_worker_finishes_what_a_killed_one_ran(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """kill -9 with 50 jobs running: another worker takes all 50 and completes them, each crash counted once."""
    async with queue(dsn) as it, HttpTarget() as target:
        slow, file = SlowTarget(target), _registry(tmp_path, target)
        await _settled_for_15_seconds(it)
        for n in range(50):
            await it.rows("SELECT jobs.enqueue('slow', 'wait', jsonb_build_object('n', %s::int))", n)
        killed = await _worker(spawn, it, file)
        await until_async(lambda: _is(slow.held == 50), "50 requests are under way")
        rescuer = await _worker(spawn, it, file)
        await asyncio.to_thread(killed.kill)
        (before,) = await it.rows("SELECT clock_timestamp() AS at")
        slow.answer.set()
        await until_async(lambda: _all_completed(it, 50), "all 50 are completed", RESCUE_PATIENCE)
        rows = await it.rows("SELECT crash_count, lease_seq, worker_id, started_at FROM jobs.tb_job_run")
        lost = await it.rows("SELECT error_category FROM jobs.tb_job_attempt")
    assert {(row["crash_count"], row["lease_seq"]) for row in rows} == {(1, 3)}
    assert len({row["worker_id"] for row in rows}) == 1
    assert [attempt["error_category"] for attempt in lost] == ["worker_lost"] * 50
    assert min(row["started_at"] for row in rows) > before["at"]
    assert rescuer.running


async def test_a_frozen_worker_changes_nothing_when_it_wakes(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """A worker stopped by SIGSTOP is superseded after 15 s; woken up, its late result is refused and it starts anew."""
    async with queue(dsn) as it, HttpTarget() as target:
        slow, file = SlowTarget(target), _registry(tmp_path, target)
        await it.rows("SELECT jobs.enqueue('slow', 'wait', '{\"n\": 1}')")
        frozen = await _worker(spawn, it, file)
        await until_async(lambda: _is(slow.held == 1), "the request is under way")
        frozen.pause()
        await _worker(spawn, it, file)
        await until_async(lambda: _is(slow.held == 2), "the other worker has taken the job", RESCUE_PATIENCE)
        slow.answer.set()
        await until_async(lambda: _all_completed(it, 1), "the other worker has completed it")
        (before,) = await it.rows(
            "SELECT worker_id, lease_seq, completed_at, output_data, updated_at FROM jobs.tb_job_run"
        )
        frozen.resume()
        await asyncio.to_thread(frozen.wait_for, "worker_fenced")
        await until_async(lambda: _workers(it, 2), "the woken worker has a new identity")
        (after,) = await it.rows(
            "SELECT worker_id, lease_seq, completed_at, output_data, updated_at FROM jobs.tb_job_run"
        )
    assert after == before
    assert frozen.running


async def test_the_database_may_restart_under_a_worker(dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """Sessions that are terminated under a worker are opened again; what it finished meanwhile is settled."""
    async with queue(dsn) as it, HttpTarget() as target:
        slow, file = SlowTarget(target), _registry(tmp_path, target)
        await it.rows("SELECT jobs.enqueue('slow', 'wait', '{\"n\": 1}')")
        worker = await _worker(spawn, it, file)
        await until_async(lambda: _is(slow.held == 1), "the request is under way")
        for _ in range(3):
            await it.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        slow.answer.set()
        await until_async(lambda: _all_completed(it, 1), "the job is completed")
        (row,) = await it.rows("SELECT attempts, crash_count FROM jobs.tb_job_run")
        worker.terminate()
        code = await asyncio.to_thread(worker.finish)
    assert (row["attempts"], row["crash_count"], code) == (1, 0, 0)


async def _is(value: object) -> object:
    return value


async def _all_completed(it: Queue, count: int) -> bool:
    return await _statuses(it) == {"completed": count}


async def _workers(it: Queue, count: int) -> bool:
    rows = await it.rows("SELECT worker_id FROM jobs.tb_worker WHERE state = 'running'")
    return len(rows) == count
