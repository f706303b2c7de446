"""Paths as a repository's tools name them: from its root, with slashes."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from pathlib import Path


def repository_path(path: str) -> str:
    """Return `path` from the root of the repository around the current folder; what lies outside stays as it is.

    Without a repository, the current folder is the root. `<stdin>` is no path and stays, too.
    """
    return _from_root(path, os.getcwd())


@lru_cache(maxsize=1024)
def _from_root(path: str, folder: str) -> str:
    absolute, root = os.path.abspath(path), str(_root(folder))
    if path.startswith("<") or os.path.commonpath((absolute, root)) != root:
        return path
    return Path(os.path.relpath(absolute, root)).as_posix()


@cache
def _root(folder: str) -> Path:
    here = Path(folder)
    return next((place for place in (here, *here.parents) if (place / ".git").exists()), here)
