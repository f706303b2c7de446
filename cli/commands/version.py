"""`version`: what is installed."""

from __future__ import annotations

import platform

from ...core.version import VERSION
from ..leaf import command, group
from ..output.console import Console

app = group("Versions of specql-jobs and what it runs on.")


@command(app, "version", "version -o json")
def version(console: Console) -> None:
    """Print the versions of specql-jobs, Python and the libraries that matter in a bug report."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - 53 ms

    found = {"version": VERSION, "python": platform.python_version(), "platform": platform.platform(terse=True)}
    found |= {name: installed(name) for name in ("typer", "psycopg", "httpx")}
    console.answer(found, lambda: "\n".join(_line(name, value) for name, value in found.items()))


def _line(name: str, value: str) -> str:
    return f"specql-jobs {value}" if name == "version" else f"{name:<11} {value}"
