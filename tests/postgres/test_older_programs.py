"""An older worker beside ours, on a table that was taken over: its own statements work, and touch no lease of ours."""

from __future__ import annotations

import asyncio

import pytest
from support.older_installation import TABLES, build, commerce, place_order, table_sql
from support.older_worker import OlderWorker
from support.queue import queue

from specql_jobs.core.store import db, migrate

ROWS = (
    "INSERT INTO jobs.tb_job_run (identifier, service_name, operation, status, attempts, started_at, created_at) "
    "VALUES ('failed once', 'svc', 'op', 'failed', 1, '2024-01-01', '2024-01-01'), "
    "('stuck', 'svc', 'op', 'running', 1, '2024-01-02', '2024-01-02'), "
    "('waits', 'svc', 'op', 'pending', 0, NULL, '2024-01-03')"
)


async def _adopted(dsn: str, table: str) -> None:
    build(dsn, table, ROWS)
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)


@pytest.mark.parametrize("directly", [False, True], ids=["functions", "own-sql"])
@pytest.mark.parametrize("table", TABLES)
async def test_the_older_worker_goes_on_after_the_migration(empty_dsn: str, table: str, *, directly: bool) -> None:
    """It starts, completes, fails and tries again on both tables: a way back needs no second migration."""
    await _adopted(empty_dsn, table)
    older = OlderWorker(empty_dsn, directly)
    assert (older.try_again(), older.give_back("2025-01-01")) == (1, 1)
    for _ in range(2):
        job = older.take()
        assert job
        older.complete(job, {"by": "the older one"})
    last = older.take()
    assert last
    older.fail(last, "no")
    async with queue(empty_dsn) as it:
        rows = await it.rows("SELECT status, completed_at, worker_id FROM jobs.tb_job_run ORDER BY identifier")
    assert [(row["status"], row["worker_id"]) for row in rows] == [
        ("completed", "external"),
        ("completed", "external"),
        ("failed", "external"),
    ]
    assert all(row["completed_at"] for row in rows)


@pytest.mark.parametrize("directly", [False, True], ids=["functions", "own-sql"])
async def test_both_at_once_run_each_job_once(empty_dsn: str, *, directly: bool) -> None:
    """Whoever takes a job first has it: neither worker is given what the other one holds."""
    await _adopted(empty_dsn, "later_table.sql")
    older = OlderWorker(empty_dsn, directly)
    async with queue(empty_dsn) as it:
        await it.add_many(60)
        took, _ = await asyncio.gather(asyncio.to_thread(_take_all, older), it.drain(concurrency=4))
        rows = await it.rows("SELECT id::text, worker_id FROM jobs.tb_job_run WHERE status = 'completed'")
    theirs = {row["id"] for row in rows if row["worker_id"] == "external"}
    assert theirs == set(took)
    ours = {job for job, _ in it.puppet.ran}
    assert (len(took), len(it.puppet.ran), ours & theirs) == (len(theirs), len(ours), set())
    assert len(ours) + len(theirs) == 61


def _take_all(older: OlderWorker) -> list[str]:
    took = []
    while job := older.take():
        older.complete(job, {})
        took.append(job)
    return took


async def test_a_sweep_of_the_older_worker_leaves_our_jobs_alone(dsn: str) -> None:
    """What a worker of ours holds or has failed stays as it is, and the sweep still serves the program's own rows."""
    older = OlderWorker(dsn)
    async with queue(dsn) as it:
        theirs, held, failed = await it.add_many(3)
        await it.rows("UPDATE jobs.tb_job_run SET max_attempts = 3 RETURNING id")
        await it.rows("SELECT jobs.mark_job_started(%s)", theirs)
        older.fail(str(theirs), "no")
        await it.claim("a worker", 2)
        await it.rows(
            "UPDATE jobs.tb_job_run SET status = 'failed', completed_at = now() WHERE id = %s RETURNING id", failed
        )
        assert (older.try_again(), older.give_back("2100-01-01")) == (1, 0)
        for statement in ("SET status = 'failed'", "SET status = 'cancelled'"):
            assert await it.rows(f"UPDATE jobs.tb_job_run {statement} WHERE id = %s RETURNING id", held) == []
        rows = [await it.job(id_) for id_ in (theirs, held, failed)]
    assert [row["status"] for row in rows] == ["pending", "running", "failed"]
    assert rows[1]["worker_id"] == "a worker"


async def test_functions_put_back_by_specqls_sql_do_no_harm(empty_dsn: str) -> None:
    """Whoever applies SpecQL's generated SQL once more has its functions again: they still start and end a job."""
    await _adopted(empty_dsn, "older_table.sql")
    text = table_sql("older_table.sql")
    functions = text[text.index("CREATE OR REPLACE FUNCTION") : text.index("CREATE VIEW")]
    async with queue(empty_dsn) as it:
        await it.connection.execute(functions.encode())
        (row,) = await it.rows("SELECT id FROM jobs.tb_job_run WHERE status = 'pending'")
        await it.rows("SELECT jobs.mark_job_started(%s)", row["id"])
        started = await it.job(row["id"])
        await it.rows("SELECT jobs.fail_job(%s, 'no')", row["id"])
        ended = await it.job(row["id"])
    assert (started["status"], started["worker_id"], started["lease_seq"]) == ("running", "external", 1)
    assert (ended["status"], ended["error_message"], ended["completed_at"] is not None) == ("failed", "no", True)


async def test_a_cancellation_written_by_hand_has_its_time(empty_dsn: str) -> None:
    """The UPDATE that SpecQL's command line suggests for a cancellation ends the job as ours would."""
    await _adopted(empty_dsn, "older_table.sql")
    async with queue(empty_dsn) as it:
        sql = (
            "UPDATE jobs.tb_job_run SET status = 'cancelled', updated_at = now() WHERE status = 'pending' RETURNING id"
        )
        (row,) = await it.rows(sql)
        job = await it.job(row["id"])
    assert (job["status"], job["completed_at"] is not None) == ("cancelled", True)


async def test_the_applications_role_needs_no_new_right(empty_dsn: str) -> None:
    """A role with what it had on the old table calls the compiled action, starts, fails and tries again as before."""
    with commerce(empty_dsn) as role:
        async with await db.connect(empty_dsn) as connection:
            await migrate.migrate(connection)
        job = place_order(empty_dsn, role, "A-1")
        async with queue(empty_dsn) as it:
            await it.connection.execute(f"SET ROLE {role}".encode())
            await it.rows("SELECT jobs.mark_job_started(%s)", job)
            await it.rows("SELECT jobs.fail_job(%s, 'no')", job)
            await it.rows("UPDATE jobs.tb_job_run SET status = 'pending' WHERE id = %s RETURNING id", job)
            await it.connection.execute("RESET ROLE")
            row = (await it.rows("SELECT status, attempts FROM jobs.tb_job_run WHERE id = %s", job))[0]
    assert (row["status"], row["attempts"]) == ("pending", 1)
