"""Effective values for people and as data: with their units, where they come from, and never a credential."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..places import repository_path
from .text import one_line

if TYPE_CHECKING:
    from ...core.registry.effective import Held
    from ...core.registry.model import Position

#: Keys whose value is a credential when it stands in the file itself; a name, a path or a variable is none.
_CREDENTIAL = re.compile(
    r"pass(word|wd|phrase)|secret|token|api[_-]?key|authorization|cookie|credential|signature", re.I
)
_REFERENCE = re.compile(r"(_env_var|_file|_url|_arn)$", re.I)
_DOTS = "•••"

HEADERS = ("KEY", "VALUE", "FROM", "WHERE")


def as_json(held: Held) -> dict[str, Any]:
    """Return one value with its origin."""
    at = held.position
    return {
        "key": held.key,
        "value": masked(held.key, held.value),
        "origin": str(held.origin),
        "path": at.path if at else None,
        "line": at.line if at else None,
        "stated": masked(held.key, held.stated),
    }


def rows(values: Iterable[Held], ceiling: str = "") -> list[tuple[str, str, str, str]]:
    """Return the values as rows of a table; `ceiling` is the host policy's path."""
    return [
        (one_line(each.key), one_line(shown(each.key, each.value)), str(each.origin), _where(each, ceiling))
        for each in values
    ]


def _where(held: Held, ceiling: str) -> str:
    if held.origin != "ceiling":
        return place(held.position)
    wanted = f"; {place(held.position)} says {shown(held.key, held.stated)}" if held.position else ""
    return one_line(f"{repository_path(ceiling)}{wanted}")


def place(at: Position | None) -> str:
    """Return path:line, or nothing where a value stands in no file."""
    return f"{one_line(at.path)}:{at.line}" if at else ""


def masked(key: str, value: Any) -> Any:
    """Return the value as plain data, with dots for what should have been a secret."""
    if isinstance(value, Mapping):
        return {name: masked(f"{key}.{name}", below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [masked(key, below) for below in value]
    name = key.rpartition(".")[2]
    literal = isinstance(value, str) and bool(value) and "${" not in value
    return _DOTS if literal and _CREDENTIAL.search(name) and not _REFERENCE.search(name) else _without_password(value)


def _without_password(value: Any) -> Any:
    """A URL without the user's password in it."""
    return re.sub(r"(://[^/\s:@]*):[^/\s@]*@", rf"\1:{_DOTS}@", value) if isinstance(value, str) else value


def shown(key: str, value: Any) -> str:
    """Return a value as people read it: `64 KiB`, `600 s`, `none`."""
    if value is None:
        return "not limited"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(key.rpartition(".")[2], value)
    plain = masked(key, value)
    if isinstance(plain, list) and all(isinstance(each, str | int) for each in plain):
        return ", ".join(map(str, plain)) or "none"
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, default=str)


_IN_SECONDS = (
    "timeout",
    "deadline",
    "max_execution_time",
    "recovery_timeout",
    "cpu_seconds",
    "base_seconds",
    "max_seconds",
)


def _number(name: str, value: float) -> str:
    if name.endswith("_mb"):
        return f"{value:g} MiB"
    if name.endswith(("_size", "_bytes")):
        size, unit = next(
            ((1024**power, unit) for power, unit in ((2, "MiB"), (1, "KiB")) if value >= 1024**power), (1, "")
        )
        return f"{value / size:g} {unit or 'bytes'}"
    if name in _IN_SECONDS:
        return f"{value:g} s"
    return f"{value:g}"
