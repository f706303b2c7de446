"""Files of SQL that are made from something else: what would be written, what stands there, and how they differ."""

from __future__ import annotations

import difflib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..core.errors import UsageError
from .output.console import Console


@dataclass(slots=True)
class SqlFile:
    """One file: its content as it should be, and as it stands; None where there is none."""

    path: Path
    content: bytes
    standing: bytes | None
    status: str = ""  # written, unchanged or stale

    def as_json(self) -> dict[str, Any]:
        """Return the file with the keys that `compile -o json` promises."""
        return {
            "path": str(self.path),
            "status": self.status,
            "bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
        }


@dataclass(slots=True)
class SqlFiles:
    """All files of one run."""

    files: list[SqlFile] = field(default_factory=list)

    @classmethod
    def of(cls, out: str, parts: Mapping[str, str]) -> SqlFiles:
        """Return the files for texts by name: all in one FILE, or one for each in a folder; none without `out`."""
        if not out or not parts:
            return cls()
        path = Path(out)
        folder = path.is_dir() or out.endswith("/") or not path.suffix
        wanted = {path / f"{quote(name, safe='')}.sql": text for name, text in parts.items()} if folder else {}
        files = [_file(path, text) for path, text in (wanted or {path: "\n".join(parts.values())}).items()]
        return cls(files)

    @property
    def stale(self) -> bool:
        """Whether a file is not as it should be."""
        return any(each.status == "stale" for each in self.files)

    def write(self) -> None:
        """Write what differs, each file whole or not at all; raise UsageError for one that cannot be written."""
        for each in self.files:
            if each.status == "stale":
                _put(each.path, each.content)
                each.status = "written"

    def difference(self) -> str:
        """Return a unified diff of what stands there and what it should be."""
        return "".join(line for each in self.files if each.status == "stale" for line in _diff(each)).rstrip("\n")

    def as_json(self) -> list[dict[str, Any]]:
        """Return every file."""
        return [each.as_json() for each in self.files]

    def say(self, console: Console) -> None:
        """Tell what became of the files."""
        for each in self.files:
            if each.status != "unchanged":
                console.say(f"{each.status}: {each.path}")
        same = sum(each.status == "unchanged" for each in self.files)
        if same:
            console.say(f"unchanged: {same} file{'' if same == 1 else 's'}")


def _file(path: Path, text: str) -> SqlFile:
    content = text.encode("utf-8")
    try:
        standing = path.read_bytes()
    except FileNotFoundError:
        standing = None
    except OSError as error:
        raise _unwritable(path, error) from None
    return SqlFile(path, content, standing, "unchanged" if standing == content else "stale")


def _diff(file: SqlFile) -> list[str]:
    old = (file.standing or b"").decode("utf-8", "replace").splitlines(keepends=True)
    new = file.content.decode("utf-8").splitlines(keepends=True)
    before = str(file.path) if file.standing is not None else "/dev/null"
    lines = difflib.unified_diff(old, new, before, f"{file.path} (compiled)")
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def _put(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with open(number, "wb") as file:
                file.write(content)
            Path(name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.replace(name, path)
        finally:
            with suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {(error.strerror or 'unwritable').lower()}",
        hint="name a file or a folder that you may write to",
        code="E226",
        name="output-unwritable",
    )
