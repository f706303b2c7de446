"""All benchmarks in one command: each beside a peer or a floor, on the same Postgres, in the same run.

    python benchmarks/run.py                 all
    python benchmarks/run.py throughput      one of: throughput pickup recovery help validate shell http docker lambda

Sides take turns, so that a noisy machine is noisy for all; the table has medians, and ratios are what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import overhead
import psycopg
from large_registry import OPERATIONS, large_registry

from specql_jobs.core.store.embedded import EmbeddedServer

HERE = Path(__file__).parent
PEER_ENVIRONMENT = HERE.parent / "build" / "bench-env"
PEER_REQUIREMENTS = ("pgqueuer==1.6.0", "asyncpg", "uvloop", "check-jsonschema==0.39.0")

ROUNDS = 3
JOBS = 20_000
BATCHES = (100, 500)
PICKUPS = 300
PICKUP_EVERY = 0.02  # seconds
HELD = 50
STARTS = 25
INVOCATIONS = 200
SERVICES = 1000


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


# ---- pickup ---------------------------------------------------------------------------------------------------------


def pickup(admin: str) -> None:
    """Commit to start of the runner, idle worker, one job every 20 ms; the floor is LISTEN/NOTIFY alone."""
    print(f"\npickup of {PICKUPS} single jobs by an idle worker, milliseconds")
    _pickup_line("LISTEN/NOTIFY alone", _floor(admin))
    with database(admin) as dsn:
        migrate(dsn)
        insert = "SELECT jobs.enqueue('noop', 'run', jsonb_build_object('n', %s::int))"
        _pickup_line("specql-jobs", _latencies(dsn, insert, sys.executable, "ours.py"))
    with database(admin) as dsn:
        measured(peer_python(), "pgqueuer_peer.py", "install", dsn)
        insert = (
            "INSERT INTO pgqueuer (priority, status, entrypoint, payload) "
            "VALUES (0, 'queued', 'noop', convert_to(format('{\"n\": %%s}', %s::int), 'UTF8'))"
        )
        _pickup_line("PgQueuer 1.6", _latencies(dsn, insert, peer_python(), "pgqueuer_peer.py"))


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


def _pickup_line(name: str, found: list[float]) -> None:
    cuts = statistics.quantiles(found, n=100)
    print(f"  {name:<22} p50 {cuts[49]:6.2f}   p95 {cuts[94]:6.2f}   p99 {cuts[98]:6.2f}")


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


# ---- start-up -------------------------------------------------------------------------------------------------------


def start_up(_admin: str) -> None:
    """Wall time of whole commands, beside a bare interpreter."""
    command = str(Path(sys.executable).with_name("specql-jobs"))
    sides = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "specql-jobs --help": [command, "--help"],
        "specql-jobs --version": [command, "--version"],
        "specql-jobs list --help": [command, "list", "--help"],
    }
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(STARTS):
        for name, words in sides.items():
            before = time.monotonic()
            subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
            found[name].append((time.monotonic() - before) * 1000)
    print(f"\nstart-up, milliseconds ({STARTS} runs each, taking turns)")
    for name, times in found.items():
        print(f"  {name:<26} median {statistics.median(times):6.1f}   min {min(times):6.1f}")


# ---- lambda ---------------------------------------------------------------------------------------------------------


def invocations(_admin: str) -> None:
    """One invocation after another of a function, through the runner and by a bare boto3 client, taking turns."""
    far_end = subprocess.Popen(
        [sys.executable, str(HERE / "lambda_side.py"), "serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert far_end.stdout is not None
        url = far_end.stdout.readline().strip()
        for name, what in (("echo", "that answers at once"), ("nap", "that takes 25 ms")):
            _invocations(url, name, what)
    finally:
        far_end.terminate()
        far_end.wait()


def _invocations(url: str, name: str, what: str) -> None:
    found: dict[str, list[float]] = {"runner": [], "boto3": []}
    for _ in range(ROUNDS):
        for side, times in found.items():
            times.extend(measured(sys.executable, "lambda_side.py", side, url, str(INVOCATIONS), name)["milliseconds"])
    print(f"\nLambda, {ROUNDS * INVOCATIONS} invocations each of a function {what}, milliseconds")
    for side, times in found.items():
        _pickup_line(side, times)
    middle = {side: statistics.median(times) for side, times in found.items()}
    print(f"  ratio of medians {middle['runner'] / middle['boto3']:.2f}")


# ---- validate -------------------------------------------------------------------------------------------------------


def validate(_admin: str) -> None:
    """A registry of 1,000 services and 5,000 operations, checked by whole processes that begin cold."""
    text = large_registry(SERVICES)
    command, schema = Path(sys.executable).with_name("specql-jobs"), HERE.parent / "schemas" / "registry.schema.json"
    with tempfile.TemporaryDirectory(prefix="sqj-bench-") as folder:
        file = Path(folder, "services.yaml")
        file.write_text(text)
        sides = {
            "specql-jobs validate": [str(command), "validate", str(file)],
            "check-jsonschema 0.39": [peer_python(), "-m", "check_jsonschema", "--schemafile", str(schema), str(file)],
        }
        found: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, words in sides.items():
                found[name].append(_watched(words, text.count("\n")))
    report(f"{SERVICES} services, {SERVICES * OPERATIONS} operations, {text.count(chr(10)):,} lines", found)


def _watched(words: list[str], lines: int) -> dict[str, float]:
    """Run a command that must end with 0; return its time and its peak of memory."""
    before = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[0]} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": took, "CPU seconds": cpu, "lines/s": lines / took, "peak RSS, MiB": usage.ru_maxrss / 1024}


# ---- containers -----------------------------------------------------------------------------------------------------


def containers(_admin: str) -> None:
    """One job in a container, beside `docker run --rm` of the same image with the same limits, taking turns."""
    with subprocess.Popen([sys.executable, str(HERE / "containers.py")], stdout=subprocess.PIPE, text=True) as side:
        found: dict[str, Any] = json.loads(side.communicate()[0].strip().splitlines()[-1])
    print(f"\none container, milliseconds ({found.pop('runs')} each, taking turns), {found.pop('engine')}")
    for name, times in found.items():
        print(f"  {name:<34} median {statistics.median(times):6.1f}   min {min(times):6.1f}")
    ours, bare, confined = (statistics.median(times) for times in found.values())
    print(f"  ratio to docker run {ours / bare:.2f}, to docker run as confined {ours / confined:.2f}")


BENCHMARKS: dict[str, Callable[[str], None]] = {
    "throughput": throughput,
    "pickup": pickup,
    "recovery": recovery,
    "shell": overhead.shell,
    "http": overhead.http,
    "help": start_up,
    "lambda": invocations,
    "validate": validate,
    "docker": containers,
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
