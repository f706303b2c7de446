"""`db`: the schema jobs, created, migrated and inspected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Target
from ..output import adoption_text, health_text
from ..output.console import Console
from ..pruning import PruneOptions, prune
from . import db_callbacks

if TYPE_CHECKING:
    from ...core.store.adoption import Adoption
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

    All of them or none, under an advisory lock. With --dry-run before a table of SpecQL's: how many rows there are,
    what taking it over fills in, drops and keeps, for how long it is locked, and exit 1 when something hinders it.
    """
    await _migrate(console, target, dry_run=dry_run)


@command(app, "db status", "db status -v", "db status -o json", name="status")
async def status(console: Console, target: Target) -> None:
    """Say how schema and queue are doing, and what hinders them.

    Reads only, and quick at any size: numbers with a ~ are estimates. What hinders the queue comes with what to type.
    Exit 1 when a migration is pending, 6 when a newer specql-jobs migrated the database.
    """
    from ...core.store import concerns, health  # noqa: PLC0415 - psycopg costs 170 ms
    from ...core.store import migrate as schema  # noqa: PLC0415 - see above

    async with database(console, settings_for(console, target)) as connection:
        now = await schema.status(connection)
        seen = await health.look(connection) if now.version else None
    found = concerns.concerns(seen) if seen else []
    queue = health_text.health_json(seen, found) if seen else None
    lines = [*health_text.schema_lines(now), *(health_text.health_lines(seen, found, console) if seen else ())]
    console.answer(health_text.schema_json(now) | {"queue": queue}, lambda: "\n".join(lines))
    raise Finished(Exit.CONFLICT if now.blocked else Exit.NEGATIVE if now.pending else Exit.OK)


@command(
    app,
    "db prune --completed 30d --failed 90d --cancelled 30d --dry-run",
    "db prune --completed 30d --batch 5000 --pause 0.1 --yes",
    "db prune --yes -o json    # by [retention] of specql-jobs.toml",
    name="prune",
)
async def prune_jobs(console: Console, target: Target, options: PruneOptions) -> None:
    """Delete ended jobs that are older than stated.

    Their attempts and output go with them, in short transactions.

    A status without a retention, given here or under [retention] in specql-jobs.toml, is kept for ever; with none
    at all: exit 2. Pending and running jobs and the audit trail are never touched. Ctrl-C stops it between two
    transactions; what was deleted by then stays deleted.
    """
    await prune(console, target, options)


async def _migrate(console: Console, target: Target, *, dry_run: bool) -> None:

    async with database(console, settings_for(console, target), create=not dry_run) as connection:
        if dry_run:
            await _preview(console, connection)
            return
        await _apply(console, connection)


async def _preview(console: Console, connection: Connection) -> None:
    from ...core.store import migrate as schema  # noqa: PLC0415 - see above

    now = await schema.status(connection)
    found = await schema.adopted(connection)
    taken = adoption_text.adoption_json(found) if found else None
    data = health_text.schema_json(now) | {"applied": [], "dry_run": True, "adoption": taken}
    console.answer(data, lambda: _plan_text(now, found))
    if found and found.hindrances:
        raise Finished(Exit.NEGATIVE)


async def _apply(console: Console, connection: Connection) -> None:
    from ...core.store import migrate as schema  # noqa: PLC0415 - see above

    done = await schema.migrate(connection)
    data = {"version": done.version, "applied": list(done.applied), "pending": [], "dry_run": False}
    applied = "\n".join(f"applied {name}" for name in done.applied)
    state = f"the schema jobs is at version {done.version}"
    console.answer(data, lambda: f"{applied}\n{state}" if applied else f"nothing to do: {state}")


def _plan_text(now: SchemaStatus, found: Adoption | None) -> str:
    if not now.pending:
        return f"nothing to do: the schema jobs is at version {now.version}"
    taken = adoption_text.adoption_lines(found) if found else ()
    return "\n".join([*(f"would apply {name}" for name in now.pending), *taken, "Nothing was changed."])
