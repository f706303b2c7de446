"""Generated files on disk: which are fresh, which are stale, and which are somebody else's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Conflict, UsageError
from .whole_file import put

if TYPE_CHECKING:
    from ..core.specql.frontend.generate import GeneratedFile


@dataclass(frozen=True, slots=True)
class OnDisk:
    """One file as it should be, and as it is: None where it is not there."""

    path: Path
    wanted: GeneratedFile
    found: bytes | None

    @property
    def fresh(self) -> bool:
        """Whether there is nothing to write."""
        return self.found == self.wanted.content

    def owned(self, mark: str) -> bool:
        """Whether it may be written: it is not there, or its first line says that we made it."""
        return self.found is None or mark.encode() in self.found.split(b"\n", 1)[0]

    def difference(self) -> Iterator[str]:
        """Yield the lines of a unified diff to what should be; nothing where only the header is old."""
        here = (self.found or b"").decode("utf-8", "replace").splitlines()
        if here[1:] == self.wanted.text.splitlines()[1:]:
            return
        yield from unified_diff(here, self.wanted.text.splitlines(), str(self.path), "generated", n=1, lineterm="")


def look(folder: Path, wanted: Sequence[GeneratedFile]) -> list[OnDisk]:
    """Return the files as they are in the folder; raise UsageError for one that cannot be read."""
    return [OnDisk(folder / each.path, each, _read(folder / each.path)) for each in wanted]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, "read", error) from None


def write(found: Sequence[OnDisk], mark: str, *, force: bool) -> None:
    """Write what is not fresh; raise Conflict, with nothing written, where a file is not ours."""
    strange = [str(each.path) for each in found if not each.fresh and not each.owned(mark)]
    if strange and not force:
        raise Conflict(
            f"not made by specql-jobs generate, and kept as it is: {', '.join(strange)}; nothing was written",
            code="E603",
            name="file-exists",
            hint="name another folder with --out, or add --force",
        )
    for each in found:
        if not each.fresh:
            _write(each)


def _write(file: OnDisk) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        put(file.path, file.wanted.content, replace=True)
    except OSError as error:
        raise _unusable(file.path, "written", error) from None


def _unusable(path: Path, what: str, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be {what}: {(error.strerror or 'unusable').lower()}",
        hint="name a folder that you may write to with --out",
        code="E209",
        name="folder-unwritable",
    )
