"""What `doctor` finds out about the database: reachable, migrated, readable, and served by workers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core import dsn as address
from ..core.errors import ConfigError, SpecqlJobsError
from .context import database
from .output.console import Console
from .output.text import one_line, size

if TYPE_CHECKING:
    from ..core.contract import Check
    from ..core.settings import Settings
    from ..core.store.db import Connection

OLDEST_POSTGRES = 140000
#: Seconds. Leases follow the database's clock alone; what people read and type (--at, logs) follows this host's.
SKEW_TOLD = 2.0
#: Bytes free on the disk of an embedded database: below these, said and failed.
ROOM_TOLD, ROOM_NEEDED = 1 << 30, 1 << 27


async def run(console: Console, settings: Settings, types: Mapping[str, int]) -> list[Check]:
    """Return the checks of the database; `types` says how many services of which type the registry has."""
    if settings.dsn is None:
        return [make_check("database", "skip", "no DSN is configured", "--dsn DSN, or set SPECQL_JOBS_DSN")]
    try:
        async with database(console, settings) as connection:
            return await _connected(connection, settings, types)
    except SpecqlJobsError as error:
        message = console.secrets.redact(address.scrub(error.message))
        return [make_check("database", "fail", message, error.hint or "specql-jobs config show --origin")]


async def _connected(connection: Connection, settings: Settings, types: Mapping[str, int]) -> list[Check]:
    found = [_server(connection, settings), await _pooler(connection, settings), await _clock(connection)]
    found += [*_room(settings), *await _rights(connection)]
    if any(check.name == "rights" and check.status == "fail" for check in found):
        return found  # whoever may not read learns nothing of the schema
    schema = await _schema(connection)
    if schema.status != "ok":
        return [*found, schema]
    return [*found, schema, *await _workers(connection, types), await _pauses(connection)]


def _server(connection: Connection, settings: Settings) -> Check:
    number = connection.info.server_version
    place = f"PostgreSQL {number // 10000}.{number % 10000} at {address.describe(settings.require_dsn())}"
    old = number < OLDEST_POSTGRES
    return make_check(
        "database", "fail" if old else "ok", place, "move the queue to PostgreSQL 14 or later" if old else ""
    )


async def _schema(connection: Connection) -> Check:
    from ..core.store import migrate  # noqa: PLC0415 - psycopg is there by now

    now = await migrate.status(connection)
    if now.blocked:
        return make_check("schema", "fail", "migrated by a newer specql-jobs", "pip install --upgrade specql-jobs")
    if now.pending:
        return make_check("schema", "fail", f"pending: {', '.join(now.pending)}", "specql-jobs db migrate")
    return make_check("schema", "ok", f"version {now.version}")


async def _pooler(connection: Connection, settings: Settings) -> Check:
    from ..core.store import pooler  # noqa: PLC0415 - see above

    if not await pooler.stands_between(connection):
        return make_check("pooler", "ok", "none: the connection is the server's own")
    try:
        await pooler.require_session(connection, settings.require_dsn())
    except ConfigError as error:
        return make_check("pooler", "fail", error.message, error.hint)
    return make_check("pooler", "ok", "one that keeps a session for each connection")


async def _clock(connection: Connection) -> Check:
    from ..core.store import host_facts  # noqa: PLC0415 - see above

    skew = await host_facts.clock_skew(connection)
    if abs(skew) < SKEW_TOLD:
        return make_check("clock", "ok", f"within {SKEW_TOLD:g} s of the database's")
    side = "ahead of" if skew > 0 else "behind"
    fix = "timedatectl set-ntp true    (on the host whose clock is wrong; leases follow the database's)"
    return make_check("clock", "warn", f"this host is {abs(skew):.0f} s {side} the database", fix)


def _room(settings: Settings) -> list[Check]:
    """Of an embedded database alone: of a server's disk, SQL knows nothing."""
    from ..core.store import embedded  # noqa: PLC0415 - see above

    dsn = settings.require_dsn()
    if not embedded.is_embedded(dsn):
        return []
    folder = embedded.data_folder(dsn)
    free = shutil.disk_usage(folder).free
    status = "ok" if free >= ROOM_TOLD else "warn" if free >= ROOM_NEEDED else "fail"
    fix = "" if status == "ok" else f"specql-jobs db prune --completed 7d --dry-run\ndf -h {folder}"
    return [make_check("disk", status, f"{size(free)} free for the embedded database in {folder}", fix)]


async def _rights(connection: Connection) -> list[Check]:
    from ..core.store import host_facts  # noqa: PLC0415 - see above

    found = await host_facts.rights(connection)
    if found is None:  # no schema: that is a line of its own
        return []
    who = one_line(found.role)
    if not found.may_enter:
        fix = f'GRANT USAGE ON SCHEMA jobs TO "{who}";'
        return [make_check("rights", "fail", f"{who} may not use the schema jobs", fix)]
    if found.unreadable:
        fix = f'GRANT SELECT ON ALL TABLES IN SCHEMA jobs TO "{who}";'
        return [make_check("rights", "fail", f"{who} may not read {', '.join(found.unreadable)}", fix)]
    if found.unwritable:
        fix = f'GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA jobs TO "{who}";    (a reader needs nothing more)'
        return [make_check("rights", "warn", f"{who} may not change {', '.join(found.unwritable)}", fix)]
    return [make_check("rights", "ok", f"{who} may read and change jobs")]


async def _workers(connection: Connection, types: Mapping[str, int]) -> list[Check]:
    """Whether somebody alive executes each type that the registry has services of."""
    from ..core.store import workers  # noqa: PLC0415 - see above

    alive = [row for row in await workers.list_workers(connection) if row["state"] == "running"]
    served = {kind for row in alive for kind in row["execution_types"]}
    missing = sorted(set(types) - served)
    if not missing:
        return [make_check("workers", "ok", f"{len(alive)} alive" + (", every type is served" if types else ""))]
    fix = f"specql-jobs worker --types {','.join(missing)}\nspecql-jobs worker list"
    return [make_check("workers", "warn", f"{len(alive)} alive, none for {', '.join(missing)}: such jobs wait", fix)]


async def _pauses(connection: Connection) -> Check:
    """A forgotten pause is the commonest reason why nothing happens."""
    from ..core.store import waits  # noqa: PLC0415 - see above
    from .output import pause_text  # noqa: PLC0415 - after the query

    found = await waits.pauses(connection)
    if not found:
        return make_check("pauses", "ok", "nothing is paused")
    fix = "\n".join(["specql-jobs pause list", *(pause_text.pause_json(each)["resume"] for each in found)])
    return make_check("pauses", "warn", pause_text.pauses_line(found), fix)


def make_check(name: str, status: str, detail: str, fix: str = "") -> Check:
    """Return one line of `doctor`."""
    from ..core.contract import Check  # noqa: PLC0415 - asyncio, 55 ms

    return Check(name, status, detail, fix)
