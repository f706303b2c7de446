"""Whether an input_schema or output_schema means something, and which fields it declares."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from .impossible import impossible
from .model import Position
from .nodes import Node, data, locate
from .plain_schemas import is_plain
from .shorthand import KEYWORDS, Expanded, expand, is_json_schema

Problem = tuple[str, str, Position]  # code, message, where

_COMPOSED: Final = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "$dynamicRef"})
_MAPS_OF_SCHEMAS: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_DATA: Final = frozenset({"enum", "const", "default", "examples", "required", "dependentRequired"})


@cache
def expanded(node: Node) -> Expanded:
    """Return an input schema in full; half a dozen rules ask for the same one. `load` clears the cache when it ends."""
    return expand(data(node))


@cache
def declared_fields(node: Node | None) -> frozenset[str] | None:
    """Return the fields that an input may have; None when the schema is too rich to tell. Cached as `expanded` is."""
    if node is None:
        return frozenset()
    schema = expanded(node).schema
    if not _COMPOSED.isdisjoint(schema):
        return None
    properties = schema.get("properties", {})
    return frozenset(properties) if isinstance(properties, Mapping) else frozenset()


def check_schema(node: Node) -> Iterator[Problem]:
    """Yield what is wrong with a schema in either form."""
    full = expanded(node)
    for problem in full.problems:
        yield "SQJ111", problem.message, locate(node, problem.path).position
    if not full.problems and not full.shorthand:
        yield from _json_schema(full.schema, node, composed=not is_json_schema(data(node)))


def _json_schema(schema: dict[str, Any], node: Node, *, composed: bool) -> Iterator[Problem]:
    plain = is_plain(schema)
    wrong = [] if plain else list(_invalid(schema, node, composed=composed))
    yield from wrong
    if not wrong:
        yield from () if plain else _keywords(schema, node)
        yield from impossible(schema, node)
        yield from _references(schema, node)


def _invalid(schema: dict[str, Any], node: Node, *, composed: bool) -> Iterator[Problem]:
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415 - 90 ms that --help must not pay

    from .schemas import dialect  # noqa: PLC0415 - the same

    kind = dialect(schema)
    if kind is None:
        yield "SQJ111", f"$schema {schema.get('$schema')!r} is not a known draft", node.position
        return
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        path = [] if composed else list(error.absolute_path)
        yield "SQJ111", f"not a valid JSON Schema: {error.message[:200]}", locate(node, path).position


def _references(schema: Any, node: Node) -> Iterator[Problem]:
    """References to a place in the schema that does not exist."""
    for pointer, path in _pointers(schema):
        place: Any = schema
        for step in pointer.removeprefix("#/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, Mapping) else None
        if place is None:
            yield "SQJ111", f"$ref {pointer[:80]!r} leads nowhere in this schema", locate(node, path).position


def _pointers(schema: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each reference into the schema itself, with the path to it."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        yield reference, (*above, "$ref")
    for key, below in schema.items():
        if isinstance(below, dict):
            yield from _pointers(below, (*above, key))


def _keywords(schema: Any, node: Node) -> Iterator[Problem]:
    """References that stay in the schema, patterns that compile, and keywords that JSON Schema knows."""
    if isinstance(schema, list):
        for index, below in enumerate(schema):
            yield from _keywords(below, locate(node, [index]))
    if not isinstance(schema, Mapping):
        return
    for key, value in schema.items():
        here = locate(node, [key])
        yield from _keyword(key, value, here, node)
        if key in _MAPS_OF_SCHEMAS and isinstance(value, Mapping):
            for name, below in value.items():
                yield from _keywords(below, locate(here, [name]))
        elif key not in _DATA:
            yield from _keywords(value, here)


def _keyword(key: str, value: Any, here: Node, node: Node) -> Iterator[Problem]:
    if key in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
        yield (
            "SQJ111",
            f"$ref {value!r} leaves this schema; only references such as #/$defs/x are followed",
            here.position,
        )
    patterns = [value] if key == "pattern" else list(value) if key == "patternProperties" else []
    for pattern in patterns:
        problem = _bad_pattern(pattern)
        if problem:
            yield "SQJ111", f"the pattern {str(pattern)[:80]!r} is not a regular expression: {problem}", here.position
    if key not in KEYWORDS and not key.startswith("x-"):
        near = difflib.get_close_matches(key, sorted(KEYWORDS), n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        at = node.pairs[key].key if key in node.pairs else here.position
        yield "SQJ113", f"unknown JSON Schema keyword `{key[:80]}`{hint}", at


def _bad_pattern(pattern: object) -> str:
    try:
        re.compile(str(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        return str(error) or "too deep"
    return ""
