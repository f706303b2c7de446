"""A PostgreSQL for tests: a private one from the installed wheel, or the one that SPECQL_JOBS_TEST_DSN names.

Every database made here has a name of its own and is dropped by whoever made it; the private server's folder goes with
the server.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from specql_jobs.core.errors import SpecqlJobsError
from specql_jobs.core.store.embedded import EmbeddedServer

from .waiting import until

VARIABLE: Final = "SPECQL_JOBS_TEST_DSN"
#: Read at import, because every test runs with SPECQL_JOBS_* removed from its environment.
GIVEN_DSN: Final = os.environ.get(VARIABLE, "")
#: Seconds in which a killed server must be back: it replays what it had not yet written.
RECOVERY: Final = 60.0
#: Faster, and only a power cut would notice.
CARELESS: Final = ("fsync", "synchronous_commit", "full_page_writes")


class PostgresAbsent(Exception):
    """No PostgreSQL can be started or reached here; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running PostgreSQL; `dsn` may create databases. `private` is the one that we started, None for a given one."""

    dsn: str
    private: EmbeddedServer | None = None

    @property
    def pid(self) -> int:
        """The private server's process id."""
        assert self.private is not None
        return int((self.private.data / "postmaster.pid").read_text().split()[0])

    def restart(self) -> None:
        """Stop the private server, as a planned restart does, and start it again on the same socket."""
        assert self.private is not None
        self.private.leave()
        self.private.join()

    def crash(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the private server's first process and start it again; SIGQUIT is PostgreSQL's immediate shutdown."""
        assert self.private is not None
        data = self.private.data
        os.kill(self.pid, number)
        until(lambda: not _at_work(data), "the killed server and its backends are gone", RECOVERY)
        # Where nobody reaps the dead, these would make the next server believe that this one still runs.
        for left in (data / "postmaster.pid", *self.private.folder.glob("sockets/.s.PGSQL.*")):
            left.unlink(missing_ok=True)
        self.private.leave()
        self.private.join()


@contextmanager
def serve() -> Iterator[Server]:
    """Yield the given server or a private one; raise PostgresAbsent if there is neither."""
    if GIVEN_DSN:
        _reach(GIVEN_DSN)
        yield Server(GIVEN_DSN)
        return
    with serve_private() as server:
        yield server


@contextmanager
def serve_private(*, durable: bool = False, below: Path | None = None) -> Iterator[Server]:
    """Yield a private server, also for tests that stop it; it and its folder are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="sqj-", dir=below))  # short: a socket's path has at most 107 bytes
    private = EmbeddedServer(folder)
    try:
        _start(private)
        if not durable:
            _make_careless(private.dsn)
        yield Server(private.dsn, private)
    finally:
        private.leave()
        shutil.rmtree(folder, ignore_errors=True)


def _at_work(data: Path) -> bool:
    """Whether a process of the server lives: each works in the data folder."""
    return any(_works_in(process, data) for process in Path("/proc").glob("[0-9]*"))


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:  # it ended meanwhile, waits to be reaped, or belongs to somebody else
        return False


def _start(private: EmbeddedServer) -> None:
    try:
        private.join()
    except SpecqlJobsError as error:
        raise PostgresAbsent(error.message) from error


def _make_careless(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in CARELESS:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")


def _reach(dsn: str) -> None:
    try:
        psycopg.connect(dsn, connect_timeout=5).close()
    except psycopg.Error as error:
        raise PostgresAbsent(f"{VARIABLE} is set, but that server does not answer ({type(error).__name__})") from error


@contextmanager
def database(server: Server, template: str = "template1") -> Iterator[str]:
    """Yield the DSN of a new database copied from `template`; it is dropped afterwards, whoever is connected."""
    name = f"sqj_test_{uuid4().hex[:12]}"
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    _command(server.dsn, make)
    try:
        yield make_conninfo(server.dsn, dbname=name)
    finally:
        _command(server.dsn, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def name_of(dsn: str) -> str:
    """Return the database's name in a DSN made by `database`."""
    return str(conninfo_to_dict(dsn)["dbname"])


def _command(dsn: str, statement: sql.Composed) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)
