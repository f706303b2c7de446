"""Packages from npm in a folder of their own, made on first use: nothing of them is a dependency of the project."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

#: Where packages for tests are kept between runs.
BUILD: Final = Path(__file__).resolve().parents[2] / "build"

#: Seconds; a registry that does not answer must not hang the run.
INSTALL_SECONDS: Final = 240


class NodeAbsent(Exception):
    """node, npm or the packages cannot be had here; the text says why."""


def with_packages(folder: Path, packages: tuple[str, ...]) -> str:
    """Return the node that finds these packages in folder/node_modules; install what the folder does not say it has."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NodeAbsent("node and npm are not installed")
    stamp = folder / ".has"
    if not stamp.exists() or stamp.read_text() != " ".join(packages):
        folder.mkdir(parents=True, exist_ok=True)
        _install(npm, folder, packages)
        stamp.write_text(" ".join(packages))
    return node


def _install(npm: str, folder: Path, packages: tuple[str, ...]) -> None:
    options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
    try:
        done = subprocess.run(
            [npm, "install", *options, *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NodeAbsent(f"npm install did not end within {INSTALL_SECONDS} s") from None
    if done.returncode:
        raise NodeAbsent(f"npm install failed: {done.stderr.strip()[-500:]}")
