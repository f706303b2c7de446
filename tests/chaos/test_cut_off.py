"""A worker cut off from a Postgres that lives on: it stops its jobs before another worker may take them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from support.postgres import PostgresAbsent, serve_private
from support.queue import Queue, queue
from support.relay import Relay
from support.require import require
from support.waiting import PATIENCE

from specql_jobs.core.errors import DatabaseUnavailable
from specql_jobs.core.store import db, migrate

#: Only 15 s after its start do Postgres' free locks prove anything; rescue needs about 4 s then.
RESCUE_PATIENCE = 40.0


async def _old_enough(it: Queue) -> Any:
    (row,) = await it.rows("SELECT now() - pg_postmaster_start_time() > interval '16 seconds' AS yes")
    return row["yes"]


async def _is(value: object) -> object:
    return value


async def test_a_refusing_proxy_is_not_taken_for_a_postgres_that_is_down(dsn: str) -> None:
    """Where the way to Postgres is refused, the worker has stopped its job when another worker starts it."""
    async with Relay(dsn) as relay, queue(dsn) as near, queue(dsn) as far:
        await near.until(lambda: _old_enough(near), "Postgres is up for 16 s")
        far.dsn = relay.dsn
        cut_off = far.worker(patience=PATIENCE)
        running = asyncio.create_task(cut_off.run())
        id_ = await near.add('{"wait": 600}')
        await near.until(lambda: _is(len(cut_off.slots) == 1), "the far worker runs the job")
        async with near.working(drain_timeout=0.1):
            await relay.cut()
            while not near.puppet.ran:
                await asyncio.sleep(0)
                overlap = len(cut_off.slots)
            assert overlap == 0
        cut_off.stop()
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(running, RESCUE_PATIENCE)
        row = await near.job(id_)
    assert (row["crash_count"], len(far.puppet.ran), len(near.puppet.ran)) == (1, 1, 1)


async def test_after_a_failover_a_free_lock_proves_nothing(dsn: str) -> None:
    """A worker whose own connection was lost leaves others 15 s to come back, though their locks are free."""
    async with queue(dsn) as it:
        await it.until(lambda: _old_enough(it), "Postgres is up for 16 s")
        async with it.working() as worker:
            await it.until(lambda: _is(worker.ready), "the worker is ready")
            await it.store.register(_slower(worker.identity.row))
            await it.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE '%worker pulse' AND datname = current_database()"
            )
            await it.until(lambda: _beats_after(it, 6), "the worker beats on, 6 s after the other has stopped")
            (other,) = await it.rows("SELECT state FROM jobs.tb_worker WHERE worker_id = 'slower'")
            assert other["state"] == "running"
            await it.until(lambda: _is_lost(it), "the other is lost in the end")


def _slower(row: dict[str, Any]) -> dict[str, Any]:
    """Return a worker that reconnects later than the one of `row`."""
    return {**row, "worker_id": "slower", "lock_key": 78}


async def _beats_after(it: Queue, seconds: int) -> bool:
    rows = await it.rows(
        "SELECT 1 AS yes FROM jobs.tb_worker w, jobs.tb_worker slower WHERE slower.worker_id = 'slower' "
        "AND w.worker_id <> 'slower' AND w.heartbeat_at > slower.heartbeat_at + %s * interval '1 s'",
        seconds,
    )
    return bool(rows)


async def _is_lost(it: Queue) -> bool:
    return bool(await it.rows("SELECT 1 AS yes FROM jobs.tb_worker WHERE worker_id = 'slower' AND state = 'lost'"))


async def _waits_for_work(it: Queue) -> bool:
    return bool(await it.rows("SELECT 1 AS yes FROM jobs.tb_worker WHERE waiting"))


async def _status_is(it: Queue, id_: UUID, status: str) -> bool:
    return bool((await it.job(id_))["status"] == status)


async def test_a_claim_whose_answer_is_lost_is_given_back(dsn: str) -> None:
    """Committed, but never heard of: the worker finds the job under its name, gives it back and runs it once."""
    async with Relay(dsn) as relay, queue(dsn) as near, queue(dsn) as far, queue(dsn) as other:
        far.dsn = relay.dsn
        async with far.working():
            # Its first claim is two questions, to prepare it and to execute it: muted between them, it claims nothing.
            await near.until(lambda: _waits_for_work(near), "the worker has claimed once and found nothing")
            id_ = await near.add(delay_seconds=1.0)
            await other.rows("BEGIN")
            await other.rows("LOCK TABLE jobs.tb_job_run IN SHARE ROW EXCLUSIVE MODE")
            await near.until(lambda: near.waits_for_a_lock("claim"), "the claim waits for the table")
            relay.mute()
            await other.rows("COMMIT")
            await near.until(lambda: _status_is(near, id_, "running"), "the claim is committed")
            await relay.break_off()
            await near.until(lambda: _status_is(near, id_, "completed"), "the job is completed")
            row = await near.job(id_)
    assert (row["attempts"], row["crash_count"], row["lease_seq"]) == (1, 0, 3)
    assert far.puppet.ran == [(str(id_), 3)]


async def test_a_settlement_whose_answer_is_lost_is_written_once(dsn: str) -> None:
    """Committed, but never heard of: writing it again changes nothing, and the job is not run again."""
    async with Relay(dsn) as relay, queue(dsn) as near, queue(dsn) as far, queue(dsn) as other:
        far.dsn = relay.dsn
        async with far.working() as worker:
            id_ = await near.add('{"wait": 1, "output": {"n": 1}}')
            await near.until(lambda: _is(len(worker.slots) == 1), "the job runs")
            await other.rows("BEGIN")
            await other.rows("SELECT id FROM jobs.tb_job_run FOR UPDATE")
            await near.until(lambda: near.waits_for_a_lock("settle"), "the settlement waits for the row")
            relay.mute()
            await other.rows("COMMIT")
            await near.until(lambda: _status_is(near, id_, "completed"), "the settlement is committed")
            before = await near.job(id_)
            await relay.break_off()
            later = await near.add()
            await near.until(lambda: _status_is(near, later, "completed"), "the worker goes on")
            assert await near.job(id_) == before
    assert [job_id for job_id, _ in far.puppet.ran] == [str(id_), str(later)]
    assert worker.settler.lost == 0


async def test_a_planned_restart_of_postgres_interrupts_no_job() -> None:
    """The server says that it goes down: nobody can take the job meanwhile, so it runs on and is settled afterwards."""
    try:
        with serve_private() as server:
            async with await db.connect(server.dsn) as connection:
                await migrate.migrate(connection)
            async with queue(server.dsn) as it:
                id_ = await it.add('{"wait": 3}')
                worker = it.worker()
                task = asyncio.create_task(worker.run())
                await it.until(lambda: _is(len(worker.slots) == 1), "the job runs")
            await asyncio.to_thread(server.restart)
            async with queue(server.dsn) as again:
                await again.until(lambda: _status_is(again, id_, "completed"), "the job is completed")
                row = await again.job(id_)
            worker.stop()
            await asyncio.wait_for(task, PATIENCE)
    except PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))
    assert (row["attempts"], row["lease_seq"], row["crash_count"], len(it.puppet.ran)) == (1, 1, 0, 1)
