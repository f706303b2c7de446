"""Rules about what a call sends: the fields that the operation declares, all that it wants, and values that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..registry.frozen import thaw
from ..registry.model import Finding, Position
from ..registry.schemas import Validator
from ..registry.secret_shapes import looks_secret
from .expression import Entry, Expression, Literal, Record, Reference, is_constant, literals, plain
from .field_types import FieldType, of_schema
from .hints import hint, near
from .view import CallView

_COMPOSED: Final = ("$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "$dynamicRef")


def given(view: CallView) -> Iterator[Finding]:
    """The whole input against input_schema."""
    if view.operation is None:
        return
    stated, at = view.call.input, view.call.input_at
    if isinstance(stated, Record):
        yield from _record(view, stated, view.operation.input_schema, at, "")
    elif stated is None or (isinstance(stated, Literal) and stated.value is None):
        yield from _missing(view, (), view.operation.input_schema, at, "")
    elif is_constant(stated):
        message = f"the input of {view.call.whole} is a mapping of its fields"
        yield view.found("SQJ615", message, stated.position, "write input: {field: value}")


def _record(view: CallView, record: Record, schema: Mapping[str, Any], at: Position, path: str) -> Iterator[Finding]:
    properties = _properties(schema)
    if properties is None:
        return
    yield from _missing(view, tuple(record.entries), schema, at, path)
    for name, entry in record.entries.items():
        if name in properties:
            yield from _value(view, entry, properties[name], f"{path}{name}")
        elif schema.get("additionalProperties") is False:
            yield _undeclared(view, name, entry.key, properties, path)


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The declared fields; None when the schema is too rich to tell."""
    found = schema.get("properties", {})
    return found if isinstance(found, Mapping) and not any(key in schema for key in _COMPOSED) else None


def _missing(
    view: CallView, names: Sequence[str], schema: Mapping[str, Any], at: Position, path: str
) -> Iterator[Finding]:
    properties = _properties(schema) or {}
    misspelt = {meant for name in names if name not in properties for meant in near(name, properties)}
    for name in schema.get("required", ()):
        if name not in names and name not in misspelt:
            wanted = of_schema(properties.get(name)).name
            message = f"{view.call.whole} wants the input field `{path}{name}`" + (f" ({wanted})" if wanted else "")
            yield view.found("SQJ614", message, at)


def _undeclared(view: CallView, name: str, at: Position, known: Mapping[str, Any], path: str) -> Finding:
    help_text = hint(name, known, "it takes", "" if known else "it takes no input: its input_schema is empty")
    return view.found("SQJ613", f"{view.call.whole} takes no input field `{path}{name[:80]}`", at, help_text)


# ---- one value -------------------------------------------------------------------------------------------------------


def _value(view: CallView, entry: Entry, schema: Any, path: str) -> Iterator[Finding]:
    value = entry.value
    if not isinstance(schema, Mapping):
        return
    if isinstance(value, Record) and of_schema(schema).fields is not None:
        yield from _record(view, value, schema, entry.key, f"{path}.")
    elif is_constant(value):
        yield from _constant(view, value, schema, path)
    elif isinstance(value, Reference):
        yield from _reference(view, value, of_schema(schema), path)


def _constant(view: CallView, value: Expression, schema: Mapping[str, Any], path: str) -> Iterator[Finding]:
    operation = view.operation
    root = operation.input_schema if operation is not None else {}
    definitions = {key: thaw(root[key]) for key in ("$schema", "$defs", "definitions") if key in root}
    whole = {"type": "object", "properties": {path: thaw(schema)}, **definitions}
    strict = operation is not None and operation.shorthand
    for problem in Validator(whole, shorthand=strict).check({path: plain(value)}):
        yield view.found("SQJ615", f"{view.call.whole}: {problem}", value.position)


def _reference(view: CallView, value: Reference, wanted: FieldType, path: str) -> Iterator[Finding]:
    kind = view.scope.type_of(value)
    if not kind.json or not wanted.json:
        return
    what = f"{view.call.whole}: `{path}` wants {wanted.name}, and {value} is {kind.name}"
    if kind.json & wanted.json:
        strange = [each for each in kind.values if wanted.values and each not in wanted.values]
        if strange:
            message = f"{view.call.whole}: {value} can be {', '.join(strange[:5])}, which `{path}` does not take"
            yield view.found("SQJ617", message, value.position)
    elif kind.json == {"integer"} and "number" in wanted.json:
        return
    elif kind.json == {"number"} and "integer" in wanted.json:
        help_text = f"say what becomes of it: round({value})::integer, or ({value} * 100)::integer for hundredths"
        yield view.found("SQJ617", f"{what}, which may have a fraction", value.position, help_text)
    else:
        textual = "string" in wanted.json and "array" not in kind.json
        yield view.found("SQJ616", what, value.position, f"send it as text: {value}::text" if textual else "")


# ---- credentials -----------------------------------------------------------------------------------------------------


def credentials(view: CallView) -> Iterator[Finding]:
    """Literals that look like credentials: a job's input is read by many."""
    for value in literals(view.call.input) if view.call.input else ():
        if isinstance(value.value, str) and looks_secret(value.value):
            message = f"the input of {view.call.whole} holds what looks like a credential"
            yield view.found("SQJ618", message, value.position)
