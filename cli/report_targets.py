"""`-o FORMAT[=FILE]`, which may be given again: one format on stdout, any number in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from ..core.errors import UsageError


class ReportFile(NamedTuple):
    """One format that goes to a file."""

    format: str
    path: str


def read_targets(words: Iterable[str], formats: Sequence[str]) -> tuple[str, tuple[ReportFile, ...]]:
    """Return the format of stdout (text unless stated) and the files; raise UsageError for what makes no sense."""
    shown: list[str] = []
    files: list[ReportFile] = []
    for word in words:
        name, sign, path = word.partition("=")
        _require_known(name, formats)
        if not sign:
            shown.append(name)
        elif not path:
            raise UsageError(f"-o {word} names no file", hint=f"write -o {name}=FILE, or -o {name} for stdout")
        else:
            files.append(ReportFile(name, path))
    _require_apart(shown, files)
    return (shown[0] if shown else "text"), tuple(files)


def _require_known(name: str, formats: Sequence[str]) -> None:
    if name not in formats:
        near = get_close_matches(name, formats, n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(formats)}"
        raise UsageError(f"there is no output format {name!r}; known: {', '.join(formats)}", hint=hint)


def _require_apart(shown: Sequence[str], files: Sequence[ReportFile]) -> None:
    if len(set(shown)) > 1:
        raise UsageError(
            f"{' and '.join(shown)} cannot both go to stdout", hint=f"write one to a file: -o {shown[-1]}=FILE"
        )
    paths = [each.path for each in files]
    if len(set(paths)) < len(paths):
        raise UsageError("two formats name the same file", hint="give each format a file of its own")
