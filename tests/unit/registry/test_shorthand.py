"""Which mapping is JSON Schema, and what field: type pairs become."""

from __future__ import annotations

from typing import Any

import pytest

from specql_jobs.core.registry.shorthand import expand, is_json_schema


@pytest.mark.parametrize(
    "stated",
    [
        {},
        {"amount": "integer"},
        {"type": "string"},
        {"type": "string", "amount": "integer"},
        {"type": "string", "format": "string", "title": "string?"},
        {"properties": "object", "required": "array"},
        {"properties": {"a": "integer"}},
        {"items": ["string"], "type": "string"},
        {"type": {"type": "integer"}},
    ],
)
def test_fields_named_like_keywords_are_shorthand(stated: dict[str, Any]) -> None:
    """A field may be called type, format, items or properties."""
    expanded = expand(stated)
    assert not is_json_schema(stated)
    assert not expanded.problems
    assert set(expanded.schema["properties"]) == set(stated)
    assert expanded.schema["additionalProperties"] is False


@pytest.mark.parametrize(
    "stated",
    [
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"a": {"type": "integer"}}, "x-owner": "me"},
        {"properties": {"a": {"type": "integer"}}},
        {"type": "object", "required": ["a"]},
        {"type": ["object", "null"]},
        {"type": "string", "pattern": "^a"},
        {"enum": ["a", "b"]},
        {"$ref": "#/$defs/a", "$defs": {"a": {}}},
        {"$schema": "https://json-schema.org/draft/2020-12/schema"},
        {"anyOf": [{"required": ["a"]}]},
    ],
)
def test_json_schema_is_left_as_it_is(stated: dict[str, Any]) -> None:
    """A mapping that could not be field: type pairs is taken as JSON Schema, unchanged."""
    expanded = expand(stated)
    assert is_json_schema(stated)
    assert (expanded.schema, expanded.shorthand) == (stated, False)


def test_shorthand_becomes_a_closed_object() -> None:
    """All seven types, optional fields, nested objects and lists of one type."""
    expanded = expand({"a": "integer", "b": "string?", "c": "any", "d": ["number"], "e": {"f": "boolean?"}})
    assert expanded.shorthand
    assert expanded.schema == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "string"},
            "c": {},
            "d": {"type": "array", "items": {"type": "number"}},
            "e": {"type": "object", "properties": {"f": {"type": "boolean"}}, "additionalProperties": False},
        },
        "additionalProperties": False,
        "required": ["a", "c", "d", "e"],
    }


def test_a_field_may_hold_json_schema() -> None:
    """One field's own JSON Schema stands beside shorthand ones; the whole is then no shorthand any more."""
    expanded = expand({"a": "integer", "b": {"type": "string", "enum": ["x"]}})
    assert expanded.schema["properties"]["b"] == {"type": "string", "enum": ["x"]}
    assert not expanded.shorthand
