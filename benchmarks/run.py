"""All benchmarks in one command: each beside peers or a floor, on the same Postgres, in the same run.

    python benchmarks/run.py                           all of the queue's
    python benchmarks/run.py throughput pickup         some
    python benchmarks/run.py --all                     the runners' and the commands' too
    python benchmarks/run.py --quick                   all of the queue's, once, with fewer jobs
    python benchmarks/run.py --table FILE.jsonl        the tables of an earlier run, as markdown; measures nothing
    python benchmarks/run.py --table FILE.jsonl --into docs/performance.md     put them into that page
    python benchmarks/run.py --plot FILE.jsonl OUT.svg the plot of an earlier run

Sides take turns, so that a noisy machine is noisy for all; tables have medians, and ratios are what to read.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import backlog
import commands
import enqueueing
import far_ends
import latency
import overhead
import throughput
from environments import BUILD, NODE_PACKAGES, PYTHON_PACKAGES, peer_python
from measuring import HERE
from results import Results, load, page, renewed
from server import Postgres, postgres
from session import Session
from sides import peers
from working import Stage

QUEUE: dict[str, Callable[[Session], None]] = {
    "throughput": throughput.throughput,
    "limits": throughput.limits,
    "pickup": latency.pickup,
    "enqueue": enqueueing.enqueue,
    "backlog": backlog.backlog,
    "memory": throughput.memory,
    "recovery": latency.recovery,
}
#: Of whole commands and of runners: they print tables of their own and need no Postgres.
OTHERS: dict[str, Callable[[], None]] = {
    "shell": overhead.shell,
    "http": overhead.http,
    "help": commands.start_up,
    "lambda": far_ends.invocations,
    "validate": commands.validate,
    "docker": far_ends.containers,
}


def main() -> None:
    """Measure, or show what an earlier run has measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped and its folder removed
    parser, asked = _asked()
    unknown = [name for name in asked.names if name not in {**QUEUE, **OTHERS}]
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]!r}; known: {', '.join((*QUEUE, *OTHERS))}")
    if asked.table and asked.into:
        asked.into.write_text(renewed(asked.into.read_text(), page(load(asked.table))))
    elif asked.table:
        print(page(load(asked.table)))
    elif asked.plot:
        plot(*asked.plot)
    else:
        measure(asked, asked.names or [*QUEUE, *(OTHERS if asked.all else ())])


def _asked() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*QUEUE, *OTHERS))}")
    parser.add_argument("--all", action="store_true", help="the benchmarks of commands and runners too")
    parser.add_argument("--quick", action="store_true", help="one round, fewer jobs, 100,000 finished rows: a look")
    parser.add_argument("--finished", type=int, help="finished rows of the backlog (default 1000000)", metavar="N")
    parser.add_argument("--jobs", type=int, help="jobs of one round of throughput (default 20000)", metavar="N")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each side", metavar="N")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="beside peers whose name has this; again for more"
    )
    parser.add_argument("--postgres", type=Path, metavar="DIR", help="programs of another PostgreSQL (…/bin)")
    parser.add_argument("--results", type=Path, default=BUILD / "bench-results.jsonl", metavar="FILE.jsonl")
    parser.add_argument("--table", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--into", type=Path, metavar="PAGE.md", help="with --table: the page whose figures to renew")
    parser.add_argument("--plot", type=Path, nargs=2, metavar=("FILE.jsonl", "OUT.svg"))
    return parser, parser.parse_args()


def measure(asked: argparse.Namespace, names: list[str]) -> None:
    """Run benchmarks; write each figure to the results file, and the tables and the plot beside it."""
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if any(name in QUEUE for name in names):
            log = stack.enter_context(asked.results.open("w"))
            server = stack.enter_context(postgres(asked.postgres))
            session = _session(asked, server, Results(log))
            for name in names:
                if name in QUEUE:
                    _timed(name, lambda name=name: QUEUE[name](session))  # type: ignore[misc] # bound at once
    for name in names:
        if name in OTHERS:
            _timed(name, OTHERS[name])
    if any(name in QUEUE for name in names):
        asked.results.with_suffix(".md").write_text(page(load(asked.results)) + "\n")
        plot(asked.results, asked.results.with_suffix(".svg"))


def _session(asked: argparse.Namespace, server: Postgres, results: Results) -> Session:
    jobs, finished = (10_000, 100_000) if asked.quick else (20_000, 1_000_000)
    results.about(facts(server))
    print(results.heading)
    return Session(
        Stage(server),
        results,
        tuple(
            side for side in peers() if not asked.only or any(word.lower() in side.name.lower() for word in asked.only)
        ),
        rounds=1 if asked.quick else asked.rounds,
        jobs=asked.jobs or jobs,
        finished=finished if asked.finished is None else asked.finished,
        quick=asked.quick,
    )


def _timed(name: str, run: Callable[[], None]) -> None:
    before = time.monotonic()
    run()
    print(f"({name}: {time.monotonic() - before:.0f} s)", flush=True)


def facts(server: Postgres) -> dict[str, object]:
    """Return on what is measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False
    )
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit.stdout.strip() or "unknown",
        "cores": os.cpu_count(),
        "CPU": _processor(),
        "kernel": os.uname().release,
        "Python": sys.version.split()[0],
        "PostgreSQL": server.version(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "peers": " ".join((*PYTHON_PACKAGES, *NODE_PACKAGES)),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def plot(results: Path, out: Path) -> None:
    """Draw a run's figures, by matplotlib in the peers' environment."""
    subprocess.run([peer_python(), str(HERE / "plot.py"), str(results), str(out)], check=True)
    print(f"\n{results}   {out}")


if __name__ == "__main__":
    main()
