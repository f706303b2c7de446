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

_COUNT: Final = {"type": "integer", "minimum": 0}
_HERE: Final = {"$ref": "#"}
_SCHEMAS: Final = {"type": "object", "additionalProperties": _HERE}
_SOME: Final = {"type": "array", "minItems": 1, "items": _HERE}
_TYPE: Final = {"enum": sorted(JSON_TYPES)}

#: What draft 2020-12 demands of each of these keywords. `$ref`, `$schema` and what is rarer are not plain.
_PLAIN: Final[dict[str, Any]] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": ["object", "boolean"],
    "additionalProperties": False,
    "properties": {
        "type": {"if": {"type": "array"}, "then": {"minItems": 1, "uniqueItems": True, "items": _TYPE}, "else": _TYPE},
        "properties": _SCHEMAS,
        "additionalProperties": _HERE,
        "required": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "items": _HERE,
        "contains": _HERE,
        "not": _HERE,
        **dict.fromkeys(("allOf", "anyOf", "oneOf"), _SOME),
        **dict.fromkeys(("enum", "examples"), {"type": "array"}),
        **dict.fromkeys(("const", "default"), True),
        **dict.fromkeys(("title", "description", "format"), {"type": "string"}),
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), {"type": "number"}),
        "multipleOf": {"type": "number", "exclusiveMinimum": 0},
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _COUNT),
        **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), {"type": "boolean"}),
        "pattern": {"type": "string", "format": "regex"},
    },
}


def is_plain(schema: dict[str, Any]) -> bool:
    """Whether a schema is valid in draft 2020-12, as far as a short look can tell."""
    return _look()(schema)


@cache
def _look() -> Callable[[Any], bool]:
    return compiled(_PLAIN)
