"""Migrations create the schema, adopt both older tables with rows in them, and refuse what they cannot do whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.queue import queue

from specql_jobs.core.errors import Conflict, SchemaAbsent, SpecqlJobsError
from specql_jobs.core.store import db, migrate

SQL = Path(__file__).parent.parent / "fixtures" / "sql"


async def _older(dsn: str, name: str, *, rows: bool = True) -> list[dict[str, Any]]:
    """Make an older installation and return its rows."""
    text = (SQL / name).read_text().replace("\\i older_table.sql", (SQL / "older_table.sql").read_text())
    async with await db.connect(dsn) as connection:
        await connection.execute(text.encode())
        if rows:
            await connection.execute((SQL / "rows.sql").read_bytes())
        return await (await connection.execute("SELECT * FROM jobs.tb_job_run ORDER BY identifier")).fetchall()


async def _migrated(dsn: str) -> list[dict[str, Any]]:
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)
        return await (await connection.execute("SELECT * FROM jobs.tb_job_run ORDER BY identifier")).fetchall()


@pytest.mark.parametrize("name", ["older_table.sql", "later_table.sql"])
async def test_an_older_table_keeps_every_row(empty_dsn: str, name: str) -> None:
    """10,000 rows of an older table are all there afterwards, with the same data; only gaps were filled."""
    before = await _older(empty_dsn, name)
    after = await _migrated(empty_dsn)
    assert len(before) == len(after) == 10_000
    filled = {"attempts", "completed_at", "updated_at", "started_at"}
    for old, new in zip(before, after, strict=True):
        same = {key: new[key] for key in old if key not in filled or old[key] is not None}
        assert same == {key: value for key, value in old.items() if key in same}


@pytest.mark.parametrize("name", ["older_table.sql", "later_table.sql"])
async def test_adopted_pending_rows_run(empty_dsn: str, name: str) -> None:
    """The pending rows of an adopted table are claimed and completed; running ones of other programs are left alone."""
    await _older(empty_dsn, name)
    await _migrated(empty_dsn)
    async with queue(empty_dsn) as it:
        await it.drain(concurrency=200)
        counted = await it.rows("SELECT status, count(*) AS n FROM jobs.tb_job_run GROUP BY status")
    assert {row["status"]: row["n"] for row in counted} == {
        "completed": 6000,
        "failed": 2000,
        "cancelled": 1000,
        "running": 1000,
    }
    assert len(it.puppet.ran) == 1000


async def test_sql_compiled_by_todays_specql_runs_unchanged(empty_dsn: str) -> None:
    """A direct INSERT with an upper-case execution type and stringified configuration is accepted and executed."""
    await _older(empty_dsn, "later_table.sql", rows=False)
    await _migrated(empty_dsn)
    async with queue(empty_dsn) as it:
        (row,) = await it.rows(
            "INSERT INTO jobs.tb_job_run (identifier, idempotency_key, service_name, operation, input_data, tenant_id, "
            "triggered_by, correlation_id, entity_type, entity_pk, max_attempts, timeout_seconds, execution_type, "
            "runner_config, security_context) VALUES ('Order_1_svc_op', 'Order_1_svc_op', 'svc', 'op', "
            "jsonb_build_object('output', jsonb_build_object('ok', true)), gen_random_uuid(), gen_random_uuid(), '1', "
            "'Order', '1', 3, 300, 'HTTP', '{}'::jsonb, '{}'::jsonb) RETURNING id"
        )
        await it.drain()
        job = await it.job(row["id"])
    assert (job["status"], job["execution_type"], job["output_data"]) == ("completed", "http", {"ok": True})


async def test_the_compatibility_functions_settle_only_what_they_started(dsn: str) -> None:
    """mark_job_started, complete_job_successfully and fail_job work as before, and cannot touch a worker's lease."""
    async with queue(dsn) as it:
        done, broken, leased = await it.add_many(3)
        for id_ in (done, broken):
            await it.rows("SELECT jobs.mark_job_started(%s)", id_)
        claim = await it.claim("a worker", 1)
        assert [job.id for job in claim] == [leased]
        for id_ in (done, leased):
            await it.rows("SELECT jobs.complete_job_successfully(%s, %s)", id_, '{"by": "hand"}')
        for id_ in (broken, leased):
            await it.rows("SELECT jobs.fail_job(%s, %s)", id_, "no")
        rows = [await it.job(id_) for id_ in (done, broken, leased)]
    assert [row["status"] for row in rows] == ["completed", "failed", "running"]
    assert [row["attempts"] for row in rows] == [1, 1, 1]


async def test_migrating_twice_and_at_once_is_the_same_as_once(empty_dsn: str) -> None:
    """Concurrent migrators wait for each other; a second run has nothing to do."""
    reports = await asyncio.gather(*(_report(empty_dsn) for _ in range(3)))
    applied = [report.applied for report in reports if report.applied]
    assert len(applied) == 1
    assert (await _report(empty_dsn)).applied == ()


async def _report(dsn: str) -> migrate.MigrationReport:
    async with await db.connect(dsn) as connection:
        return await migrate.migrate(connection)


async def test_a_failing_migration_leaves_nothing_behind(empty_dsn: str) -> None:
    """When one statement fails, the database is as it was: whole or not at all."""
    async with await db.connect(empty_dsn) as connection:
        await connection.execute("CREATE SCHEMA jobs; CREATE VIEW jobs.tb_job_run AS SELECT 1 AS id")
        with pytest.raises(SpecqlJobsError):
            await migrate.migrate(connection)
        sql = "SELECT relname FROM pg_class WHERE relnamespace = 'jobs'::regnamespace"
        found = await (await connection.execute(sql)).fetchall()
    assert [row["relname"] for row in found] == ["tb_job_run"]


async def test_a_newer_breaking_schema_is_refused(dsn: str) -> None:
    """A database that a newer version changed in a breaking way is not worked with; a compatible one is."""
    async with await db.connect(dsn) as connection:
        insert = "INSERT INTO jobs.tb_schema_migration (number, name, breaking) VALUES (%s, %s, %s)"
        await connection.execute(insert, (9001, "9001_harmless", False))
        await migrate.require_current(connection)
        await connection.execute(insert, (9002, "9002_breaking", True))
        with pytest.raises(Conflict, match="9002_breaking"):
            await migrate.require_current(connection)


async def test_status_counts_what_is_pending(empty_dsn: str) -> None:
    """An empty database is at version 0 with every migration pending, and using it says how to migrate."""
    async with await db.connect(empty_dsn) as connection:
        status = await migrate.status(connection)
        assert (status.version, len(status.pending)) == (0, len(migrate.migrations()))
        with pytest.raises(SchemaAbsent) as caught:
            await migrate.require_current(connection)
    assert "db migrate" in caught.value.hint


def test_migrations_are_numbered_without_a_gap() -> None:
    """Files are 0001, 0002, …; each says whether it is breaking, why it is there, and what it locks."""
    found = migrate.migrations()
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))
    for migration in found:
        head = migration.sql.splitlines()[:3]
        assert [line.split(":")[0] for line in head] == ["-- breaking", "-- why", "-- locks"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ck_status_known", "status = 'dead'"),
        ("ck_running_has_worker", "status = 'running', worker_id = 'w'"),
        ("ck_open_is_unfinished", "completed_at = now()"),
        ("ck_completed_has_time", "status = 'completed'"),
        ("ck_counts_not_negative", "attempts = -1"),
        ("ck_execution_type_known", "execution_type = 'teleport'"),
        ("ck_pending_has_no_worker", "worker_id = 'w'"),
        ("ck_max_attempts_positive", "max_attempts = 0"),
    ],
)
async def test_the_database_holds_the_state_machine_too(dsn: str, name: str, change: str) -> None:
    """Each invariant of a row is a named CHECK, so that no program can write what the code would never write."""
    async with queue(dsn) as it:
        await it.add()
        with pytest.raises(psycopg.errors.CheckViolation, match=name):
            await it.rows(f"UPDATE jobs.tb_job_run SET {change} RETURNING id")
