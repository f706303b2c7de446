"""JSON Schema to TypeScript, type by type; that tsc accepts the whole is tested in tests/frontend."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.registry.shorthand import expand
from specql_jobs.core.specql.frontend.schema_types import SchemaTypes, unique
from specql_jobs.core.specql.frontend.typescript_text import comment, key, literal


def body(schema: Any) -> str:
    """Return a schema's type on one line, with every declaration that it needs."""
    text = SchemaTypes(schema, "T", set()).declarations()
    return " ".join(text.replace("export type T = ", "", 1).split()).removesuffix(";")


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "null"}, "null"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "array"}, "Array<unknown>"),
        ({"type": "array", "items": {"type": ["integer", "null"]}}, "Array<number | null>"),
        ({"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1, "items": False}, "[string]"),
        (
            {"type": "array", "items": [{"type": "string"}], "additionalItems": {"type": "null"}},
            "[(string)?, ...(null)[]]",
        ),
        ({"enum": ["a", 'b"', 1, True, None]}, r'"a" | "b\"" | 1 | true | null'),
        ({"enum": [[1, "x"], {"a-b": 2}]}, '[1, "x"] | { "a-b": 2; }'),
        ({"const": "x"}, '"x"'),
        ({"type": "object"}, "Record<string, unknown>"),
        ({"type": "object", "additionalProperties": False}, "Record<string, never>"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "{ [key: string]: string }"),
        ({"type": "object", "patternProperties": {"^x": {"type": "string"}}}, "Record<string, unknown>"),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "number"}},
            "{ a?: string; [key: string]: unknown; }",
        ),
        ({"properties": {"a": {}}, "required": ["a", "b"]}, "{ a: unknown; b: unknown; }"),
        (
            {"type": "object", "properties": {"a-b": {"type": "string"}, "1": True}},
            '{ "a-b"?: string; "1"?: unknown; }',
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string | number"),
        ({"oneOf": [{"type": "string"}, {}]}, "unknown"),
        ({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}, "{ a?: unknown; } & { b?: unknown; }"),
        ({"type": "array", "items": {"anyOf": [{"const": 1}, {"const": 2}]}}, "Array<1 | 2>"),
        ({"minLength": 3}, "unknown"),
        (True, "unknown"),
        (False, "never"),
        ({"not": {"type": "string"}}, "unknown"),
    ],
)
def test_a_schema_has_a_type(schema: Any, wanted: str) -> None:
    """Each keyword that a type can express is expressed, and the others leave `unknown`."""
    assert body(schema) == wanted


def test_shorthand_is_closed_and_knows_what_may_be_left_out() -> None:
    """Fields with a question mark are optional, others required, and nested shorthand is an object."""
    schema = expand({"amount": "integer", "note": "string?", "lines": [{"sku": "string"}], "rest": "any"}).schema
    assert body(schema) == "{ amount: number; note?: string; lines: Array<{ sku: string; }>; rest: unknown; }"


def test_no_input_is_an_empty_object() -> None:
    """An operation without fields takes an object without properties."""
    assert body(expand({}).schema) == "Record<string, never>"


def test_references_become_types_of_their_own() -> None:
    """A reference is declared once, under the name of what it leads to, and may lead to itself."""
    tree = {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
    schema = {"properties": {"a": {"$ref": "#/$defs/tree"}, "b": {"$ref": "#/$defs/tree"}}, "$defs": {"tree": tree}}
    assert body(schema) == "{ a?: TTree; b?: TTree; }; export type TTree = { below?: Array<TTree>; }"


@pytest.mark.parametrize(
    "definitions",
    [
        {"a": {"$ref": "#/$defs/a"}},
        {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        {"a": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a"}]}},
        {"a": {"allOf": [{"$ref": "#"}]}},
        {},
    ],
)
def test_a_circle_of_references_ends(definitions: dict[str, Any]) -> None:
    """A definition that is nothing but itself, or not there, is unknown instead of a type that tsc refuses."""
    text = body({"anyOf": [{"$ref": "#/$defs/a"}], "$defs": definitions})
    assert "unknown" in text


def test_descriptions_become_comments() -> None:
    """A description stands above what it describes, on one line, and cannot end the comment."""
    schema = {"description": "the\nwhole */", "properties": {"a": {"type": "string", "description": "one"}}}
    text = SchemaTypes(schema, "T", set()).declarations()
    assert text.startswith("/** the whole * / */\nexport type T = {\n  /** one */\n  a?: string;\n")


def test_names_are_given_once() -> None:
    """A name that is taken gets a number, and one that could not begin a type gets a word in front."""
    taken = {"A"}
    assert [unique("A", taken), unique("A", taken), unique("9", taken)] == ["A2", "A3", "Type9"]


@given(st.text())
def test_any_text_is_one_property_or_literal(text: str) -> None:
    """Names and values are quoted so that nothing of them is read as TypeScript."""
    assert re.fullmatch(r"[A-Za-z_$][\w$]*", key(text), re.ASCII) or re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', key(text))
    assert re.fullmatch(r'"(?:[^"\\\n\u2028\u2029]|\\.)*"', literal(text))
    assert comment(text).count("*/") <= 1


_LEAVES = st.sampled_from([True, False, {}, {"type": "string"}, {"const": 1.5}, {"$ref": "#/$defs/a"}, {"$ref": "#"}])
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda below: st.one_of(
        st.builds(
            lambda word, of: {word: of}, st.sampled_from(["anyOf", "oneOf", "allOf"]), st.lists(below, min_size=1)
        ),
        st.builds(lambda of: {"type": "object", "properties": of}, st.dictionaries(st.text(max_size=3), below)),
        st.builds(lambda of: {"type": ["array", "null"], "items": of}, below),
    ),
    max_leaves=12,
)


@given(_SCHEMAS, _SCHEMAS)
def test_every_schema_has_balanced_types(schema: Any, other: Any) -> None:
    """Whatever the schema, the declarations end, close what they open, and name only what they declare."""
    root = {"anyOf": [schema], "$defs": {"a": other}}
    text = SchemaTypes(root, "T", set()).declarations()
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert all(bare.count(left) == bare.count(right) for left, right in ("{}", "()", "[]", "<>"))
    assert set(re.findall(r"\bT\w*", bare)) == set(re.findall(r"export type (\w+)", bare))
