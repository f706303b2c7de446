"""Changes between two registries, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .console import Console
from .held_values import masked, shown
from .text import clean, one_line

if TYPE_CHECKING:
    from ...core.registry.diff import Change

_COLOURS = {"breaking": "red", "risky": "yellow", "safe": "green"}


def show(console: Console, changes: Sequence[Change], summary: Mapping[str, int]) -> None:
    """Answer with the changes, and say how many there are of each kind."""
    data = {"changes": [_as_json(each) for each in changes], "summary": summary}
    console.answer(data, lambda: "\n".join(line for each in changes for line in _lines(each, console)))
    if not console.is_json:
        console.say(", ".join(f"{number} {word}" for word, number in summary.items()) if changes else "no difference")


def _as_json(change: Change) -> dict[str, Any]:
    values = {side: masked(change.field, getattr(change, side)) for side in ("before", "after")}
    names = {side: getattr(change, side) or None for side in ("operation", "field")}
    return {"code": change.code, "impact": str(change.impact)} | asdict(change) | names | values


def _lines(change: Change, console: Console) -> Iterator[str]:
    mark = console.painted(f"{change.impact:<8}", _COLOURS[change.impact])
    name = ".".join(part for part in (change.service, change.operation) if part)
    field = f" {one_line(change.field)}" if change.field else ""
    yield f"{mark}  {clean(name)}{field}: {one_line(change.message)} [{change.code} {change.kind}]"
    if change.before is not None or change.after is not None:
        yield f"{'':<8}  - {one_line(_shown(change.field, change.before))}"
        yield f"{'':<8}  + {one_line(_shown(change.field, change.after))}"


def _shown(field: str, value: Any) -> str:
    """A limit that is absent is no limit; anything else that is absent is not stated."""
    return "(not stated)" if value is None and "schema" in field else shown(field, value)
