"""Selectors, durations and times as people write them."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.errors import UsageError
from specql_jobs.core.selector import (
    Moment,
    Selector,
    Words,
    parse_duration,
    parse_id,
    parse_input_match,
    parse_moment,
    parse_statuses,
    parse_types,
    parse_words,
    prefix_bounds,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("3d", 259200), ("2w", 1209600), ("0.5S", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    """A duration is numbers with units, added up."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "5y", "1e3s", "∞s", "99999999999w", "5m\n5x"])
def test_wrong_durations(text: str) -> None:
    """Anything else is a usage error with examples."""
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert "90s" in caught.value.hint


def test_moments() -> None:
    """A duration is meant as ago, by the database's clock; the rest is an absolute time with a zone."""
    assert parse_moment("2h") == Moment(ago_seconds=7200)
    assert parse_moment("2026-11-23T09:00:00+02:00").at == datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert parse_moment("@0").at == datetime(1970, 1, 1, tzinfo=UTC)
    naive = parse_moment("2026-11-23").at
    assert naive is not None
    assert naive.tzinfo is not None


@given(st.text(max_size=30))
def test_no_text_breaks_the_parsers(text: str) -> None:
    """Whatever is typed is read or refused as a usage error; no other exception leaves."""
    for parse in (parse_moment, parse_id, prefix_bounds, parse_input_match, lambda word: parse_words("--x", [word])):
        with suppress(UsageError):
            assert parse(text) is not None


def test_words() -> None:
    """Commas are OR, ! excludes, an empty word is refused."""
    assert parse_words("--x", ["a,b", "!c"]) == Words(("a", "b"), ("c",))
    for wrong in ("", "a,", "!", " , "):
        with pytest.raises(UsageError, match="--x is empty"):
            parse_words("--x", [wrong])


def test_known_words() -> None:
    """Statuses are read in any case; types by alias, and stored aliases are asked for too."""
    assert parse_statuses(["FAILED,!Running"]) == Words(("failed",), ("running",))
    words = parse_types(["Lambda"])
    assert words.wanted == ("serverless",)
    assert set(Selector(execution_type=words).parameters()["execution_type"]) == {"serverless", "lambda", "function"}


def test_an_empty_selector_is_false() -> None:
    """A selector is true as soon as one field asks for something, and false otherwise."""
    assert not Selector()
    assert Selector(ids=(UUID(int=1),))
    assert Selector(status=Words(excluded=("failed",)))
    assert Selector(since=Moment(ago_seconds=0.0))
    assert all(value is None for value in Selector().parameters().values())


def test_input_match_has_both_readings() -> None:
    """A value is compared as JSON and as text, so that 42 finds 42 and "42"; NaN is text only."""
    match = parse_input_match("a.b=42")
    assert (json.loads(match.as_json), json.loads(match.as_text)) == ({"a": {"b": 42}}, {"a": {"b": "42"}})
    assert json.loads(parse_input_match("a=NaN").as_json) == {"a": "NaN"}


def test_prefix_bounds() -> None:
    """A beginning of an id is the range of all ids that start so; less than 6 digits is no id."""
    low, high = prefix_bounds("0193C1f2-5a")
    assert str(low).startswith("0193c1f2-5a00-")
    assert str(high).startswith("0193c1f2-5aff-")
    with pytest.raises(UsageError):
        prefix_bounds("0193c")


def test_words_for_past_times() -> None:
    """`today` and `yesterday` begin at local midnight; a clock time is its last occurrence."""
    now = datetime(2026, 11, 23, 3, 30).astimezone()
    day = timedelta(days=1)
    midnight = datetime(2026, 11, 23).astimezone()
    assert parse_moment("today", now).at == midnight
    assert parse_moment("Yesterday", now).at == midnight - day
    assert parse_moment("03:10", now).at == now - timedelta(minutes=20)
    assert parse_moment("23:50", now).at == midnight - timedelta(minutes=10)
    for wrong in ("24:00", "9:60", "tomorrow"):
        with pytest.raises(UsageError, match="is not a time"):
            parse_moment(wrong, now)


def test_a_number_without_a_unit_is_offered_both() -> None:
    """A bare number is no duration; the hint writes it with units."""
    with pytest.raises(UsageError) as caught:
        parse_duration("15")
    assert "15s or 15m" in caught.value.hint
