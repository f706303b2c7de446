"""`config show`: settings and profiles for people, with where each comes from, and as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .console import Console
from .tables import text_table
from .text import one_line

if TYPE_CHECKING:
    from ..effective_settings import Effective, Profile

_UNSET = "-"


def as_json(found: Sequence[Effective], profiles: Sequence[Profile]) -> dict[str, Any]:
    """Return the document's data."""
    return {
        "settings": [
            {
                "key": each.key,
                "value": each.value or None,
                "origin": str(each.origin),
                "where": each.where or None,
                "line": each.line or None,
            }
            for each in found
        ],
        "profiles": [
            {
                "name": each.name,
                "database": each.database,
                "protected": each.protected,
                "path": each.path,
                "line": each.line or None,
            }
            for each in profiles
        ],
    }


def page(found: Sequence[Effective], profiles: Sequence[Profile], console: Console, *, origin: bool) -> str:
    """Return the settings as a table, and the profiles that could be named."""
    return "\n".join(_lines(found, profiles, console, origin=origin))


def _lines(found: Sequence[Effective], profiles: Sequence[Profile], console: Console, *, origin: bool) -> Iterator[str]:
    columns = 4 if origin else 2
    rows = [_row(each)[:columns] for each in found]
    yield text_table(("SETTING", "VALUE", "ORIGIN", "WHERE")[:columns], rows, console.width)
    if profiles:
        yield ""
        heads = ("PROFILE", "DATABASE", "PROTECTED", "WHERE")
        yield text_table(heads, [_profile(each) for each in profiles], console.width)


def _row(each: Effective) -> tuple[str, ...]:
    value = one_line(each.value) or _UNSET
    return each.key, value, str(each.origin) if each.where or each.value else _UNSET, _place(each.where, each.line)


def _profile(each: Profile) -> tuple[str, ...]:
    return one_line(each.name), one_line(each.database), "yes" if each.protected else "no", _place(each.path, each.line)


def _place(where: str, line: int) -> str:
    return f"{one_line(where)}:{line}" if line else one_line(where)
