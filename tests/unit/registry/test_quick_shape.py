"""The quick yes: what passes in microseconds is what the whole JSON Schema library would pass."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from support.mutations import KINDS, SEED, read
from support.tree import ROOT

from specql_jobs.core.job import ExecutionType
from specql_jobs.core.registry import shape, source
from specql_jobs.core.registry.nodes import data
from specql_jobs.core.registry.plain_schemas import is_plain
from specql_jobs.core.registry.quick_shape import passes, schema

FOLDER: Final = ROOT / "tests" / "fixtures" / "registries"
NOTES: Final = {"title", "description", "default", "examples", "deprecated"}
EACH: Final = 10


def subschemas(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key not in NOTES:
            yield from subschemas(below)


def test_draft_7_means_the_same() -> None:
    """Beside a reference stand only notes, which draft 7 ignores, and no keyword is used that came after it."""
    every = list(subschemas(schema()))
    beside = [rules.keys() - {"$ref"} - NOTES for rules in every if "$ref" in rules]
    assert [keys for keys in beside if keys] == []
    later = {"dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "prefixItems"}
    assert not later & {key for rules in every for key in rules}


def test_limits_of_texts_stand_in_definitions() -> None:
    """The compiled form gives bounds to definitions alone: no size or duration is limited anywhere else."""
    named = [name for name, rules in schema()["$defs"].items() if "x-unit" in rules]
    assert len(named) == sum("x-unit" in rules for rules in subschemas(schema())) == 3


def services(text: str) -> list[Any]:
    root, _ = source.read(text, "f.yaml")
    below = root.get("services") if root else None
    return [data(item) for item in below.items] if below else []


@pytest.mark.parametrize("kind", list(ExecutionType))
def test_the_quick_answer_is_the_slow_one(kind: ExecutionType) -> None:
    """Of good and of spoilt services, a compiled check passes those in which the library finds nothing."""
    text = read(f"{kind}-list", (FOLDER / f"every_key_{kind}.yaml").read_text("utf-8"))
    chance = random.Random(f"{SEED} {kind}")
    spoilt = [mutation for mistake in KINDS for mutation in some(list(mistake(text, chance)), chance)]
    texts = ["\n".join(text.lines), *(each.content.decode("utf-8", "replace") for each in spoilt)]
    slow = shape._validator("named_service")
    answers = [(passes("named_service")(each), slow.is_valid(each), each) for text in texts for each in services(text)]
    assert [each for quick, sure, each in answers if quick != sure] == []
    assert {quick for quick, _, _ in answers} == {True, False}


def some(every: list[Any], chance: random.Random) -> list[Any]:
    return chance.sample(every, min(EACH, len(every)))


@pytest.mark.parametrize(
    ("timeout", "fits"), [("365d", True), ("999999d", False), ("30s\n", False), (31536000, True), (31536001, False)]
)
def test_limits_hold_for_text(timeout: object, fits: bool) -> None:
    """A duration is bounded whether it is written as a number or with a unit, to the last character."""
    assert passes("shell_config")({"timeout": timeout}) is fits


VALUES = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, 3, "", "x", "object", "string", "[", "integer"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "type", "items"]), inner),
    max_leaves=4,
)
# fmt: off
KEYWORDS = st.sampled_from([
    "type", "properties", "required", "items", "minimum", "maxLength", "enum", "const", "pattern", "allOf", "not", "if",
    "additionalProperties", "format", "multipleOf", "uniqueItems", "title", "$ref", "contains", "minItems", "examples",
])
# fmt: on


def is_valid(stated: dict[str, Any]) -> bool:
    try:
        Draft202012Validator.check_schema(stated)
    except SchemaError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.dictionaries(KEYWORDS, VALUES), lambda inner: st.dictionaries(KEYWORDS, inner | VALUES)))
def test_what_is_plain_is_valid(stated: dict[str, Any]) -> None:
    """No schema is taken for plainly valid that draft 2020-12 refuses."""
    assert is_valid(stated) or not is_plain(stated)


@pytest.mark.parametrize(
    ("stated", "plain"),
    [
        (
            {"type": "object", "properties": {"a": {"type": ["string", "null"], "minLength": 1}}, "required": ["a"]},
            True,
        ),
        ({"type": "array", "items": {"enum": [1, 2]}, "additionalProperties": False}, True),
        ({"items": [{"type": "string"}]}, False),
        ({"pattern": "["}, False),
        ({"$ref": "#/nowhere"}, False),
        ({"type": "strnig"}, False),
        ({"required": ["a", "a"]}, False),
        ({"minLength": -1}, False),
    ],
)
def test_usual_schemas_are_plain(stated: dict[str, Any], plain: bool) -> None:
    """What registries usually say is told apart from what needs, or fails, a thorough look."""
    assert is_plain(stated) is plain
    assert is_valid(stated) is (plain or "$ref" in stated)
