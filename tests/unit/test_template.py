"""Placeholders: one value into one argument, one path segment or one JSON value, and never more."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.contract import PlanError
from specql_jobs.core.template import LONGEST_ARGUMENT, fill_argument, fill_path, fill_value, placeholders

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize(
    ("template", "values", "argument"),
    [
        ("plain", {}, "plain"),
        ("{a}", {"a": "x y; rm -rf /"}, "x y; rm -rf /"),
        ("{a}", {"a": "{b}", "b": "secret"}, "{b}"),
        ("{a}", {"a": "{a.__class__}"}, "{a.__class__}"),
        ("--size={n}", {"n": -5}, "--size=-5"),
        ("{n}", {"n": 1.5}, "1.5"),
        ("{b}", {"b": True}, "true"),
        ("{l}", {"l": [1, "é"]}, '[1,"é"]'),
        ("{o.k}", {"o": {"k": "v"}}, "v"),
        ("{{a}} {a}", {"a": "x"}, "{a} x"),
        ("{not-a-field} {}", {}, "{not-a-field} {}"),
    ],
)
def test_a_value_fills_one_argument(template: str, values: dict[str, Any], argument: str) -> None:
    """Text goes in as it is, other JSON as JSON; nothing that was filled in is read again."""
    assert fill_argument(template, values) == argument


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("{a}", {"a": "-rf"}),
        ("{a}", {"a": -5}),
        ("{a}{b}", {"a": "", "b": "--exec"}),
        ("{a}", {"a": "x\0y"}),
        ("{a}", {"a": "x" * LONGEST_ARGUMENT}),
        ("{a}", {"a": "\ud800"}),
        ("{a}", {"a": None}),
        ("{a}", {}),
        ("{a.b}", {"a": "text"}),
        ("{a.__class__}", {"a": {}}),
    ],
)
def test_a_value_that_is_no_argument_is_refused(template: str, values: dict[str, Any]) -> None:
    """Options, NUL, more than Linux takes, null and missing fields have no plan."""
    with pytest.raises(PlanError):
        fill_argument(template, values)


@given(TEXT)
def test_a_path_value_stays_inside_its_segment(value: str) -> None:
    """Whatever the value, the path has the template's segments, and the segment decodes to the value."""
    try:
        path = fill_path("/v1/{a}/end", {"a": value})
    except PlanError:
        assert value in ("", ".", "..")
        return
    assert path.isascii()
    assert not set("?#\\ ") & set(path)
    before, segment, after = path.strip("/").split("/")
    assert (before, unquote(segment), after) == ("v1", value, "end")


@pytest.mark.parametrize("value", ["", ".", "..", None, "\ud800"])
def test_path_values_that_climb_or_vanish_are_refused(value: Any) -> None:
    """Dot segments, empty ones and what cannot be encoded have no plan."""
    with pytest.raises(PlanError):
        fill_path("/v1/{a}", {"a": value})


def test_a_whole_placeholder_keeps_its_type_in_json() -> None:
    """In JSON, `"{n}"` alone becomes the value itself; inside other text it becomes text."""
    template = {"n": "{n}", "deep": ["{o}", "n={n}"], "fixed": 3}
    assert fill_value(template, {"n": 7, "o": {"k": None}}) == {"n": 7, "deep": [{"k": None}, "n=7"], "fixed": 3}


@pytest.mark.parametrize("template", ["{a.}", "{a..b}", "{.a}"])
def test_what_is_no_placeholder_is_text_everywhere(template: str) -> None:
    """Listing and filling agree on what a placeholder is."""
    assert list(placeholders(template)) == []
    assert fill_value(template, {"a": 1}) == template


def test_placeholders_are_found_at_every_depth() -> None:
    """Every field that a template reads is listed, so that undeclared ones are found when a registry is read."""
    template = {"a": ["{x}", {"b": "{y.z} {{no}}"}], "c": 3}
    assert list(placeholders(template)) == ["x", "y.z"]


@given(TEXT)
def test_one_value_is_one_word_to_a_shell_that_nobody_starts(value: str) -> None:
    """The filled argument is the value, byte for byte: quoting it and reading it back gives it again."""
    if "\0" in value or value.startswith("-"):
        return
    argument = fill_argument("{a}", {"a": value})
    assert argument == value
    assert shlex.split(shlex.quote(argument)) == [value]
