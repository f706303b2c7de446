"""`{amount: integer, note: string?}` to JSON Schema, and which of the two a mapping is.

A field may be called `type`, `format` or `properties`: a mapping is JSON Schema only when every key is one of its
keywords and some value could not be a shorthand type.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

TYPES: Final = ("string", "integer", "number", "boolean", "array", "object", "any")
JSON_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
# fmt: off
KEYWORDS: Final = frozenset((
    "$schema", "$id", "$ref", "$defs", "$anchor", "$dynamicRef", "$dynamicAnchor", "$comment", "$vocabulary",
    "definitions", "type", "enum", "const", "properties", "required", "additionalProperties", "patternProperties",
    "propertyNames", "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies",
    "unevaluatedProperties", "items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains",
    "minItems", "maxItems", "uniqueItems", "unevaluatedItems", "minLength", "maxLength", "pattern", "format",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "allOf", "anyOf", "oneOf", "not",
    "if", "then", "else", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "contentMediaType", "contentEncoding", "contentSchema",
))
# fmt: on
_LONGEST_FIELD: Final = 128


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a schema, and the path to it."""

    path: tuple[str | int, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Expanded:
    """A schema in full. `shorthand`: it came from types alone, so that draft 4's strict integers hold for it."""

    schema: dict[str, Any]
    shorthand: bool
    problems: tuple[Problem, ...] = ()


def is_json_schema(stated: Mapping[str, Any]) -> bool:
    """Whether a mapping is JSON Schema rather than field: type pairs."""
    if any(key.startswith("$") for key in stated):
        return True
    if KEYWORDS.isdisjoint(stated):
        return False
    if stated == {"type": "object"} or _describes_an_object(stated) or _bounds_an_object(stated):
        return True
    return bool(stated) and stated.keys() <= KEYWORDS and not all(_is_type(value) for value in stated.values())


#: With `type: object` these say what the object may hold; nobody names a field so.
_BOUNDS: Final = frozenset(
    ("additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties", "required")
)


def _bounds_an_object(stated: Mapping[str, Any]) -> bool:
    return stated.get("type") == "object" and stated.keys() <= KEYWORDS and not _BOUNDS.isdisjoint(stated)


def _describes_an_object(stated: Mapping[str, Any]) -> bool:
    properties = stated.get("properties")
    return (
        isinstance(properties, Mapping)
        and (stated.get("type") == "object" or stated.keys() <= KEYWORDS)
        and all(isinstance(below, Mapping | bool) for below in properties.values())
    )


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 1 and _is_type(value[0])
    if isinstance(value, Mapping):
        return all(_is_type(below) for below in value.values())
    return isinstance(value, str) and value.removesuffix("?") in TYPES


def expand(stated: Mapping[str, Any], *, closed: bool = True) -> Expanded:
    """Return the JSON Schema that `stated` is or stands for; a closed one refuses unknown fields.

    Input is closed: a misspelt field is an error. Output is open: a target may answer more than was declared.
    """
    if is_json_schema(stated):
        return Expanded(dict(stated), shorthand=False)
    problems: list[Problem] = []
    schema = _object(stated, (), problems)
    if not closed:
        schema = _opened(schema)
    return Expanded(schema, shorthand=not _has_schema(stated), problems=tuple(problems))


def _object(stated: Mapping[str, Any], path: tuple[str | int, ...], problems: list[Problem]) -> dict[str, Any]:
    required = [name for name, value in stated.items() if not (isinstance(value, str) and value.endswith("?"))]
    problems.extend(_bad_names(stated, path))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _field(value, (*path, name), problems) for name, value in stated.items()},
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    """Let unknown fields pass, in nested shorthand objects too."""
    opened = {key: value for key, value in schema.items() if (key, value) != ("additionalProperties", False)}
    if "items" in opened:
        opened["items"] = _opened(opened["items"])
    if "properties" in opened:
        opened["properties"] = {name: _opened(below) for name, below in opened["properties"].items()}
    return opened


def _bad_names(stated: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Problem]:
    for name in stated:
        if name.isidentifier() and len(name) <= _LONGEST_FIELD:  # nearly all are, and then nothing below can be wrong
            continue
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_FIELD or any(sign in name for sign in "{}\"'\\"):
            yield Problem((*path, name), f"{name[:80]!r} cannot be the name of a field")


def _field(value: Any, path: tuple[str | int, ...], problems: list[Problem]) -> dict[str, Any]:
    if isinstance(value, str) and (word := value.removesuffix("?")) in TYPES:
        return {} if word == "any" else {"type": word}
    if isinstance(value, list) and len(value) == 1:
        return {"type": "array", "items": _field(value[0], (*path, 0), problems)}
    if isinstance(value, Mapping):
        return dict(value) if _is_field_schema(value) else _object(value, path, problems)
    problems.append(Problem(path, _unknown_type(value)))
    return {}


def _is_field_schema(value: Mapping[str, Any]) -> bool:
    """A field's own `{type: integer}` is JSON Schema, though the same one level up would be a field called type."""
    alone = value["type"] if value.keys() == {"type"} else None
    return (isinstance(alone, str) and alone in JSON_TYPES) or is_json_schema(value)


def _has_schema(value: Any) -> bool:
    """Whether JSON Schema stands anywhere below shorthand fields."""
    below = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    nested = [each for each in below if isinstance(each, dict | list)]
    return any((isinstance(each, dict) and _is_field_schema(each)) or _has_schema(each) for each in nested)


def _unknown_type(value: Any) -> str:
    near = difflib.get_close_matches(str(value), TYPES, n=1) if isinstance(value, str) else []
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"wanted a type ({', '.join(TYPES)}; ? makes it optional), got {_shown(value)}{hint}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"the text {value[:80]!r}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "nothing" if value is None else str(value)[:80]
