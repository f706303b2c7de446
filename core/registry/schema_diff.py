"""Whether one JSON Schema takes less or more than another, as far as its types, properties and enums tell.

What cannot be told from those (patterns, conditions, references) is unclear, never called safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final


class Direction(Enum):
    """What became of the values that a schema takes."""

    NARROWED = auto()
    WIDENED = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference at a path such as `input_schema.customer.id`."""

    direction: Direction
    path: str
    message: str
    before: Any = None
    after: Any = None


_NARROWED, _WIDENED, _UNCLEAR = Direction.NARROWED, Direction.WIDENED, Direction.UNCLEAR
_ALL_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
#: Words for people: no value passes or fails by them.
_WORDS: Final = frozenset({"title", "description", "default", "examples", "deprecated", "$comment", "$schema", "$id"})
_WORDS_ALSO: Final = frozenset({"readOnly", "writeOnly"})
_COMPARED: Final = frozenset({"type", "properties", "required", "additionalProperties", "items", "enum"})
#: A lower number takes less, or a higher one.
_UPPER: Final = frozenset(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"))
_LOWER: Final = frozenset(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"))


def compare_schemas(old: Any, new: Any, path: str) -> Iterator[Difference]:
    """Yield what differs; nothing when both take the same values."""
    old, new = _as_mapping(old), _as_mapping(new)
    if old is None or new is None:
        yield from () if old == new else (Difference(_UNCLEAR, path, "takes nothing, or took nothing"),)
        return
    if old == new:
        return
    yield from _types(old, new, path)
    yield from _enums(old, new, path)
    if _may_be(old, "object") and _may_be(new, "object"):
        yield from _properties(old, new, path)
    if "items" in old or "items" in new:
        yield from compare_schemas(old.get("items", True), new.get("items", True), f"{path}[]")
    for key in {**old, **new}:
        if key not in _COMPARED | _WORDS | _WORDS_ALSO and old.get(key) != new.get(key):
            yield _keyword(key, old.get(key), new.get(key), path)


def _as_mapping(schema: Any) -> Mapping[str, Any] | None:
    """true takes anything, as {} does; false, and what is no schema, is None."""
    if schema is True:
        return {}
    return schema if isinstance(schema, Mapping) else None


# ---- types -----------------------------------------------------------------------------------------------------------


def _type_set(schema: Mapping[str, Any]) -> frozenset[str]:
    stated = schema.get("type")
    if stated is None:
        return _ALL_TYPES
    types = frozenset([stated] if isinstance(stated, str) else stated)
    return types | {"integer"} if "number" in types else types


def _may_be(schema: Mapping[str, Any], kind: str) -> bool:
    return kind in _type_set(schema)


def _types(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    before, after = _type_set(old), _type_set(new)
    if before == after:
        return
    words = _named(old), _named(new)
    if after < before:
        yield Difference(_NARROWED, path, f"takes {words[1]}, took {words[0]}", *words)
    elif before < after:
        yield Difference(_WIDENED, path, f"takes {words[1]}, took {words[0]}", *words)
    else:  # values that passed fail, and values that failed pass: whoever reads or writes them breaks
        yield Difference(_NARROWED, path, f"the type changed from {words[0]} to {words[1]}", *words)
        yield Difference(_WIDENED, path, f"the type changed from {words[0]} to {words[1]}", *words)


def _named(schema: Mapping[str, Any]) -> str:
    stated = schema.get("type", "any")
    return stated if isinstance(stated, str) else " or ".join(map(str, stated))


def _enums(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    before, after = old.get("enum"), new.get("enum")
    if before == after:
        return
    if before is None or (after is not None and all(each in before for each in after)):
        yield Difference(_NARROWED, path, "fewer values are taken", before, after)
    elif after is None or all(each in after for each in before):
        yield Difference(_WIDENED, path, "more values are taken", before, after)
    else:
        yield Difference(_NARROWED, path, "other values are taken", before, after)
        yield Difference(_WIDENED, path, "other values are taken", before, after)


# ---- fields ----------------------------------------------------------------------------------------------------------


def _properties(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    fields, others = old.get("properties", {}), new.get("properties", {})
    for name in {**fields, **others}:
        below = f"{path}.{name}"
        if name in fields and name in others:
            yield from compare_schemas(fields[name], others[name], below)
        elif name in fields:
            yield from _field_gone(name, old, new, below)
        else:
            yield from _field_new(name, old, new, below)
    yield from _required(old, new, path)
    yield from _openness(old, new, path)


def _field_gone(name: str, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    """A closed schema refuses a field that is gone; an open one promises it no more."""
    if _bounded(new):
        yield Difference(_UNCLEAR, path, "the field is one of the unknown ones now")
        return
    if _closed(new):
        yield Difference(_NARROWED, path, "the field is gone: a value with it no longer fits")
    if name in old.get("required", ()) or not _closed(new):
        yield Difference(_WIDENED, path, "the field is gone: nobody can count on it")


def _field_new(name: str, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    if _bounded(old):
        yield Difference(_UNCLEAR, path, "a new field, which was one of the unknown ones")
    if name in new.get("required", ()):
        yield Difference(_NARROWED, path, "a new field that must be there")
    elif not _closed(old):
        yield Difference(_NARROWED, path, "a new field: what it held so far may not fit")
    if _closed(old):
        yield Difference(_WIDENED, path, "a new field that may be there")


def _required(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    """Fields that are on both sides, and must be there on one."""
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    both = old.get("properties", {}).keys() & new.get("properties", {}).keys()
    for name in sorted((after - before) & both):
        yield Difference(_NARROWED, f"{path}.{name}", "the field must be there now", "optional", "required")
    for name in sorted((before - after) & both):
        yield Difference(_WIDENED, f"{path}.{name}", "the field may be missing now", "required", "optional")


def _openness(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
    if before == after:
        return
    if after is False:
        yield Difference(_NARROWED, path, "unknown fields are refused now")
    elif before is False and after is True:
        yield Difference(_WIDENED, path, "unknown fields are taken now")
    else:
        yield Difference(_UNCLEAR, path, "what unknown fields may hold changed")


def _bounded(schema: Mapping[str, Any]) -> bool:
    """Whether unknown fields have a schema of their own."""
    return isinstance(schema.get("additionalProperties"), Mapping)


def _closed(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties") is False


def _keyword(key: str, before: Any, after: Any, path: str) -> Difference:
    message = f"`{key}` changed"
    if key not in _UPPER | _LOWER or not all(each is None or isinstance(each, int | float) for each in (before, after)):
        return Difference(_UNCLEAR, path, message, before, after)
    if before is None or after is None:
        return Difference(_NARROWED if before is None else _WIDENED, path, message, before, after)
    less = after < before if key in _UPPER else after > before
    return Difference(_NARROWED if less else _WIDENED, path, message, before, after)
