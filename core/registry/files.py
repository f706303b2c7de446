"""Which files a registry path means, and their bytes, bounded; what cannot be read is a UsageError."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UsageError
from .source import LARGEST_FILE

SUFFIXES = frozenset({".yaml", ".yml"})


def registry_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files that `paths` mean, each once: a folder means its *.yaml and *.yml, sorted by name.

    Raise UsageError for a path that does not exist and for a folder without such files.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        for file in _files(path):
            found.setdefault(file.resolve(), file)
    if not found:
        raise UsageError("no registry file was named", hint="name a YAML file or a folder of them", code="E221")
    return tuple(found.values())


def read_bytes(path: Path, what: str = "the registry") -> bytes:
    """Return a file's bytes; more than LARGEST_FILE are not read. Raise UsageError when it cannot be read."""
    try:
        # Non-blocking, so that a pipe without a writer is refused below instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error, what) from None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            hint = "name a file; validate reads stdin with: validate -"
            raise UsageError(f"{path} is not a regular file", hint=hint, code="E221", name="registry-unreadable")
        return file.read(LARGEST_FILE + 1)


def _files(path: Path) -> Iterator[Path]:
    try:
        if not path.is_dir():
            path.stat()
            yield path
            return
        inside = sorted(path.iterdir())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    files = [each for each in inside if each.suffix in SUFFIXES and not each.name.startswith(".")]
    if not files:
        message = f"the folder {path} holds no *.yaml or *.yml file"
        raise UsageError(message, hint="name a registry file", code="E221", name="registry-unreadable")
    yield from files


def _sibling(path: Path) -> str:
    """A hint at the file beside a path that is not there, whose name is nearly its own."""
    try:
        beside = [] if path.exists() else [each.name for each in path.parent.iterdir()]
    except (OSError, ValueError):
        return ""
    near = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.8)
    return f"did you mean {path.with_name(near[0])}?" if near else ""


def _unreadable(path: Path, error: Exception, what: str = "the registry") -> UsageError:
    reason = (error.strerror or "unreadable") if isinstance(error, OSError) else "not a path"
    return UsageError(
        f"cannot read {what} {path}: {reason.lower()}",
        hint=_sibling(path) or "check the path and its permissions",
        code="E221",
        name="registry-unreadable",
    )
