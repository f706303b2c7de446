"""Input against schemas, and JSON text to data: what is refused, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.errors import InvalidInput
from specql_jobs.core.registry.frozen import freeze, thaw
from specql_jobs.core.registry.schemas import DEEPEST, LARGEST, Validator, parse_input
from specql_jobs.core.registry.shorthand import expand

SHORTHAND = {
    "cents": "integer",
    "name": "string",
    "ratio": "number?",
    "on": "boolean?",
    "tags": ["string"],
    "x": "any?",
}
GOOD = {"cents": 5, "name": "Ada", "tags": ["a"]}


def shorthand(stated: dict[str, Any] | None = None) -> Validator:
    expanded = expand(stated or SHORTHAND)
    return Validator(freeze(expanded.schema), shorthand=expanded.shorthand)


def test_what_fits_has_no_problems() -> None:
    """A value that fits passes, however often it is asked."""
    validator = shorthand()
    assert validator.check(GOOD) == ()
    assert validator.check({**GOOD, "ratio": 1, "on": True, "x": {"any": [None]}}) == ()


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"cents": 1.0}, "cents: wanted integer, got a number 1.0"),
        ({"cents": True}, "cents: wanted integer, got a boolean true"),
        ({"cents": "5"}, 'cents: wanted integer, got a string "5"'),
        ({"ratio": True}, "ratio: wanted number, got a boolean true"),
        ({"name": None}, "name: wanted string, got null"),
        ({"tags": ["a", 1]}, "tags.1: wanted string, got an integer 1"),
        ({"tags": "a"}, 'tags: wanted array, got a string "a"'),
        ({"extra": 1}, "extra: unknown field"),
        ({"name": "a\0b"}, "a text contains a NUL character"),
        ({"a\0": 1}, "a text contains a NUL character"),
        ({"name": "\ud800"}, "a text contains half of a character (a lone surrogate)"),
        ({"x": float("nan")}, "a number is NaN or infinite"),
        ({"x": float("inf")}, "a number is NaN or infinite"),
    ],
)
def test_what_does_not_fit_names_field_wanted_and_got(changed: dict[str, Any], problem: str) -> None:
    """Each problem is one sentence with the field, what was wanted and what came."""
    assert shorthand().check({**GOOD, **changed}) == (problem,)


def test_missing_fields_are_each_named() -> None:
    """All problems come at once, each missing field by its name."""
    assert shorthand().check({}) == ("cents: missing", "name: missing", "tags: missing")
    assert shorthand().check([]) == ("the value: wanted object, got an array []",)


def test_long_values_are_cut_in_messages() -> None:
    """A message shows at most 80 characters of a value."""
    (problem,) = shorthand().check({**GOOD, "cents": "9" * 500})
    assert len(problem) < 130


def test_depth_and_size_are_capped_whatever_the_schema_says() -> None:
    """`any` lets no bomb through."""
    deep: Any = "x"
    for _ in range(DEEPEST):
        deep = [deep]
    assert "nested deeper" in shorthand().check({**GOOD, "x": deep})[0]
    assert "larger than" in shorthand().check({**GOOD, "x": "y" * LARGEST})[0]
    assert "larger than" in shorthand().check({**GOOD, "x": [0] * (LARGEST // 2)})[0]


def test_json_schema_keeps_its_own_meaning() -> None:
    """In full JSON Schema 1.0 is an integer, unknown fields are allowed unless refused, and formats do nothing."""
    validator = Validator({"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}}})
    assert validator.check({"a": 1.0, "b": 2}) == ()
    assert validator.check({"a": 4}) == ("a: 4 does not satisfy maximum 3",)


def test_remote_references_are_never_fetched() -> None:
    """A reference out of the schema answers no, at once, and touches no network."""
    validator = Validator({"properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}})
    assert "leads nowhere" in validator.check({"a": 1})[0]
    assert "leads nowhere" in Validator({"$ref": "#"}).check({"a": 1})[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} x', "not JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ('{"a": NaN}', "contains NaN"),
        ('{"a": -Infinity}', "contains -Infinity"),
        ('{"a": 1e5000}', "out of range"),
        ('{"a": ' + "9" * 5000 + "}", "5000 digits"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"a": "\\udc00"}', "surrogate"),
        ("[" * 200_000, "nested deeper"),
        ("[" * 101 + "]" * 101, "nested deeper"),
        ('"' + "x" * LARGEST + '"', "larger than"),
    ],
)
def test_json_text_that_is_no_input_is_refused(text: str, message: str) -> None:
    """Every kind of hostile text becomes InvalidInput with one sentence, never another exception."""
    with pytest.raises(InvalidInput) as caught:
        parse_input(text)
    assert message in caught.value.message
    assert caught.value.code == "E230"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back_as_it_was(value: Any) -> None:
    """What is JSON and within the caps is parsed to the same value."""
    assert parse_input(json.dumps(value)) == value


@given(JSON | st.text("\0\ud800\\é"))
def test_json_at_hand_changes_no_verdict(value: Any) -> None:
    """A value is judged alike whether or not its JSON text comes with it."""
    for validator in (shorthand(), Validator({}, shorthand=True)):
        assert validator.check_encoded(value, json.dumps(value)) == validator.check(value)


@pytest.mark.parametrize("inside", ["", "1"])
@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST, DEEPEST + 1])
def test_json_at_hand_changes_no_verdict_on_depth(depth: int, inside: str) -> None:
    """The text's brackets may only spare the walk where the walk would have found nothing."""
    text = "[" * depth + inside + "]" * depth
    anything = Validator({}, shorthand=True)
    assert anything.check_encoded(json.loads(text), text) == anything.check(json.loads(text))


@given(JSON)
def test_the_fast_path_and_the_words_agree(value: Any) -> None:
    """Both libraries give the same answer for every value."""
    schema = expand({"a": "integer?", "b": ["string"], "c": {"d": "number?"}}).schema
    fast, slow = Validator(schema, shorthand=True), Validator(schema, shorthand=True)
    words = tuple(slow._problems(value))
    assert fast.check(value) == words


@given(JSON)
def test_freezing_is_undone_by_thawing(value: Any) -> None:
    """A frozen value holds the same data."""
    assert thaw(freeze(value)) == value
