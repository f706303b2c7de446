"""JSON Schemas that are plainly valid, told in microseconds: the keywords that nearly every registry gets by with.

Checking one against the whole of draft 2020-12 takes two milliseconds, and a large registry has thousands. A schema
that is not plain may still be valid; whoever asks here asks the library then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from .schemas import compiled
from .shorthand import JSON_TYPES

_HERE: Final = {"$ref": "#"}
_TYPE: Final = {"enum": sorted(JSON_TYPES)}
_KINDS: Final[dict[str, Any]] = {
    "schema": _HERE,
    "schemas": {"type": "object", "additionalProperties": _HERE},
    "some schemas": {"type": "array", "minItems": 1, "items": _HERE},
    "text": {"type": "string"},
    "pattern": {"type": "string", "format": "regex"},
    "number": {"type": "number"},
    "above zero": {"type": "number", "exclusiveMinimum": 0},
    "count": {"type": "integer", "minimum": 0},
    "flag": {"type": "boolean"},
    "list": {"type": "array"},
    "names": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    "types": {"if": {"type": "array"}, "then": {"minItems": 1, "uniqueItems": True, "items": _TYPE}, "else": _TYPE},
    "anything": True,
}
#: What draft 2020-12 demands of each of these keywords. `$ref`, `$schema` and what is rarer are not plain.
_KEYWORDS: Final = {
    "types": ("type",),
    "schemas": ("properties",),
    "schema": ("additionalProperties", "items", "contains", "not"),
    "some schemas": ("allOf", "anyOf", "oneOf"),
    "names": ("required",),
    "text": ("title", "description", "format"),
    "pattern": ("pattern",),
    "list": ("enum", "examples"),
    "anything": ("const", "default"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    "above zero": ("multipleOf",),
    "count": ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
    "flag": ("uniqueItems", "deprecated", "readOnly", "writeOnly"),
}
_PLAIN: Final = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": ["object", "boolean"],
    "additionalProperties": False,
    "properties": {keyword: _KINDS[kind] for kind, keywords in _KEYWORDS.items() for keyword in keywords},
}


def is_plain(schema: dict[str, Any]) -> bool:
    """Whether a schema is valid in draft 2020-12, as far as a short look can tell."""
    return _look()(schema)


@cache
def _look() -> Callable[[Any], bool]:
    return compiled(_PLAIN)
