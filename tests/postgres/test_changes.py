"""A bulk change on its way: what it holds between batches, who may drive it, what happens to times and dependents."""

from __future__ import annotations

import asyncio
from uuid import UUID

from support.queue import Queue, queue

from specql_jobs.core.store import changes, db


async def failed(it: Queue, count: int) -> list[UUID]:
    """Have so many failed jobs; return their ids, the oldest first."""
    rows = await it.rows(
        "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at, created_at) "
        "SELECT 'svc', 'op', 'failed', now(), now() + n * interval '1 ms' FROM generate_series(1, %s) n "
        "RETURNING id, created_at",
        count,
    )
    return [row["id"] for row in sorted(rows, key=lambda row: row["created_at"])]


async def opened(it: Queue, ids: list[UUID], kind: str = "retry", rate: float | None = None) -> int:
    """Write a change down and return its number."""
    order = changes.Order(kind=kind, actor="mo", reason="", selector={}, plan="", rate=rate)
    return await changes.open_change(it.connection, order, ids)


async def driven(connection: db.Connection, change: int) -> int:
    """Make a change; return how many jobs it met."""
    return sum([met async for met in changes.drive(connection, change)])


async def statuses(it: Queue) -> dict[str, int]:
    """Return how many jobs there are by status."""
    rows = await it.rows("SELECT status, count(*) AS jobs FROM jobs.tb_job_run GROUP BY 1")
    return {row["status"]: row["jobs"] for row in rows}


async def test_between_two_batches_nothing_is_locked(dsn: str) -> None:
    """After every batch its outcomes are committed with its rows, and any session may lock every job at once."""
    async with queue(dsn) as it, await db.connect(dsn, "other") as other:
        change = await opened(it, await failed(it, 2 * changes.BATCH + 1))
        met = []
        async for jobs in changes.drive(it.connection, change):
            met.append(jobs)
            async with other.transaction():
                await other.execute("SET LOCAL lock_timeout = '1s'")
                await other.execute("SELECT FROM jobs.tb_job_run FOR UPDATE NOWAIT")
            tally = (await changes.tally(other, change)).outcomes
            assert tally.get("retried") == (await statuses(it))["pending"] == sum(met)
        assert met == [changes.BATCH, changes.BATCH, 1]


async def test_a_claim_beside_a_change_takes_no_wait(dsn: str) -> None:
    """What one batch holds in an open transaction, a claim passes over: it gets the other jobs at once."""
    async with queue(dsn) as it, await db.connect(dsn, "changing") as changing:
        change = await opened(it, await failed(it, 10))
        free = await it.add()
        async with changing.transaction():
            assert await driven(changing, change) == 10
            assert [job.id for job in await it.claim("w1", 50)] == [free]
        assert len(await it.claim("w1", 50)) == 10


async def test_two_that_drive_one_change_meet_each_job_once(dsn: str) -> None:
    """A resumed change whose first client still lives is no harm: they take turns."""
    async with queue(dsn) as it, await db.connect(dsn, "first") as first, await db.connect(dsn, "second") as second:
        change = await opened(it, await failed(it, 3 * changes.BATCH), rate=1000)
        met = await asyncio.gather(driven(first, change), driven(second, change))
        assert sum(met) == 3 * changes.BATCH
        rows = await it.rows("SELECT count(DISTINCT run_at) AS moments FROM jobs.tb_job_run")
        assert rows[0]["moments"] == 3 * changes.BATCH


async def test_times_of_a_late_resumption_do_not_bunch(dsn: str) -> None:
    """A change with a rate that stood still for an hour goes on from now, one interval after another."""
    async with queue(dsn) as it:
        change = await opened(it, await failed(it, 5), rate=0.5)
        await it.rows("UPDATE jobs.tb_change SET next_at = now() - interval '1 hour'")
        assert await driven(it.connection, change) == 5
        rows = await it.rows(
            "SELECT extract(epoch FROM run_at - min(run_at) OVER ()) AS at FROM jobs.tb_job_run ORDER BY 1"
        )
        assert [float(row["at"]) for row in rows] == [0, 2, 4, 6, 8]
        (row,) = await it.rows("SELECT min(run_at) > now() - interval '1 minute' AS late FROM jobs.tb_job_run")
        assert row["late"]


async def test_a_dependent_that_was_met_before_its_dependency(dsn: str) -> None:
    """A dependent in an earlier batch stays failed until the batch with its dependency brings it back."""
    async with queue(dsn) as it:
        child, *_, parent = await failed(it, changes.BATCH + 1)
        await it.rows("INSERT INTO jobs.tb_job_dependency VALUES (%s, %s, 'failed')", child, parent)
        await it.rows("UPDATE jobs.tb_job_run SET on_dependency_failure = 'fail' WHERE id = %s", child)
        await it.rows("UPDATE jobs.tb_job_run SET has_dependents = true WHERE id = %s", parent)
        ids = [row["id"] for row in await it.rows("SELECT id FROM jobs.tb_job_run ORDER BY created_at")]
        change = await opened(it, ids)
        batches = changes.drive(it.connection, change)
        await anext(batches)
        assert (await changes.tally(it.connection, change)).outcomes["dependency_failed"] == 1
        assert [met async for met in batches] == [1]
        assert (await changes.tally(it.connection, change)).outcomes == {"retried": changes.BATCH + 1}
        assert await statuses(it) == {"pending": changes.BATCH + 1}


async def test_what_is_gone_when_its_turn_comes(dsn: str) -> None:
    """A job that was pruned or ended otherwise meanwhile is counted as what it is, and the rest goes on."""
    async with queue(dsn) as it:
        gone, done, *others = await failed(it, 5)
        change = await opened(it, [gone, done, *others], kind="discard")
        await it.rows("DELETE FROM jobs.tb_job_run WHERE id = %s", gone)
        await it.rows("UPDATE jobs.tb_job_run SET status = 'completed' WHERE id = %s", done)
        await driven(it.connection, change)
        outcomes = (await changes.tally(it.connection, change)).outcomes
        assert outcomes == {"not_found": 1, "already_completed": 1, "discarded": 3}


async def test_a_held_dependent_does_not_stop_a_change(dsn: str) -> None:
    """A batch that would wait for a dependent's row too long is left for later, and given up as locked in the end."""
    async with queue(dsn) as it, await db.connect(dsn, "other") as other:
        parent, child = await failed(it, 2)
        await it.rows("INSERT INTO jobs.tb_job_dependency VALUES (%s, %s, 'failed')", child, parent)
        await it.rows("UPDATE jobs.tb_job_run SET on_dependency_failure = 'fail' WHERE id = %s", child)
        await it.rows("UPDATE jobs.tb_job_run SET has_dependents = true WHERE id = %s", parent)
        change = await opened(it, [parent])
        async with other.transaction():
            await other.execute("SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE", (child,))
            assert await driven(it.connection, change) == 0
        assert (await changes.tally(it.connection, change)).outcomes == {"locked": 1}
        assert await statuses(it) == {"failed": 2}
