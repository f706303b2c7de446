"""All benchmarks in one command: each beside a peer or a floor, on the same Postgres, in the same run.

    python benchmarks/run.py                 all
    python benchmarks/run.py throughput      one of: throughput pickup recovery help validate shell http docker lambda

Sides take turns, so that a noisy machine is noisy for all; the table has medians, and ratios are what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import commands
import far_ends
import overhead
import psycopg
from measuring import HERE, ROUNDS, database, measured, migrate, peer_python, percentiles, postgres, report

JOBS = 20_000
BATCHES = (100, 500)
PICKUPS = 300
PICKUP_EVERY = 0.02  # seconds
HELD = 50


# ---- throughput -----------------------------------------------------------------------------------------------------


def throughput(admin: str) -> None:
    """No-op jobs through the whole pipeline (validation, plan, policy, output check), one process each."""
    sides = {"specql-jobs": (sys.executable, "ours.py"), "PgQueuer 1.6": (peer_python(), "pgqueuer_peer.py")}
    for batch in BATCHES:
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, (python, script) in sides.items():
                with database(admin) as dsn:
                    found[name].append(measured(python, script, "drain", dsn, str(JOBS), str(batch)))
        report(f"{JOBS} no-op jobs, one process, batch/concurrency {batch}", found)


# ---- pickup ---------------------------------------------------------------------------------------------------------


def pickup(admin: str) -> None:
    """Commit to start of the runner, idle worker, one job every 20 ms; the floor is LISTEN/NOTIFY alone."""
    print(f"\npickup of {PICKUPS} single jobs by an idle worker, milliseconds")
    percentiles("LISTEN/NOTIFY alone", _floor(admin))
    with database(admin) as dsn:
        migrate(dsn)
        insert = "SELECT jobs.enqueue('noop', 'run', jsonb_build_object('n', %s::int))"
        percentiles("specql-jobs", _latencies(dsn, insert, sys.executable, "ours.py"))
    with database(admin) as dsn:
        measured(peer_python(), "pgqueuer_peer.py", "install", dsn)
        insert = (
            "INSERT INTO pgqueuer (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'noop', convert_to(format('{\"n\": %%s}', %s::int), 'UTF8'))"
        )
        percentiles("PgQueuer 1.6", _latencies(dsn, insert, peer_python(), "pgqueuer_peer.py"))


def _latencies(dsn: str, insert: str, python: str, script: str) -> list[float]:
    worker = subprocess.Popen(
        [python, str(HERE / script), "listen", dsn, str(PICKUPS)], stdout=subprocess.PIPE, text=True
    )
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            time.sleep(2.0)  # the worker is up and idle
            committed = _insert(connection, insert)
        started = dict(json.loads(worker.communicate(timeout=60)[0])["started"])
    finally:
        worker.kill()
    return [(started[n] - at) * 1000 for n, at in committed.items()]


def _insert(connection: psycopg.Connection[Any], insert: str) -> dict[int, float]:
    """Insert one job every 20 ms; return when each commit returned."""
    committed = {}
    for n in range(PICKUPS):
        connection.execute(insert.encode(), (n,))
        committed[n] = time.monotonic()
        time.sleep(PICKUP_EVERY)
    return committed


def _floor(admin: str) -> list[float]:
    """One NOTIFY to its receipt on another connection, its commit included: nothing can be quicker."""
    found = []
    with psycopg.connect(admin, autocommit=True) as one, psycopg.connect(admin, autocommit=True) as other:
        one.execute("LISTEN floor")
        for _ in range(PICKUPS):
            sent = time.monotonic()
            other.execute("NOTIFY floor")
            list(one.notifies(timeout=1.0, stop_after=1))
            found.append((time.monotonic() - sent) * 1000)
    return found


# ---- recovery -------------------------------------------------------------------------------------------------------


def recovery(admin: str) -> None:
    """kill -9 of a worker with 50 jobs running, until another worker has started the first and the last of them."""
    with database(admin) as dsn:
        migrate(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for n in range(HELD):
                connection.execute("SELECT jobs.enqueue('noop', 'run', jsonb_build_object('n', %s::int))", (n,))
            killed = subprocess.Popen([sys.executable, str(HERE / "ours.py"), "hold", dsn, str(HELD)])
            _wait(connection, "SELECT count(*) = %s FROM jobs.tb_job_run WHERE status = 'running'")
            other = subprocess.Popen(
                [sys.executable, str(HERE / "ours.py"), "listen", dsn, str(HELD)], stdout=subprocess.PIPE, text=True
            )
            time.sleep(16.0)  # for 15 s after its start Postgres' free locks prove nothing
            killed.kill()
            at = time.monotonic()
            killed.wait()
            started = [when - at for _, when in json.loads(other.communicate(timeout=60)[0])["started"]]
    print(f"\nkill -9 with {HELD} jobs running: first taken over after {min(started):.1f} s, last {max(started):.1f} s")


def _wait(connection: psycopg.Connection[Any], question: str) -> None:
    deadline = time.monotonic() + 30
    while not connection.execute(question.encode(), (HELD,)).fetchone()[0]:  # type: ignore[index] # one row always
        if time.monotonic() > deadline:
            raise SystemExit("the worker did not claim its jobs")
        time.sleep(0.05)


BENCHMARKS: dict[str, Callable[[str], None]] = {
    "throughput": throughput,
    "pickup": pickup,
    "recovery": recovery,
    "shell": overhead.shell,
    "http": overhead.http,
    "help": commands.start_up,
    "lambda": far_ends.invocations,
    "validate": commands.validate,
    "docker": far_ends.containers,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default all")
    chosen = parser.parse_args().names or list(BENCHMARKS)
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join(BENCHMARKS)}")
    print(f"{os.uname().sysname} {os.uname().release}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with postgres() as admin:
        with psycopg.connect(admin) as connection:
            print(f"PostgreSQL {connection.info.server_version // 10000}, fsync and synchronous_commit on")
        for name in chosen:
            BENCHMARKS[name](admin)


if __name__ == "__main__":
    main()
