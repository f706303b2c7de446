"""Whether a part of a registry has the shape that `schemas/registry.shape.json` demands: yes or no, in microseconds.

Nearly every service is a yes; `shape.py` finds the words for a no.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any, Final

from ..units import MIB, parse_seconds, parse_size
from .schemas import compiled

_PACKAGE: Final = __name__.rpartition(".core.")[0]
_DRAFT_7: Final = "http://json-schema.org/draft-07/schema#"
_UNITS: Final[Mapping[str, Callable[[object], float]]] = {
    "second": parse_seconds,
    "byte": parse_size,
    "mebibyte": lambda value: parse_size(value, MIB),
}


@lru_cache(maxsize=1)
def schema() -> dict[str, Any]:
    """Return the registry's shape, a JSON Schema; one value for all, not to be changed."""
    text = (files(f"{_PACKAGE}.schemas") / "registry.shape.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@lru_cache(maxsize=8)
def passes(definition: str) -> Callable[[Any], bool]:
    """Return the check of one of the schema's definitions: 30 ms to compile, 50 us for a service of five operations.

    What the schema uses means the same in draft 7, where keywords beside $ref are only notes: a test holds it to that.
    """
    formats = {f"{name} in bounds": partial(_in_bounds, rules) for name, rules in _measured().items()}
    bounded = {name: {**rules, "format": f"{name} in bounds"} for name, rules in _measured().items()}
    definitions = {**schema()["$defs"], **bounded}
    return compiled({"$schema": _DRAFT_7, "$defs": definitions, "$ref": f"#/$defs/{definition}"}, formats)


def _measured() -> dict[str, dict[str, Any]]:
    """The definitions of sizes and durations, whose maximum holds for text too."""
    return {name: rules for name, rules in schema()["$defs"].items() if "x-unit" in rules}


def _in_bounds(rules: dict[str, Any], text: str) -> bool:
    return not is_above(rules["maximum"], text, rules)


def is_above(maximum: float, value: object, rules: Mapping[str, Any]) -> bool:
    """Whether a number, or a size or duration as text where `rules` say which, is more than a maximum."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    if not isinstance(value, str):
        return value > maximum
    try:
        return "x-unit" in rules and _UNITS[rules["x-unit"]](value) > maximum
    except ValueError:
        return False  # no size or duration at all: the pattern says so
