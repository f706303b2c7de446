"""Connections to Postgres, their errors in our words, and the loader of named queries.

No error that leaves this module carries a DSN, a password or a traceback of the driver.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import AsyncConnection, conninfo
from psycopg.rows import DictRow, dict_row

from ..errors import ConfigError, DatabaseUnavailable, Denied, SchemaAbsent, SpecqlJobsError, UsageError
from . import embedded

Connection = AsyncConnection[DictRow]

CONNECT_TIMEOUT = 5  # seconds; an operator should not wait longer to learn that a host is gone

#: Set once connected, since poolers refuse them at the start. Probes: a host that vanished is noticed in about 11 s, so
#: its session lock is freed. And whatever the database or role says: a listener is idle by trade, the claim's SKIP
#: LOCKED needs fresh snapshots, and compiling a statement of one batch costs more than running it (measured: 5,650
#: jobs/s with jit, 15,940 without).
SESSION = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "jit": "off",
}

#: The same probes from this side, for a server that vanished; libpq ignores them on a local socket.
PROBES = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 12_000}

_QUERY = re.compile(r"^-- name: (\w+)[^\n]*\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def queries(file_name: str) -> dict[str, str]:
    """Return the named queries of a .sql file beside this module; each stands under a `-- name: word` line."""
    text = files(__package__).joinpath(file_name).read_text("utf-8")
    return {match[1]: match[2].strip().rstrip(";") for match in _QUERY.finditer(text)}


@asynccontextmanager
async def reachable(dsn: str, *, create: bool = False) -> AsyncIterator[str]:
    """Yield a libpq conninfo for `dsn`; `embedded` and `embedded:PATH` start a private server for as long.

    Only with `create` is a new embedded database made: a mistyped path must not become one.
    """
    if not embedded.is_embedded(dsn):
        yield dsn
        return
    async with embedded.running(embedded.data_folder(dsn), create=create) as server_dsn:
        yield server_dsn


@contextmanager
def kept_reachable(dsn: str) -> Iterator[str]:
    """Like `reachable`, for a process that has no event loop of its own."""
    if not embedded.is_embedded(dsn):
        yield dsn
        return
    server = embedded.EmbeddedServer(embedded.data_folder(dsn))
    server.join(create=False)
    try:
        yield server.dsn
    finally:
        server.leave()


@asynccontextmanager
async def open_database(
    dsn: str, application_name: str = "specql-jobs", *, create: bool = False
) -> AsyncIterator[Connection]:
    """Yield one autocommit connection; every driver error inside leaves as a SpecqlJobsError."""
    async with reachable(dsn, create=create) as target:
        connection = await connect(target, application_name)
        try:
            async with connection:
                yield connection
        except psycopg.Error as error:
            raise translate(error) from None


async def connect(dsn: str, application_name: str = "specql-jobs") -> Connection:
    """Return an autocommit connection with rows as dicts; raise ConfigError, Denied or DatabaseUnavailable."""
    settings = _settings(dsn, application_name)
    try:
        connection = await AsyncConnection.connect(**settings, autocommit=True, row_factory=dict_row)
        await _set_up(connection)
    except psycopg.Error as error:
        raise _connection_error(error, settings) from None
    return connection


async def _set_up(connection: Connection) -> None:
    """Make the settings. Behind a pooler nothing is prepared: others may have left their statements in the session."""
    setting = (
        "SELECT pg_backend_pid() AS pid, array_agg(set_config(name, value, false)) "
        "FROM unnest(%s::text[], %s::text[]) AS t (name, value)"
    )
    try:
        row = await (await connection.execute(setting.encode(), (list(SESSION), list(SESSION.values())))).fetchone()
    except BaseException:
        await connection.close()
        raise
    if row is None or row["pid"] != connection.info.backend_pid:
        connection.prepare_threshold = None


def sever(connection: Connection) -> None:
    """Break a connection off below the driver: whoever waits for an answer on it is told that it is lost."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as way:
        way.shutdown(socket.SHUT_RDWR)


def _settings(dsn: str, application_name: str) -> dict[str, Any]:
    try:
        given = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # The driver's message quotes the whole string, password included.
        raise ConfigError(
            "the DSN is not a valid Postgres connection string",
            hint="write it as postgresql://user@host:5432/database, or use --profile",
            code="E211",
            name="dsn-invalid",
        ) from None
    ours = {"connect_timeout": CONNECT_TIMEOUT, "application_name": application_name, **PROBES}
    return {**ours, **given}


def _target(settings: dict[str, Any]) -> str:
    user = f"{settings['user']}@" if settings.get("user") else ""
    host = settings.get("host") or settings.get("hostaddr") or "local socket"
    port = f":{settings['port']}" if settings.get("port") else ""
    return f"{user}{host}{port}/{settings.get('dbname') or ''}"


def _connection_error(error: psycopg.Error, settings: dict[str, Any]) -> SpecqlJobsError:
    """Rebuild a connection failure from its password-free parts."""
    cause = _scrubbed(error, settings)
    where = _target(settings)
    lowered = cause.lower()
    if "authentication failed" in lowered or "no password supplied" in lowered or "permission denied" in lowered:
        return Denied(
            f"Postgres at {where} refused the login: {cause}",
            hint="check the user and its password (~/.pgpass, PGPASSWORD) with: specql-jobs doctor",
            code="E402",
            name="db-login-refused",
        )
    return DatabaseUnavailable(
        f"cannot connect to Postgres at {where}: {cause}",
        hint="specql-jobs doctor    (or try without a server: --dsn embedded)",
    )


def _scrubbed(error: psycopg.Error, settings: dict[str, Any]) -> str:
    text = " ".join(str(error).split())
    for key in ("password", "sslpassword"):
        if settings.get(key):
            text = text.replace(str(settings[key]), "•••")
    return text.removeprefix("connection failed: ")[-300:]


#: What a statement can fail with; the one tuple that callers outside this folder catch.
FAILURES = (psycopg.Error, SpecqlJobsError)

#: Postgres cannot store or print a document: too large, NUL, a number beyond its range.
UNSTORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, psycopg.errors.OutOfMemory)

#: SQLSTATEs that mean: the server is going down, starting, or gone; nobody else can reach it either.
SERVER_DOWN = ("57P01", "57P02", "57P03")

#: What passes by itself: a deadlock's victim, no room, a lock or statement timeout, somebody's pg_cancel_backend.
PASSING = ("40", "53", "55P03", "57014")


def is_connection_loss(error: BaseException) -> bool:
    """Whether the connection, rather than the statement, failed; also where it leads to a server that may not write."""
    if isinstance(error, DatabaseUnavailable):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.diag.severity_nonlocalized in ("FATAL", "PANIC") or error.sqlstate == "25006":
        return True
    return isinstance(error, psycopg.OperationalError) and (error.sqlstate or "08").startswith("08")


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may well succeed a moment later."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(PASSING)


def is_locked(error: BaseException) -> bool:
    """Whether a statement gave up waiting for somebody's lock."""
    return isinstance(error, psycopg.Error) and error.sqlstate == "55P03"


def is_the_data(error: BaseException) -> bool:
    """Whether one row of a statement is to blame: a value, or a trigger or constraint of somebody's that refuses it."""
    if isinstance(error, psycopg.Error):
        lacking = isinstance(translate(error), (SchemaAbsent, Denied))
        return isinstance(error, UNSTORABLE) or not (is_connection_loss(error) or is_passing(error) or lacking)
    return isinstance(error, (ValueError, TypeError, ArithmeticError, RecursionError))


def server_is_down(error: BaseException) -> bool:
    """Whether the server itself says that it shuts down or starts up: nobody else can reach it either."""
    if isinstance(error, psycopg.Error) and error.sqlstate in SERVER_DOWN:
        return True
    text = str(error).lower()
    return any(sign in text for sign in ("starting up", "shutting down", "in recovery mode"))


def nobody_answers(error: BaseException) -> bool:
    """Whether connecting was refused: by a server that is down, or by a proxy or host on the way to one that is not."""
    text = str(error).lower()
    return "refused" in text or "no such file" in text


def in_our_words(error: Exception) -> Exception:
    """Return one of FAILURES as an error that a person can read."""
    return translate(error) if isinstance(error, psycopg.Error) else error


def translate(error: psycopg.Error) -> SpecqlJobsError:
    """Return a driver error in our words; unknown ones become E710, with the SQLSTATE and no data."""
    state = error.sqlstate or ""
    if state in ("42P01", "3F000", "42883", "42703"):
        return SchemaAbsent(
            "the schema jobs is missing in this database, or older than this version needs",
            hint="specql-jobs db migrate    (what it would do: specql-jobs db migrate --dry-run)",
        )
    if state == "42501":
        return Denied(
            f"the database role lacks a privilege: {error.diag.message_primary}",
            hint="ask the owner of schema jobs to grant it",
            code="E403",
            name="db-privilege-missing",
        )
    if state == "23514" and (error.diag.constraint_name or "").startswith("tg_"):
        message = (error.diag.message_primary or "").removeprefix("jobs.tb_job_run: ")
        return UsageError(message, hint="specql-jobs enqueue --help")
    if is_connection_loss(error):
        return DatabaseUnavailable("the connection to Postgres was lost", hint="specql-jobs doctor")
    return SpecqlJobsError(
        f"Postgres refused a statement: {state} {error.diag.message_primary or type(error).__name__}",
        hint="this is a bug in specql-jobs unless the schema was changed by hand: specql-jobs db status",
        code="E710",
        name="db-error",
    )
