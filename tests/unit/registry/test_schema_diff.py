"""Whether a schema takes less or more than before, told from the two schemas and held against real values."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from specql_jobs.core.registry.schema_diff import Direction, compare_schemas
from specql_jobs.core.registry.shorthand import expand

NARROWED, WIDENED, UNCLEAR = Direction.NARROWED, Direction.WIDENED, Direction.UNCLEAR

SCHEMAS: list[dict[str, Any]] = [
    {},
    {"type": "integer"},
    {"type": "number"},
    {"type": "string"},
    {"type": ["string", "null"]},
    {"enum": ["a", "b"]},
    {"enum": ["a"]},
    {"type": "string", "maxLength": 1},
    {"type": "string", "maxLength": 2, "minLength": 1},
    {"type": "string", "pattern": "^a"},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "items": {"type": "number"}},
    {"type": "array", "minItems": 1},
    {"type": "object"},
    {"type": "object", "additionalProperties": False},
    expand({"a": "integer"}).schema,
    expand({"a": "integer?"}).schema,
    expand({"a": "number", "b": "string?"}).schema,
    expand({"a": "integer", "b": "string"}).schema,
    expand({"a": "integer"}, closed=False).schema,
    expand({"a": {"c": "integer"}}).schema,
    {"type": "object", "additionalProperties": {"type": "string"}},
    {"anyOf": [{"type": "string"}, {"type": "integer"}]},
]
VALUES: list[Any] = [
    *(None, True, 1, 1.5, "", "a", "b", "ab", "abc", [], [1], [1.5], ["a"], {}),
    *({"a": 1}, {"a": 1.5}, {"a": "x"}, {"a": 1, "b": "x"}, {"b": "x"}, {"a": 1, "z": 1}, {"a": {"c": 1}}, {"a": {}}),
]


def passing(schema: dict[str, Any]) -> set[int]:
    """Which of the values a schema takes."""
    validator = Draft202012Validator(schema)
    return {index for index, value in enumerate(VALUES) if validator.is_valid(value)}


@pytest.mark.parametrize("old", SCHEMAS, ids=str)
def test_no_narrowing_and_no_widening_is_missed(old: dict[str, Any]) -> None:
    """Where some value passes one schema and not the other, a difference says so, or says that it cannot tell."""
    for new in SCHEMAS:
        found = {each.direction for each in compare_schemas(old, new, "input")}
        assert not passing(old) - passing(new) or found & {NARROWED, UNCLEAR}, new
        assert not passing(new) - passing(old) or found & {WIDENED, UNCLEAR}, new
        assert old != new or not found


@pytest.mark.parametrize(
    ("old", "new", "path", "direction"),
    [
        ({"a": "string"}, {"a": "string?"}, "in.a", WIDENED),
        ({"a": {"b": "string?"}}, {"a": {"b": "string"}}, "in.a.b", NARROWED),
        ({"a": ["string"]}, {"a": ["any"]}, "in.a[]", WIDENED),
        ({"a": "string?"}, {"a": "string?", "b": "string?"}, "in.b", WIDENED),
    ],
)
def test_a_difference_names_its_field(
    old: dict[str, Any], new: dict[str, Any], path: str, direction: Direction
) -> None:
    """The path leads through objects and lists to the field that changed."""
    found = list(compare_schemas(expand(old).schema, expand(new).schema, "in"))
    assert [(each.path, each.direction) for each in found] == [(path, direction)]


def test_words_for_people_are_no_difference() -> None:
    """A title, a description or an example changes nothing that passes."""
    old, new = {"type": "string", "title": "a"}, {"type": "string", "description": "b", "examples": ["c"]}
    assert list(compare_schemas(old, new, "in")) == []
