"""Who rescues when: with each heartbeat those who were just lost, now and then whatever was left behind."""

from __future__ import annotations

from uuid import UUID

from support.queue import Queue, queue


async def held_by(it: Queue, worker_id: str, state: str | None) -> UUID:
    """Insert a job that a worker runs; `state` None: the worker has no row any more."""
    id_ = await it.add()
    await it.rows(
        "UPDATE jobs.tb_job_run SET status = 'running', worker_id = %s, started_at = now() WHERE id = %s",
        worker_id,
        id_,
    )
    if state is not None:
        await it.rows(
            "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, state, stopped_at) "
            "VALUES (%s, 'h', 1, '0', 1, 1, %s, now())",
            worker_id,
            state,
        )
    return id_


async def test_whom_others_declared_lost_is_rescued_too(dsn: str) -> None:
    """The worker that declared another lost may die before it takes the jobs: any other does, within a heartbeat."""
    async with queue(dsn) as it, it.working() as worker:
        await it.until(lambda: _alive(it, worker.identity.worker_id), "the worker lives")
        id_ = await held_by(it, "gone", "lost")
        await it.until(lambda: _completed(it, id_), "the job was taken back and run")


async def test_strays_are_rescued_at_a_workers_start(dsn: str) -> None:
    """Jobs of a worker whose row has gone, or that stopped without giving them back, are found by the look at all."""
    async with queue(dsn) as it:
        strays = [await held_by(it, "forgotten", None), await held_by(it, "stopped", "stopped")]
        async with it.working():
            for id_ in strays:
                await it.until(lambda id_=id_: _completed(it, id_), "the stray was taken back and run")  # type: ignore[misc] # bound at once


async def test_a_worker_hears_of_its_own_cancellations_alone(dsn: str) -> None:
    """Which jobs a person wants stopped is asked by id: not of another worker's, and not of ones that have ended."""
    async with queue(dsn) as it:
        mine, theirs, ended = [await held_by(it, worker, None) for worker in ("me", "them", "me")]
        await it.store.cancel([mine, theirs, ended], "", "mo")
        await it.rows("UPDATE jobs.tb_job_run SET status = 'cancelled', completed_at = now() WHERE id = %s", ended)
        assert await it.store.cancel_requests("me", [mine, theirs, ended]) == [mine]


async def _alive(it: Queue, worker_id: str) -> bool:
    return bool(
        await it.rows("SELECT 1 AS yes FROM jobs.tb_worker WHERE worker_id = %s AND state = 'running'", worker_id)
    )


async def _completed(it: Queue, id_: UUID) -> bool:
    return bool((await it.job(id_))["status"] == "completed")
