"""Adopting a table that somebody has lived with: constraints, triggers, functions and keys of their own."""

from __future__ import annotations

from typing import Any

import pytest
from support.queue import Queue, queue

from specql_jobs.core.errors import Denied
from specql_jobs.core.store import db, migrate

TABLE = """
CREATE SCHEMA jobs;
CREATE TABLE jobs.tb_job_run (
  {key}, identifier text NOT NULL UNIQUE, idempotency_key text,
  service_name text NOT NULL, operation text NOT NULL, input_data jsonb, output_data jsonb, error_message text,
  status text NOT NULL DEFAULT 'pending', attempts integer DEFAULT 0, max_attempts integer DEFAULT 3,
  timeout_seconds integer, tenant_id uuid, triggered_by uuid, correlation_id text, entity_type text, entity_pk text,
  created_at timestamptz DEFAULT now(), started_at timestamptz, completed_at timestamptz,
  updated_at timestamptz DEFAULT now(){more}
);
"""

INSERT = (
    "INSERT INTO jobs.tb_job_run (identifier, service_name, operation{columns}) VALUES ('one', 'svc', 'op'{values})"
)


async def _adopt(
    dsn: str,
    *,
    before: str = "",
    key: str = "id uuid PRIMARY KEY DEFAULT gen_random_uuid()",
    more: str = "",
    columns: str = "",
    values: str = "",
) -> None:
    """Make such a table with one pending row, and migrate it."""
    async with await db.connect(dsn) as connection:
        await connection.execute(TABLE.format(key=key, more=more).encode())
        await connection.execute(before.encode())
        await connection.execute(INSERT.format(columns=columns, values=values).encode())
        await migrate.migrate(connection)


async def _drained(dsn: str) -> list[dict[str, Any]]:
    async with queue(dsn) as it:
        await it.drain()
        return await it.rows("SELECT status, attempts, max_attempts, crash_count FROM jobs.tb_job_run")


async def test_a_row_with_no_attempts_allowed_does_not_stop_the_queue(empty_dsn: str) -> None:
    """max_attempts 0 or less, which no CHECK of the older tables forbade, becomes one attempt; the row runs."""
    await _adopt(empty_dsn, columns=", max_attempts", values=", 0")
    (row,) = await _drained(empty_dsn)
    assert (row["status"], row["max_attempts"]) == ("completed", 1)


async def test_a_check_that_our_counting_would_break_is_dropped(empty_dsn: str) -> None:
    """A CHECK on a column that workers write gives way: a rescued job counts beyond max_attempts."""
    tries = ", CONSTRAINT tries CHECK (attempts <= max_attempts)"
    await _adopt(empty_dsn, more=tries, columns=", attempts, max_attempts", values=", 3, 3")
    (row,) = await _drained(empty_dsn)
    assert (row["status"], row["attempts"]) == ("completed", 4)


async def test_a_check_on_columns_of_their_own_stays(empty_dsn: str) -> None:
    """A CHECK that no statement of ours can break is kept."""
    await _adopt(empty_dsn, more=", shop text DEFAULT 'a' CONSTRAINT their_own CHECK (shop <> '')")
    async with queue(empty_dsn) as it:
        found = await it.rows("SELECT conname FROM pg_constraint WHERE conname = 'their_own'")
    assert len(found) == 1


async def test_a_deferred_trigger_does_not_stop_the_migration(empty_dsn: str) -> None:
    """Constraint triggers that wait for the commit would forbid ALTER TABLE; they fire at once instead."""
    await _adopt(
        empty_dsn,
        before=(
            "CREATE TABLE seen (id uuid); CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO seen VALUES (NEW.id); RETURN NULL; END $$; "
            "CREATE CONSTRAINT TRIGGER see AFTER UPDATE ON jobs.tb_job_run DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION see()"
        ),
        columns=", attempts",
        values=", NULL",
    )
    assert [row["status"] for row in await _drained(empty_dsn)] == ["completed"]


@pytest.mark.parametrize(
    "function",
    [
        "mark_job_started(p_id uuid) RETURNS void LANGUAGE sql AS ''",
        "fail_job(job uuid, error_message text DEFAULT '') RETURNS void LANGUAGE sql AS ''",
        "complete_job_successfully(a uuid, b jsonb) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    ],
)
async def test_functions_with_other_parameter_names_are_replaced(empty_dsn: str, function: str) -> None:
    """Postgres cannot replace a function whose parameters are named otherwise; ours take the place all the same."""
    await _adopt(empty_dsn, before=f"CREATE FUNCTION jobs.{function}")
    async with queue(empty_dsn) as it:
        (job,) = await it.rows("SELECT id FROM jobs.tb_job_run")
        await it.rows("SELECT jobs.mark_job_started(%s)", job["id"])
        await it.rows("SELECT jobs.complete_job_successfully(%s, %s)", job["id"], "{}")
        await it.rows("SELECT jobs.fail_job(%s, %s)", job["id"], "too late")
        assert (await it.job(job["id"]))["status"] == "completed"


@pytest.mark.parametrize(
    "key",
    [
        "pk_job_run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid UNIQUE DEFAULT gen_random_uuid()",
        "pk_job_run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid DEFAULT gen_random_uuid()",
        "id uuid DEFAULT gen_random_uuid()",
    ],
    ids=["unique", "only-a-column", "no-key"],
)
async def test_a_table_whose_primary_key_is_not_the_id_is_adopted(empty_dsn: str, key: str) -> None:
    """Attempts and logs refer to the job's id, whatever else is the primary key; the id is unique afterwards."""
    await _adopt(empty_dsn, key=key)
    assert [row["status"] for row in await _drained(empty_dsn)] == ["completed"]


async def test_identifiers_that_repeat_are_adopted(empty_dsn: str) -> None:
    """Where somebody dropped the unique constraint, rows of one identifier stay, and more may come."""
    again = INSERT.format(columns="", values="")
    before = f"ALTER TABLE jobs.tb_job_run DROP CONSTRAINT tb_job_run_identifier_key; {again}"
    await _adopt(empty_dsn, before=before)
    async with queue(empty_dsn) as it:
        await it.rows(again)
    assert [row["status"] for row in await _drained(empty_dsn)] == ["completed"] * 3


async def test_views_and_foreign_keys_onto_the_table_are_kept(empty_dsn: str) -> None:
    """What refers to the table goes on referring to it."""
    await _adopt(
        empty_dsn,
        before=(
            "CREATE VIEW mine AS SELECT * FROM jobs.tb_job_run; CREATE TABLE orders "
            "(job uuid REFERENCES jobs.tb_job_run, note text)"
        ),
    )
    async with queue(empty_dsn) as it:
        await it.rows("INSERT INTO orders SELECT id, 'x' FROM mine")
        await it.drain()
        rows = await it.rows("SELECT m.status FROM mine m JOIN orders o ON o.job = m.id")
    assert [row["status"] for row in rows] == ["completed"]


async def test_a_table_of_another_role_is_refused_whole(empty_dsn: str) -> None:
    """A role that does not own the table is told so; nothing was changed."""
    async with await db.connect(empty_dsn) as connection:
        await connection.execute(TABLE.format(key="id uuid PRIMARY KEY", more="").encode())
        await connection.execute("CREATE ROLE sqj_stranger")
        try:
            await connection.execute("GRANT ALL ON SCHEMA jobs TO sqj_stranger")
            await connection.execute(f"GRANT CREATE ON DATABASE {_quoted(connection)} TO sqj_stranger".encode())
            await connection.execute("SET ROLE sqj_stranger")
            found = await migrate.adopted(connection)
            assert found is not None
            assert [each.message for each in found.hindrances] == [f"jobs.tb_job_run belongs to {found.owner}"]
            with pytest.raises(Denied, match="must be owner"):
                await migrate.migrate(connection)
            await connection.execute("RESET ROLE")
            assert (await migrate.status(connection)).version == 0
        finally:
            await connection.execute("RESET ROLE")
            await connection.execute("DROP OWNED BY sqj_stranger")
            await connection.execute("DROP ROLE sqj_stranger")


def _quoted(connection: db.Connection) -> str:
    return f'"{connection.info.dbname}"'


async def test_a_duplicate_id_is_found_before_anything_is_changed(empty_dsn: str) -> None:
    """Where ids are not unique there is nothing to refer to: the migration says so and changes nothing."""
    async with queue(empty_dsn) as it:
        await it.connection.execute(TABLE.format(key="id uuid", more="").encode())
        await _twice(it)
        with pytest.raises(Exception, match="could not create unique index"):
            await migrate.migrate(it.connection)
        assert (await migrate.status(it.connection)).version == 0


async def _twice(it: Queue) -> None:
    for name in ("one", "two"):
        await it.rows(
            "INSERT INTO jobs.tb_job_run (id, identifier, service_name, operation) "
            "VALUES ('00000000-0000-4000-8000-000000000001', %s, 'svc', 'op')",
            name,
        )
