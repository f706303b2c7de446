"""Pruning: only ended jobs of a stated age go, in batches that may stop anywhere, and nothing that is still needed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from support.queue import Queue, queue

from specql_jobs.core.retention import Retention
from specql_jobs.core.store import prune
from specql_jobs.core.store.db import connect

DAY = 86400.0
MONTH = Retention(completed=30 * DAY, failed=90 * DAY)


async def ended(it: Queue, status: str, days: float, *, version: int = 7) -> UUID:
    """Insert one job that ended so many days ago, with the id that it would have got then."""
    then = datetime.now(UTC) - timedelta(days=days)
    id_ = uuid4() if version == 4 else UUID(int=int(then.timestamp() * 1000) << 80 | uuid4().int & (1 << 76) - 1)
    (row,) = await it.rows(
        "INSERT INTO jobs.tb_job_run (id, service_name, operation, status, worker_id, created_at, started_at, "
        "completed_at) VALUES (%s, 'svc', 'op', %s, 'w', %s, %s, %s) RETURNING id",
        id_, status, then, then, then,
    )  # fmt: skip
    return UUID(str(row["id"]))


async def pruned(it: Queue, retention: Retention = MONTH, batch: int = 5000) -> Counter[str]:
    """Walk to the end and return the sum of what was deleted; foreign keys' refusals count as `referenced`."""
    total: Counter[str] = Counter()
    async for done in prune.walk(it.connection, retention, batch):
        total += done.deleted
        total["referenced"] += done.referenced
    return +total


async def left(it: Queue) -> set[UUID]:
    """Return the ids that are still there."""
    return {row["id"] for row in await it.rows("SELECT id FROM jobs.tb_job_run")}


@pytest.mark.parametrize("version", [7, 4])
async def test_only_what_is_older_than_its_status_allows_goes(dsn: str, version: int) -> None:
    """Each status has its own age, a status without one stays for ever, whatever the version of the ids."""
    async with queue(dsn) as it:
        gone = [await ended(it, "completed", 31, version=version), await ended(it, "failed", 91, version=version)]
        kept = [await ended(it, status, days, version=version) for status, days in (
            ("completed", 29), ("failed", 31), ("cancelled", 1000),
        )]  # fmt: skip
        assert await pruned(it) == {"completed": 1, "failed": 1}
        assert await left(it) == set(kept)
        assert not set(gone) & await left(it)


async def test_open_jobs_stay_however_old(dsn: str) -> None:
    """A pending and a running job from years ago are not ended, so they stay even with no time allowed at all."""
    async with queue(dsn) as it:
        waiting, running = await it.add(), await it.add(priority=9)
        await it.claim("w", 1)
        await it.rows("UPDATE jobs.tb_job_run SET created_at = '2001-01-01', updated_at = '2001-01-01'")
        done = await ended(it, "completed", 0)
        assert await pruned(it, Retention(completed=0.0, failed=0.0, cancelled=0.0)) == {"completed": 1}
        assert await left(it) == {waiting, running}
        assert done not in await left(it)


async def test_what_belongs_to_a_job_goes_with_it(dsn: str) -> None:
    """Attempts, captured output and the ledger's lines of a pruned job go; the audit trail stays."""
    async with queue(dsn) as it:
        id_ = await it.add('{"fail": "timeout"}', max_attempts=1)
        await it.drain()
        await it.rows("INSERT INTO jobs.tb_job_log VALUES (%s, 1, 0, 'stdout', 'said')", id_)
        await it.store.retry([id_], "again", "mo")
        await it.store.cancel([id_], "no more", "mo")
        assert await pruned(it, Retention(cancelled=0.0)) == {"cancelled": 1}
        for table in ("tb_job_attempt", "tb_job_log", "tb_change_job", "tb_change"):
            assert await it.rows(f"SELECT 1 AS n FROM jobs.{table}") == [], table
        assert len(await it.rows("SELECT id FROM jobs.tb_audit_event")) == 1


async def test_the_ledger_keeps_what_never_listed_jobs(dsn: str) -> None:
    """Pauses, resumes, breaker resets and prunes, the present one too, stay in the ledger whatever the retention."""
    async with queue(dsn) as it:
        await it.rows("SELECT jobs.pause('svc', reason => 'INC-1'), jobs.resume('svc')")
        await it.rows("INSERT INTO jobs.tb_service_state (service_name, open_until) VALUES ('svc', now())")
        await it.rows("SELECT jobs.reset_breaker('svc')")
        await it.store.cancel([await it.add()], "no more", "mo")
        everything = Retention(completed=0.0, failed=0.0, cancelled=0.0)
        await prune.open_ledger(it.connection, "mo", "audit", everything)
        assert await pruned(it, everything) == {"cancelled": 1}
        kinds = [row["kind"] for row in await it.rows("SELECT kind FROM jobs.tb_change ORDER BY id")]
    assert kinds == ["pause", "resume", "breaker_reset", "prune"]


async def test_a_parent_of_an_open_job_stays(dsn: str) -> None:
    """A job that has ended long ago stays while a child of it is pending, and goes after that."""
    async with queue(dsn) as it:
        parent, child = await ended(it, "completed", 100), await it.add()
        await it.rows("UPDATE jobs.tb_job_run SET parent_id = %s WHERE id = %s", parent, child)
        assert await pruned(it) == {}
        assert [each.jobs for each in await prune.preview(it.connection, MONTH)] == [0, 0]
        await it.store.cancel([child], "", "mo")
        assert await pruned(it) == {"completed": 1}


async def test_a_key_is_free_again_once_its_job_is_pruned(dsn: str) -> None:
    """An idempotency key means its job for as long as that is kept: after it, the same key makes a new job."""
    async with queue(dsn) as it:
        first = await it.add(idempotency_key="k")
        assert await it.add(idempotency_key="k") == first
        await it.drain()
        await pruned(it, Retention(completed=0.0))
        assert await it.add(idempotency_key="k") != first


async def test_rows_that_others_refer_to_or_hold_are_passed_over(dsn: str) -> None:
    """A foreign key of somebody's own, and a lock, keep their rows; all others of the same batch go."""
    async with queue(dsn) as it, await connect(dsn) as other:
        ids = [await ended(it, "completed", 40) for _ in range(20)]
        await it.rows("CREATE TABLE orders (job uuid REFERENCES jobs.tb_job_run)")
        await it.rows("INSERT INTO orders VALUES (%s), (%s)", ids[3], ids[17])
        async with other.transaction():
            await other.execute("SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE", (ids[9],))
            assert await pruned(it) == {"completed": 17, "referenced": 2}
        assert await left(it) == {ids[3], ids[9], ids[17]}


async def test_a_job_that_is_retried_meanwhile_stays(dsn: str) -> None:
    """Between the look at a page and its deletion a person may retry a job: then it is not ended, and stays."""
    async with queue(dsn) as it:
        id_ = await ended(it, "failed", 100)
        given = await prune._given(it.connection, MONTH)
        await it.store.retry([id_], "", "mo")
        assert (await prune._delete(it.connection, given, [id_])).deleted == {}
        assert (await it.job(id_))["status"] == "pending"


async def test_a_walk_may_stop_after_any_batch(dsn: str) -> None:
    """Each batch is a transaction of its own: what was deleted before the walk stopped stays deleted, and no more."""
    async with queue(dsn) as it:
        for _ in range(10):
            await ended(it, "completed", 40)
        async for done in prune.walk(it.connection, MONTH, 4):
            assert done.deleted == {"completed": 4}
            break
        assert len(await left(it)) == 6
        assert await pruned(it, batch=4) == {"completed": 6}


async def test_a_batch_reads_the_primary_key_and_nothing_else(dsn: str) -> None:
    """However many rows there are, a page is a range of the primary key, and a deletion goes to its rows directly."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at, started_at, worker_id) "
            "SELECT 'svc', 'op', 'completed', now() - interval '40 days', now(), 'w' FROM generate_series(1, 20000)"
        )
        await it.rows("ANALYZE jobs.tb_job_run")
        given = await prune._given(it.connection, MONTH) | {
            "batch": 100, "after": UUID(int=0), "until": UUID(int=(1 << 128) - 1), "ids": list(await left(it))[:100],
        }  # fmt: skip
        for name in ("page", "delete"):
            cursor = await it.connection.execute(f"EXPLAIN {prune._ask.text(name)}".encode(), given)
            plan = "\n".join(row["QUERY PLAN"] for row in await cursor.fetchall())
            assert "Seq Scan on tb_job_run" not in plan, plan
            assert "using tb_job_run_pkey" in plan, plan


async def test_one_worker_prunes_by_itself(dsn: str) -> None:
    """A worker whose host states a retention deletes while it works; a second one leaves the turn to the first."""
    async with queue(dsn) as it, await connect(dsn) as other:
        await ended(it, "completed", 40)
        async with it.working(retention=MONTH):
            await it.until(lambda: _empty(it), "the worker has pruned")
            assert not await prune.take_turn(other)
        await it.until(lambda: prune.take_turn(other), "the turn is free once the worker has ended")


async def test_a_worker_prunes_nothing_unless_told(dsn: str) -> None:
    """Without a stated retention a worker deletes nothing, and takes no turn."""
    async with queue(dsn) as it, await connect(dsn) as other:
        id_ = await ended(it, "completed", 4000)
        await it.add()
        await it.drain()
        assert id_ in await left(it)
        assert await prune.take_turn(other)


async def _empty(it: Queue) -> bool:
    return not await left(it)
