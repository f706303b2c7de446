"""Worker processes of one side: started, let go at the same moment, watched from outside, ended."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import psycopg
from server import Postgres, cpu_seconds, database, execute, memory_mib
from sides import SideOf

#: Seconds until a side that stands still is given up.
PATIENCE = 120.0


class Working:
    """One worker process. Its output is read by a thread: how many jobs it has executed, then its last words."""

    def __init__(self, side: SideOf, dsn: str, concurrency: int, *words: str) -> None:
        self.side = side
        command = [*side.command, "work", dsn, str(concurrency), *words]
        pipe = subprocess.PIPE
        environment = {**os.environ, **side.environment()}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.count = 0
        self._ready = threading.Event()
        self._last: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self._last = json.loads(line)
            elif line.strip() == "ready":
                self._ready.set()
            elif line.strip().isdigit():
                self.count = int(line)

    def ready(self) -> None:
        """Wait until it has loaded what it needs."""
        if not self._ready.wait(PATIENCE):
            raise SystemExit(f"{self.side.name} does not start")

    def go(self) -> None:
        """Let it work."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """End it; return its last words."""
        if self.process.stdin is not None and self.process.poll() is None:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=10)
        return self._last


class Crew:
    """Several worker processes of one side on one database."""

    def __init__(self, side: SideOf, dsn: str, processes: int, concurrency: int, words: Sequence[str] = ()) -> None:
        self.side = side
        self.dsn = dsn
        self.members = [Working(side, dsn, concurrency, *words) for _ in range(processes)]

    def __enter__(self) -> Self:
        for member in self.members:
            member.ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            member.end()

    @property
    def count(self) -> int:
        """Jobs executed so far."""
        return sum(member.count for member in self.members)

    def go(self) -> None:
        """Let all work."""
        for member in self.members:
            member.go()

    def reach(self, jobs: int) -> float:
        """Wait until so many jobs have been executed; return the monotonic time."""
        deadline = time.monotonic() + PATIENCE
        while self.count < jobs:
            if time.monotonic() > deadline or any(member.process.poll() is not None for member in self.members):
                raise SystemExit(f"{self.side.name} executed {self.count} of {jobs} jobs")
            time.sleep(0.002)
        return time.monotonic()

    def settle(self) -> float:
        """Wait until Postgres says that nothing is left; return the monotonic time."""
        deadline = time.monotonic() + PATIENCE
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while connection.execute(self.side.settled.encode()).fetchone() != (True,):
                if time.monotonic() > deadline:
                    raise SystemExit(f"{self.side.name} left jobs behind")
                time.sleep(0.002)
        return time.monotonic()

    def cpu_seconds(self) -> float:
        """Return what all have used of a processor."""
        return sum(cpu_seconds(member.process.pid) for member in self.members)

    def memory_mib(self, *, peak: bool = True) -> float:
        """Return the largest member's resident memory."""
        return max(memory_mib(member.process.pid, peak=peak) for member in self.members)


class Stage:
    """One server, and for every side a database with its tables to copy from."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._installed: dict[str, str] = {}

    @contextmanager
    def queue(self, side: SideOf, jobs: int = 0, how: str = "bulk") -> Iterator[str]:
        """Yield the DSN of a database with the side's tables and so many jobs; dropped afterwards."""
        with database(self.server, self._template(side)) as dsn:
            if jobs:
                call(side, "enqueue", dsn, str(jobs), how)
                execute(dsn, f"VACUUM ANALYZE {side.table}")
            yield dsn

    def _template(self, side: SideOf) -> str:
        if side.name not in self._installed:
            name = f"template_{len(self._installed)}"
            execute(self.server.admin, f"CREATE DATABASE {name}")
            call(side, "install", self.server.admin.replace("/postgres?", f"/{name}?"))
            self._installed[side.name] = name
        return self._installed[side.name]


def call(side: SideOf, *words: str) -> dict[str, Any]:
    """Run one side's command to its end; return its JSON line, if any."""
    environment = {**os.environ, **side.environment()}
    done = subprocess.run([*side.command, *words], stdout=subprocess.PIPE, check=True, text=True, env=environment)
    lines = done.stdout.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return answer
