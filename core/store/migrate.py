"""Forward-only migrations from schemas/migrations, under one advisory lock, applied whole or not at all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import psycopg
from psycopg.sql import SQL

from ..errors import Conflict, SchemaAbsent
from . import adoption
from .db import Connection, translate

#: Two migrators at once wait for each other; nobody else uses this key.
LOCK = (1936745324, 2)

#: A migration that cannot get its lock soon must not queue every other query behind it.
LOCK_TIMEOUT = "5s"

_NAME = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. `breaking`: workers that do not know it must refuse to run."""

    number: int
    name: str
    sql: str
    breaking: bool


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database stands: `version` 0 means that it has no schema of ours."""

    version: int
    expected: int
    pending: tuple[str, ...]
    newer: tuple[str, ...] = ()  # applied by a later specql-jobs and unknown here
    blocked: bool = False  # one of the newer ones is breaking


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration did."""

    applied: tuple[str, ...]
    version: int


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all migrations of this version, in order; their numbers are 1, 2, 3, without a gap."""
    folder = files(__package__.rpartition(".core")[0] + ".schemas").joinpath("migrations")
    found = [_read(item.name, item.read_text("utf-8")) for item in folder.iterdir() if item.name.endswith(".sql")]
    return tuple(sorted(found, key=lambda migration: migration.number))


def _read(file_name: str, sql: str) -> Migration:
    match = _NAME.fullmatch(file_name)
    if match is None:
        raise ValueError(f"migration file {file_name} is not named NNNN_words.sql")
    return Migration(int(match[1]), file_name.removesuffix(".sql"), sql, sql.startswith("-- breaking: yes"))


async def status(connection: Connection) -> SchemaStatus:
    """Return what is applied and what is pending; reads only."""
    applied = await _applied(connection)
    known = {migration.number for migration in migrations()}
    newer = {number: row for number, row in applied.items() if number not in known}
    return SchemaStatus(
        version=max(applied, default=0),
        expected=max(known),
        pending=tuple(m.name for m in migrations() if m.number not in applied),
        newer=tuple(name for name, _ in newer.values()),
        blocked=any(breaking for _, breaking in newer.values()),
    )


async def migrate(connection: Connection) -> MigrationReport:
    """Apply what is pending in one transaction; raise Conflict when the database is newer than this version."""
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)
            await connection.execute(SQL("SET LOCAL lock_timeout = {}").format(LOCK_TIMEOUT))
            return await _apply_pending(connection)
    except psycopg.errors.LockNotAvailable:
        raise Conflict(
            f"a session holds jobs.tb_job_run for longer than {LOCK_TIMEOUT}; nothing was changed",
            hint="stop the workers or wait for the long transaction, then: specql-jobs db migrate",
        ) from None
    except psycopg.Error as error:
        raise translate(error) from None


async def _apply_pending(connection: Connection) -> MigrationReport:
    before = await status(connection)
    _refuse_newer(before)
    todo = [migration for migration in migrations() if migration.name in before.pending]
    if not before.version:
        await adoption.require_adoptable(connection)
    await connection.execute(_LEDGER)
    for migration in todo:
        await connection.execute(SQL(migration.sql))
        await connection.execute(
            "INSERT INTO jobs.tb_schema_migration (number, name, breaking) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.breaking),
        )
    return MigrationReport(before.pending, max(m.number for m in migrations()))


async def adopted(connection: Connection) -> adoption.Adoption | None:
    """Return what the first migration would take over; None where it did so already, or there is nothing."""
    return None if await _applied(connection) else await adoption.look(connection)


async def require_current(connection: Connection) -> None:
    """Raise SchemaAbsent or Conflict unless this version can work with the database."""
    now = await status(connection)
    _refuse_newer(now)
    if now.pending:
        what = "is not there yet" if now.version == 0 else f"is at {now.version}, this version needs {now.expected}"
        raise SchemaAbsent(f"the schema jobs {what}", hint="specql-jobs db migrate")


def _refuse_newer(now: SchemaStatus) -> None:
    if now.blocked:
        raise Conflict(
            f"the database was migrated by a newer specql-jobs ({', '.join(now.newer)})",
            hint="upgrade specql-jobs on this host",
            code="E610",
            name="schema-newer",
        )


_LEDGER = """
CREATE SCHEMA IF NOT EXISTS jobs;
CREATE TABLE IF NOT EXISTS jobs.tb_schema_migration (
  number     integer PRIMARY KEY,
  name       text NOT NULL,
  breaking   boolean NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
)
"""


async def _applied(connection: Connection) -> dict[int, tuple[str, bool]]:
    exists = await (
        await connection.execute("SELECT to_regclass('jobs.tb_schema_migration') IS NOT NULL AS yes")
    ).fetchone()
    if not exists or not exists["yes"]:
        return {}
    rows = await (
        await connection.execute("SELECT number, name, breaking FROM jobs.tb_schema_migration ORDER BY number")
    ).fetchall()
    return {row["number"]: (row["name"], row["breaking"]) for row in rows}
