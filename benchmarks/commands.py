"""Whole commands, each a process that begins cold: their start, and `validate` on a large registry."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments import peer_python
from large_registry import OPERATIONS, large_registry
from measuring import HERE, ROUNDS, report

STARTS = 25
SERVICES = 1000


def start_up() -> None:
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


def validate() -> None:
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
