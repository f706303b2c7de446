"""The PostgreSQL that every side works on: a private one, durable, stopped and removed afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg

from specql_jobs.core.store.embedded import binaries

#: A small server's settings. fsync, synchronous_commit and full_page_writes stay on, as they are by default.
OPTIONS = "-c shared_buffers=512MB -c max_wal_size=4GB -c checkpoint_timeout=30min -c max_connections=120"

NOBODY = 65534
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Postgres:
    """A running server. `admin` is the DSN of its maintenance database; `programs` holds pgbench."""

    admin: str
    programs: Path
    data: Path

    def cpu_seconds(self) -> float:
        """Return what the postmaster and all its children, ended ones included, have used of a processor."""
        postmaster = (self.data / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        living = sum(cpu_seconds(int(child)) for child in children)
        return living + cpu_seconds(int(postmaster), ended_children=True)

    def version(self) -> str:
        """Return the server's version."""
        with psycopg.connect(self.admin) as connection:
            return connection.info.parameter_status("server_version") or "unknown"


@contextmanager
def postgres(programs: Path | None = None) -> Iterator[Postgres]:
    """Run a server from `programs`, by default the embedded wheel's."""
    programs = programs or binaries()
    with tempfile.TemporaryDirectory(prefix="sqj-bench-", dir="/tmp") as folder:
        data = Path(folder, "data")
        if "setpriv" in _as_nobody():
            shutil.chown(folder, NOBODY, NOBODY)
        _call(programs / "initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        log, options = str(Path(folder, "log")), f"-h '' -k '{folder}' {OPTIONS}"
        _call(programs / "pg_ctl", "-w", "-s", "-D", str(data), "-l", log, "-o", options, "start")
        try:
            yield Postgres(f"postgresql://postgres@/postgres?host={quote(folder, safe='')}", programs, data)
        finally:
            _call(programs / "pg_ctl", "-w", "-s", "-D", str(data), "-m", "fast", "stop")


@cache
def _as_nobody() -> tuple[str, ...]:
    """Return the words before a command that make root somebody else, since PostgreSQL refuses uid 0.

    In a user namespace files stay root's, so that programs in a closed home folder can be read.
    """
    if os.geteuid() != 0:
        return ()
    namespace = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
        return namespace
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


def _call(program: Path, *words: str) -> None:
    command = [*_as_nobody(), str(program), *words]
    with tempfile.TemporaryFile("w+") as said:  # a daemon would hold a pipe open
        if subprocess.run(command, stdout=said, stderr=said, cwd="/", check=False).returncode:
            said.seek(0)
            raise SystemExit(f"{program.name} failed: {said.read()[-2000:]}")


@contextmanager
def database(server: Postgres, template: str = "template1") -> Iterator[str]:
    """Yield the DSN of a new database, dropped afterwards whoever is connected."""
    name = f"bench_{time.monotonic_ns()}"
    execute(server.admin, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.admin.replace("/postgres?", f"/{name}?")
    finally:
        execute(server.admin, f"DROP DATABASE {name} WITH (FORCE)")


def execute(dsn: str, *statements: str) -> None:
    """Execute statements, each in a transaction of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def cpu_seconds(pid: int, *, ended_children: bool = False) -> float:
    """Return a process's seconds of user and system time; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11 : 15 if ended_children else 13])) / TICKS


def memory_mib(pid: int, *, peak: bool = True) -> float:
    """Return a process's resident memory, at its peak or now."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(wanted))
