"""`db status`: counts, sizes, and what hinders the queue; each concern is mended by what it says to type."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.board import Board
from support.queue import Queue, queue

from specql_jobs.core.errors import Conflict
from specql_jobs.core.store import concerns, health, migrate
from specql_jobs.core.store.db import connect
from specql_jobs.core.store.health import Count, Health

SQL = Path(__file__).parent.parent / "fixtures" / "sql"


async def found(it: Queue) -> dict[str, concerns.Concern]:
    """Return what hinders this queue, by code."""
    return {each.code: each for each in concerns.concerns(await health.look(it.connection))}


async def test_a_small_queue_is_counted_exactly(dsn: str) -> None:
    """Every status is counted, scheduled jobs are not ready, and the oldest ready one is as old as its run_at."""
    async with queue(dsn) as it:
        await it.add_many(3)
        await it.add(delay_seconds=3600)
        await it.rows("UPDATE jobs.tb_job_run SET run_at = now() - interval '1 hour' WHERE run_at <= now()")
        seen = await health.look(it.connection)
        assert (seen.jobs["pending"], seen.ready) == (Count(4, exact=True), 3)
        assert seen.oldest_ready_seconds == pytest.approx(3600, abs=60)
        assert seen.jobs["failed"] == Count(0, exact=True)


async def test_a_large_queue_is_estimated(dsn: str) -> None:
    """Beyond what is counted, ended jobs come from the statistics and say so; open and failed ones stay exact."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, status, started_at, completed_at, worker_id) "
            "SELECT 's', 'o', CASE WHEN n % 4 = 0 THEN 'failed' ELSE 'completed' END, now(), now(), 'w' "
            "FROM generate_series(1, 4000) AS n"
        )
        assert (await health.look(it.connection, -1)).jobs["completed"] == Count(None, exact=False)
        await it.rows("ANALYZE jobs.tb_job_run")
        jobs = (await health.look(it.connection, -1)).jobs
        assert (jobs["failed"], jobs["running"]) == (Count(1000, exact=True), Count(0, exact=True))
        assert (jobs["completed"].exact, jobs["completed"].jobs) == (False, pytest.approx(3000, rel=0.05))


@asynccontextmanager
async def held_snapshot(dsn: str) -> AsyncIterator[int]:
    """Hold a snapshot in a session called `report`; yield its process id."""
    other = await connect(dsn, "report")
    try:
        await other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await other.execute("SELECT 1 FROM jobs.tb_worker")
        yield other.info.backend_pid
    finally:
        await other.close()


async def test_a_held_snapshot_is_named_with_who_holds_it(dsn: str) -> None:
    """The session is named by process and application; what is to be typed once it is old ends it."""
    async with queue(dsn) as it, held_snapshot(dsn) as pid:
        (row,) = (await health.look(it.connection)).snapshots
        assert (row["kind"], row["name"], row["application"]) == ("session", str(pid), "report")
        (concern,) = concerns.concerns(_health(snapshots=[row | {"seconds": 400.0}]))
        assert f"session {pid} (report) holds a snapshot for 400 s" in concern.message
        await it.rows(concern.fix)
        await it.until(lambda: _none_is_held(it), "the session has ended")


async def _none_is_held(it: Queue) -> bool:
    return not (await health.look(it.connection)).snapshots


async def _free_of(it: Queue, code: str) -> bool:
    return code not in await found(it)


async def test_a_young_snapshot_is_shown_and_is_no_concern(dsn: str) -> None:
    """Every query holds a snapshot for a moment: only a long one hinders."""
    async with queue(dsn) as it, held_snapshot(dsn):
        assert (await health.look(it.connection)).snapshots
        assert "snapshot-held" not in await found(it)


async def test_an_index_of_somebody_elses_is_a_concern(dsn: str) -> None:
    """An index on every row costs each claim and settle, and the fix drops it; partial ones, keys and ours stay."""
    async with queue(dsn) as it:
        assert "index-costly" not in await found(it)
        await it.rows("CREATE INDEX theirs ON jobs.tb_job_run (service_name)")
        await it.rows("CREATE INDEX spared ON jobs.tb_job_run (service_name) WHERE status = 'failed'")
        await it.rows("ALTER TABLE jobs.tb_job_run ADD CONSTRAINT theirs_too UNIQUE (identifier)")
        concern = (await found(it))["index-costly"]
        assert "jobs.theirs is no index of ours" in concern.message
        await it.rows(concern.fix.partition("    ")[0])
        assert "index-costly" not in await found(it)


@pytest.mark.parametrize("name", ["older_table.sql", "later_table.sql"])
async def test_an_adopted_table_keeps_no_costly_index(empty_dsn: str, name: str) -> None:
    """Of the indexes that SpecQL made, none is left that each claim and settle would have to write to, but its keys."""
    text = (SQL / name).read_text().replace("\\i older_table.sql", (SQL / "older_table.sql").read_text())
    async with queue(empty_dsn) as it:
        await it.connection.execute(text.encode())
        await migrate.migrate(it.connection)
        assert "index-costly" not in await found(it)
        whole = [row["name"] for row in (await health.look(it.connection)).indexes if not row["partial"]]
        assert sorted(whole) == ["tb_job_run_identifier_key", "tb_job_run_pkey"]


async def test_autovacuum_that_is_off_is_a_concern(dsn: str) -> None:
    """A table that nobody vacuums is named, with the statement that turns it on."""
    async with queue(dsn) as it:
        await it.rows("ALTER TABLE jobs.tb_job_run SET (autovacuum_enabled = false)")
        concern = (await found(it))["autovacuum-off"]
        await it.rows(concern.fix.partition("    ")[0])
        assert "autovacuum-off" not in await found(it)


async def test_jobs_without_a_worker_and_silent_workers(dsn: str) -> None:
    """Ready jobs that nobody claims, and a worker that nobody hears, each say what to start."""
    async with queue(dsn) as it:
        await it.add()
        assert (await found(it))["no-worker"].fix == "specql-jobs worker"
        async with it.working():
            await it.until(lambda: _free_of(it, "no-worker"), "the worker is known")
        await it.rows(
            "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, heartbeat_at) "
            "VALUES ('w', 'h', 1, '0', 1, 1, now() - interval '20 seconds')"
        )
        assert (await found(it))["workers-silent"].fix == "specql-jobs rescue"


def _health(**changes: Any) -> Health:
    workers = {"alive": 1, "draining": 0, "silent": 0, "lost": 0}
    well = Health(jobs={}, ready=0, oldest_ready_seconds=None, workers=workers, pauses=[], unattended=False,
                  tables=[], indexes=[], snapshots=[],
                  transactions=0, freeze_at=200_000_000, sees_all=True)  # fmt: skip
    return replace(well, **changes)


TABLE = {
    "name": "tb_job_run", "autovacuum": True, "dead_rows": 0, "vacuum_at": 1000.0, "last_analyze": "now",
    "heap_bytes": 2**30, "expected": 2.0**30,
}  # fmt: skip
INDEX = {
    "name": "ix_tb_job_run_claim", "bytes": 8192, "entries": 1.0, "valid": True, "constrains": False, "partial": True,
    "scans": 1,
}  # fmt: skip
SLOT = {"kind": "slot", "name": "o'lap", "application": "", "seconds": None, "transactions": 2_000_000}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tables": [TABLE | {"dead_rows": 50_000}]}, "vacuum-late"),
        ({"tables": [TABLE | {"last_analyze": None}]}, "never-analyzed"),
        ({"tables": [TABLE | {"expected": 2.0**28}]}, "table-bloated"),
        ({"indexes": [INDEX | {"bytes": 2**26, "entries": 200.0}]}, "index-bloated"),
        ({"indexes": [INDEX | {"valid": False}]}, "index-invalid"),
        ({"transactions": 400_000_000}, "wraparound"),
        ({"snapshots": [SLOT]}, "snapshot-held"),
    ],
)  # fmt: skip
def test_each_concern_has_its_sign(changes: dict[str, Any], code: str) -> None:
    """One sign makes one concern, with a sentence and something to type; a healthy queue has none."""
    assert concerns.concerns(_health(tables=[TABLE], indexes=[INDEX])) == []
    (concern,) = concerns.concerns(_health(**changes))
    assert concern.code == code
    assert concern.message
    assert "o'lap" not in concern.fix


async def test_a_locked_table_is_a_conflict_and_no_wait(dsn: str) -> None:
    """While a migration holds the table, status ends with 6 and a query that finds who holds it."""
    async with queue(dsn) as it, await connect(dsn) as other:
        await other.execute("BEGIN; LOCK TABLE jobs.tb_job_run")
        with pytest.raises(Conflict) as caught:
            await asyncio.wait_for(health.look(it.connection), 30)
        (row,) = await it.rows(caught.value.hint)
        assert row["pid"] == other.info.backend_pid


def test_status_for_people_and_programs(dsn: str) -> None:
    """Text names jobs, workers, snapshot and tables; JSON holds to its schema; -v lists the indexes."""
    board = Board(dsn)
    board.add()
    said = board("db", "status")
    assert said.code == 0
    assert "jobs       pending 1   running 0" in said.out
    assert "try: specql-jobs worker" in said.out
    assert "ix_tb_job_run_failed" in board("db", "status", "-v").out
    data = board("db", "status", "-o", "json").data
    assert data["queue"]["jobs"]["pending"] == {"jobs": 1, "exact": True}
    assert [each["code"] for each in data["queue"]["concerns"]] == ["no-worker"]
