"""Text for people: control characters, durations, tables, excerpts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.cli.output.finding_text import excerpt
from specql_jobs.cli.output.job_text import masked
from specql_jobs.cli.output.tables import markdown_table, text_table, tsv
from specql_jobs.cli.output.text import age, amount, clean, cut, duration, one_line
from specql_jobs.core.registry.model import Position


@given(st.text())
def test_clean_text_has_no_control_characters(text: str) -> None:
    """Nothing that moves a terminal's cursor or reorders its text survives."""
    shown = one_line(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    assert not set(shown) & set("\u202a\u202e\u2066\u2069\u200f\ufeff")


def test_clean_keeps_lines() -> None:
    """Line feeds and tabs are text; carriage returns and escapes are made visible."""
    assert clean("a\tb\nc\rd\x1b[0m\u202e") == "a\tb\nc\\x0dd\\x1b[0m\\u202e"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0004, "0ms"),
        (0.412, "412ms"),
        (3.21, "3.2s"),
        (250, "4m10s"),
        (7500, "2h05m"),
        (3600, "1h"),
        (273600, "3d04h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    """A duration has at most two units."""
    assert duration(seconds) == shown


def test_age_is_never_negative() -> None:
    """A clock that runs ahead does not make a job younger than nothing."""
    assert (age(-5), age(59.9), age(61)) == ("0s", "59s", "1m01s")


def test_only_the_last_column_is_cut() -> None:
    """A terminal gets a shorter last column; ids stay whole, and a pipe gets all."""
    rows = [["0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d", "x" * 100]]
    narrow = text_table(("ID", "ERROR"), rows, 60).splitlines()
    assert rows[0][0] in narrow[1]
    assert narrow[1].endswith("…")
    assert max(map(len, narrow)) <= 60
    assert "x" * 100 in text_table(("ID", "ERROR"), rows, None)
    assert text_table(("ID",), [], None) == ""
    assert cut("abc", 2) == "a…"


def test_cells_cannot_break_their_row() -> None:
    """Tabs, line feeds and pipes inside a cell do not make new cells."""
    assert tsv(("a", "b"), [["1\t2", None]]) == "a\tb\n1 2\t"
    assert "x\\|y" in markdown_table(("a",), [["x|y"]])


def test_numbers_stay_as_they_are() -> None:
    """A text that looks like a number is not reformatted."""
    assert "1e5" in text_table(("a",), [["1e5"]], None)
    assert "0012" in markdown_table(("a",), [["0012"]])


def test_secret_sounding_values_are_masked() -> None:
    """Values of keys that sound like secrets show their length only, at any depth."""
    given_ = {"card_token": "abcd", "list": [{"Password": "x"}], "n": 1, "api-key": 5, "cookie": None}
    assert masked(given_) == {
        "card_token": "•••(4)",
        "list": [{"Password": "•••(1)"}],
        "n": 1,
        "api-key": "•••",
        "cookie": None,
    }


def test_excerpt_points_at_the_token() -> None:
    """The caret stands under the token, also after tabs and control characters, and long lines are cut."""
    text = "a: 1\n\tb\x1b: wrong\n"
    assert excerpt(text, Position("f", 2, 6, 2, 11)) == ["1 | a: 1", "2 |  b\\x1b: wrong", "  |         ^^^^^"]
    assert excerpt(text, Position("f", 99, 1)) == []
    long = excerpt("x" * 10_000, Position("f", 1, 5000, 1, 5001))
    assert max(map(len, long)) < 200


def test_counted_nouns() -> None:
    """One is no plural, thousands are told apart, and a noun that takes no s says its own."""
    assert [amount(count, "job") for count in (0, 1, 2, 4012)] == ["0 jobs", "1 job", "2 jobs", "4,012 jobs"]
    assert amount(2, "registry", "registries") == "2 registries"
