"""Parts of a JSON Schema that no value can satisfy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .model import Position
from .nodes import Node, locate

_BOUNDS: Final = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
)
_BELOW: Final = ("items", "additionalProperties", "contains")
_NAMED_BELOW: Final = ("properties", "$defs", "definitions", "patternProperties")


def impossible(schema: Any, node: Node) -> Iterator[tuple[str, str, Position]]:
    """Yield the code, message and place of what contradicts itself, here and in the schemas below."""
    if not isinstance(schema, Mapping):
        return
    yield from _bounds(schema, node)
    yield from _required(schema, node)
    for key in _BELOW:
        if key in schema:
            yield from impossible(schema[key], locate(node, [key]))
    for key in _NAMED_BELOW:
        below = schema.get(key)
        for name, each in below.items() if isinstance(below, Mapping) else ():
            yield from impossible(each, locate(node, [key, name]))


def _bounds(schema: Mapping[str, Any], node: Node) -> Iterator[tuple[str, str, Position]]:
    for least, most in _BOUNDS:
        low, high = schema.get(least), schema.get(most)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            yield "SQJ115", f"{least} {low:g} is above {most} {high:g}", locate(node, [least]).position


def _required(schema: Mapping[str, Any], node: Node) -> Iterator[tuple[str, str, Position]]:
    """Fields that are required and that nothing lets in."""
    names, known = schema.get("required"), schema.get("properties", {})
    if schema.get("additionalProperties") is not False or "patternProperties" in schema or "$ref" in schema:
        return
    for index, name in enumerate(names if isinstance(names, list) else ()):
        if name not in known:
            message = f"the field {str(name)[:80]!r} is required, but is not among the properties"
            yield "SQJ114", message, locate(node, ["required", index]).position
