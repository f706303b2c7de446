"""The peers' own environments, made on first use: nothing of them is a dependency of the project."""

from __future__ import annotations

import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.node import NodeAbsent, with_packages

BUILD = Path(__file__).resolve().parent.parent / "build"
PYTHON_ENVIRONMENT = BUILD / "bench-env"
NODE_ENVIRONMENT = BUILD / "bench-node"

PYTHON_PACKAGES = (
    "pgqueuer==1.6.0",
    "asyncpg==0.32.0",
    "procrastinate==3.10.0",
    "psycopg[binary]==3.3.9",
    "uvloop==0.23.0",
    "matplotlib==3.11.2",
    "check-jsonschema==0.39.0",
)
NODE_PACKAGES = ("graphile-worker@0.18.0", "pg-boss@12.38.0")


@cache
def peer_python() -> str:
    """Return the interpreter of the Python peers' environment."""
    python = PYTHON_ENVIRONMENT / "bin" / "python"
    if _wanting(PYTHON_ENVIRONMENT, PYTHON_PACKAGES):
        venv.create(PYTHON_ENVIRONMENT, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PYTHON_PACKAGES], check=True)
        _made(PYTHON_ENVIRONMENT, PYTHON_PACKAGES)
    return str(python)


@cache
def peer_node() -> str | None:
    """Return the node that runs the peers from npm, None where it or they cannot be had."""
    try:
        return with_packages(NODE_ENVIRONMENT, NODE_PACKAGES)
    except NodeAbsent as absent:
        print(f"without the peers from npm: {absent}", file=sys.stderr)
        return None


def _wanting(folder: Path, packages: tuple[str, ...]) -> bool:
    stamp = folder / ".has"
    return not stamp.exists() or stamp.read_text() != " ".join(packages)


def _made(folder: Path, packages: tuple[str, ...]) -> None:
    (folder / ".has").write_text(" ".join(packages))
