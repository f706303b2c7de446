"""What the benchmarks share: the peers' environment, a durable Postgres, one side's run, and the table."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from specql_jobs.core.store.embedded import EmbeddedServer

HERE = Path(__file__).parent
PEER_ENVIRONMENT = HERE.parent / "build" / "bench-env"
PEER_REQUIREMENTS = ("pgqueuer==1.6.0", "asyncpg", "uvloop", "check-jsonschema==0.39.0")

ROUNDS = 3


def peer_python() -> str:
    """Return the interpreter of the peers' own environment, made on first use."""
    python, stamp, wanted = PEER_ENVIRONMENT / "bin" / "python", PEER_ENVIRONMENT / ".has", " ".join(PEER_REQUIREMENTS)
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(PEER_ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEER_REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return str(python)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a durable private Postgres; yield the DSN of its maintenance database."""
    with tempfile.TemporaryDirectory(prefix="sqj-bench-", dir="/tmp") as folder:
        server = EmbeddedServer(Path(folder))
        server.join()
        try:
            yield server.dsn
        finally:
            server.leave()


@contextmanager
def database(admin: str) -> Iterator[str]:
    """Yield a new empty database, dropped afterwards."""
    name = f"bench_{time.monotonic_ns()}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield admin.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def measured(python: str, script: str, *words: str) -> dict[str, Any]:
    """Run one side to its end; return its JSON line."""
    done = subprocess.run([python, str(HERE / script), *words], stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def report(title: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians of every side, and ours as a ratio of the last side's."""
    print(f"\n{title} (median of {ROUNDS})")
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in found.items()
    }
    ours, *others = middle.values()
    for key in ours:
        sides = "  ".join(f"{name} {values[key]:>10,.2f}" for name, values in middle.items())
        print(f"  {key:<26} {sides}  ratio {ours[key] / others[-1][key]:.2f}")


def migrate(dsn: str) -> None:
    """Make the schema jobs."""
    command = [sys.executable, "-m", "specql_jobs.cli", "db", "migrate", "--dsn", dsn]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def percentiles(name: str, found: list[float]) -> None:
    """Print the median and the tail of one side's times, in milliseconds."""
    cuts = statistics.quantiles(found, n=100)
    print(f"  {name:<22} p50 {cuts[49]:6.2f}   p95 {cuts[94]:6.2f}   p99 {cuts[98]:6.2f}")
