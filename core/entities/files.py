"""Which files an `--entities` path means."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import UsageError
from ..registry.files import SUFFIXES


class EntityFile(NamedTuple):
    """A file to read, and whether it was named itself rather than found in a folder."""

    path: Path
    named: bool


def entity_files(paths: Sequence[Path]) -> tuple[EntityFile, ...]:
    """Return the files that `paths` mean, each once: a folder means every *.yaml and *.yml below it, sorted.

    Hidden folders are left out, and links to folders are not followed. Raise UsageError for a path that does not exist.
    """
    found: dict[Path, EntityFile] = {}
    for path in paths:
        for file in _files(path):
            found.setdefault(file.path.resolve(), file)
    return tuple(found.values())


def _files(path: Path) -> Iterator[EntityFile]:
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not path.is_dir():
        yield EntityFile(path, named=True)
        return
    for folder, below, names in os.walk(path, onerror=_raise):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix in SUFFIXES and not name.startswith("."):
                yield EntityFile(Path(folder) / name, named=False)


def _raise(error: OSError) -> None:
    raise _unreadable(Path(error.filename), error) from None


def _unreadable(path: Path, error: Exception) -> UsageError:
    reason = (error.strerror or "unreadable") if isinstance(error, OSError) else "not a path"
    return UsageError(
        f"cannot read the entities in {path}: {reason.lower()}",
        hint="name an entity file, or a folder of them",
        code="E225",
        name="entities-unreadable",
    )
