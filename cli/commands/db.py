"""`db`: the schema jobs, created, migrated and inspected."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from . import db_callbacks

if TYPE_CHECKING:
    from ...core.store.db import Connection
    from ...core.store.migrate import SchemaStatus

app = group("Create, migrate and inspect the schema jobs.")
app.add_typer(db_callbacks.app, name="callbacks")


@app.callback()
def db() -> None:
    """Create, migrate and inspect the schema jobs."""


@command(app, "db init", "db init --dsn embedded", name="init")
async def init(console: Console, target: Target) -> None:
    """Create the schema jobs; the same as `db migrate`.

    A table that SpecQL made before is taken over, with every row.
    """
    await _migrate(console, target, dry_run=False)


@command(app, "db migrate", "db migrate --dry-run", name="migrate")
async def migrate(
    console: Console,
    target: Target,
    dry_run: Annotated[bool, Option("--dry-run", "-n", help="Say what would be applied, change nothing")] = False,
) -> None:
    """Apply pending migrations, keep every row.

    All of them or none, under an advisory lock.
    """
    await _migrate(console, target, dry_run=dry_run)


@command(app, "db status", "db status -o json", name="status")
async def status(console: Console, target: Target) -> None:
    """Say which migrations are pending.

    Exit 1 when any is, 6 when a newer specql-jobs migrated the database.
    """
    from ...core.store import migrate as schema  # noqa: PLC0415 - psycopg costs 170 ms

    async with database(console, settings_for(console, target)) as connection:
        now = await schema.status(connection)
    console.answer(_json(now), lambda: _status_text(now))
    raise Finished(Exit.CONFLICT if now.blocked else Exit.NEGATIVE if now.pending else Exit.OK)


async def _migrate(console: Console, target: Target, *, dry_run: bool) -> None:
    from ...core.store import migrate as schema  # noqa: PLC0415 - psycopg costs 170 ms

    async with database(console, settings_for(console, target), create=not dry_run) as connection:
        if dry_run:
            now = await schema.status(connection)
            console.answer(_json(now) | {"applied": [], "dry_run": True}, lambda: _plan_text(now))
            return
        await _apply(console, connection)


async def _apply(console: Console, connection: Connection) -> None:
    from ...core.store import migrate as schema  # noqa: PLC0415 - see above

    done = await schema.migrate(connection)
    data = {"version": done.version, "applied": list(done.applied), "pending": [], "dry_run": False}
    applied = "\n".join(f"applied {name}" for name in done.applied)
    state = f"the schema jobs is at version {done.version}"
    console.answer(data, lambda: f"{applied}\n{state}" if applied else f"nothing to do: {state}")


def _json(now: SchemaStatus) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(now).items()}


def _plan_text(now: SchemaStatus) -> str:
    if not now.pending:
        return f"nothing to do: the schema jobs is at version {now.version}"
    return "\n".join([*(f"would apply {name}" for name in now.pending), "Nothing was changed."])


def _status_text(now: SchemaStatus) -> str:
    where = f"version {now.version}" if now.version else "absent"
    lines = [f"schema jobs: {where}; this specql-jobs needs {now.expected}"]
    lines += [f"pending  {name}" for name in now.pending]
    lines += [f"unknown  {name} (applied by a newer specql-jobs)" for name in now.newer]
    if now.pending:
        lines.append("next     specql-jobs db migrate")
    return "\n".join(lines)
