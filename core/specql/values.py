"""What an entity states, as SQL: inside a JSON document with its JSON type kept, or for a column of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from ..entities.expression import Entry, Expression, Formula, Items, Literal, Record, Reference, is_constant, plain
from ..entities.field_types import FieldType
from ..registry.scalars import Scalar
from . import columns
from .formula import computed
from .place import Place
from .problems import no_expression, no_value
from .quoting import is_storable, literal

_PAIRS: Final = 50  # of jsonb_build_object: PostgreSQL passes at most 100 arguments


def document(value: Expression, place: Place) -> str:
    """Return SQL of a JSON document (jsonb) that holds what is stated; raise NotCompiled for what has no SQL."""
    if is_constant(value):
        return _constant(value)
    match value:
        case Record():
            return _record(value, place)
        case Items():
            parts = [_item(each, place) for each in value.values]
            arrays = [f"jsonb_build_array({', '.join(part)})" for part in _parts(parts, 2 * _PAIRS)]
            return " || ".join(arrays)
    return f"to_jsonb({_item(value, place)})"


def _constant(value: Expression) -> str:
    _require_storable(value)
    return f"{literal(json.dumps(plain(value), ensure_ascii=False))}::jsonb"


def _require_storable(value: Expression) -> None:
    """Raise NotCompiled at the literal, or the name, that PostgreSQL cannot hold."""
    match value:
        case Literal(value=str() as text) if not is_storable(text):
            raise no_value("the text holds a character that PostgreSQL cannot store", value.position)
        case Record():
            for name, entry in value.entries.items():
                _require_name(name, entry)
                _require_storable(entry.value)
        case Items():
            for each in value.values:
                _require_storable(each)


def _require_name(name: str, entry: Entry) -> None:
    if not is_storable(name):
        raise no_value("the field's name holds a character that PostgreSQL cannot store", entry.key)


def _record(value: Record, place: Place) -> str:
    pairs = []
    for name, entry in value.entries.items():
        _require_name(name, entry)
        pairs.append(f"{literal(name)}, {_item(entry.value, place)}")
    return " || ".join(f"jsonb_build_object({_listed(part)})" for part in _parts(pairs, _PAIRS))


def _listed(parts: list[str]) -> str:
    """Short arguments on one line, others each on its own."""
    line = ", ".join(parts)
    return line if len(line) <= 80 else "\n  " + ",\n  ".join(each.replace("\n", "\n  ") for each in parts) + "\n"


def _parts(items: list[str], most: int) -> Iterator[list[str]]:
    for start in range(0, max(len(items), 1), most):
        yield items[start : start + most]


def _item(value: Expression, place: Place) -> str:
    """One value as an argument of a function that builds JSON."""
    match value:
        case Literal(value=str() as text):
            _require_storable(value)
            return f"{literal(text)}::text"
        case Literal(value=float()):
            return _constant(value)
        case Literal():
            return scalar(value.value)
        case Reference():
            return place.resolve(value).json
        case Formula():
            found = computed(value, place)
            return f"extract(epoch FROM ({found.sql}))" if found.interval else found.sql
    return document(value, place)


def scalar(value: Scalar) -> str:
    """Return a number, true, false or nothing as SQL."""
    if value is None:
        return "NULL"
    return ("true" if value else "false") if isinstance(value, bool) else repr(value)


# ---- columns ---------------------------------------------------------------------------------------------------------


def assigned(value: Expression, kind: FieldType, place: Place) -> str:
    """Return SQL of what a column of a field's type is set to; raise NotCompiled for what has no SQL."""
    wanted = columns.type_of(kind)
    match value:
        case Literal(value=str() as text):
            _require_storable(value)
            return f"to_jsonb({literal(text)}::text)" if wanted == "jsonb" else literal(text)
        case Literal(value=None):
            return "NULL"
        case Literal():
            return f"to_jsonb({scalar(value.value)})" if wanted == "jsonb" else scalar(value.value)
        case Reference():
            return place.resolve(value).of_type(wanted)
        case Formula():
            return computed(value, place).sql
    if wanted not in ("jsonb", ""):
        raise no_expression(f"a list or a mapping does not go into a field of type {kind.name}", value.position)
    return document(value, place)


def text(value: Expression, place: Place, field: str | None = None) -> str:
    """Return SQL of a text, such as a key; `field` is a field's name that stands for its value."""
    if isinstance(value, Literal) and value.value == field and field is not None:
        found = place.word(field, value.position)
        if found is not None:
            return f"({found.value})::text"
    match value:
        case Literal(value=str() as said):
            _require_storable(value)
            return literal(said)
        case Literal(value=None):
            return "NULL"
        case Literal():
            return literal(json.dumps(value.value))
        case Reference():
            return f"({place.resolve(value).value})::text"
        case Formula():
            return f"({computed(value, place).sql})::text"
    raise no_expression("a list or a mapping is no text", value.position)


def condition(value: Expression, place: Place) -> str:
    """Return SQL of a condition; raise NotCompiled for what is none."""
    match value:
        case Formula():
            return computed(value, place).sql
        case Reference():
            return place.resolve(value).value
        case Literal(value=bool() as held):
            return scalar(held)
    raise no_expression("this is no condition", value.position, "write one such as total_amount > 0")
