"""What the benchmarks of whole commands and of runners share: one side's run, and the table."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

ROUNDS = 3


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


def percentiles(name: str, found: list[float]) -> None:
    """Print the median and the tail of one side's times, in milliseconds."""
    cuts = statistics.quantiles(found, n=100)
    print(f"  {name:<22} p50 {cuts[49]:6.2f}   p95 {cuts[94]:6.2f}   p99 {cuts[98]:6.2f}")
