"""What a runner costs over the bare client of its engine or provider: containers and functions, taking turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

from measuring import HERE, ROUNDS, measured, percentiles

INVOCATIONS = 200


def invocations() -> None:
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
        percentiles(side, times)
    middle = {side: statistics.median(times) for side, times in found.items()}
    print(f"  ratio of medians {middle['runner'] / middle['boto3']:.2f}")


def containers() -> None:
    """One job in a container, beside `docker run --rm` of the same image with the same limits, taking turns."""
    with subprocess.Popen([sys.executable, str(HERE / "containers.py")], stdout=subprocess.PIPE, text=True) as side:
        found: dict[str, Any] = json.loads(side.communicate()[0].strip().splitlines()[-1])
    print(f"\none container, milliseconds ({found.pop('runs')} each, taking turns), {found.pop('engine')}")
    for name, times in found.items():
        print(f"  {name:<34} median {statistics.median(times):6.1f}   min {min(times):6.1f}")
    ours, bare, confined = (statistics.median(times) for times in found.values())
    print(f"  ratio to docker run {ours / bare:.2f}, to docker run as confined {ours / confined:.2f}")
