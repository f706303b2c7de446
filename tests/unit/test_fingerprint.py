"""Failures that differ only in ids, numbers, times and quoted values are one group; others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.fingerprint import fingerprint, readable, template


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 17 not found", "order <n> not found"),
        ("took 1.25 s", "took <n> s"),
        ("job 0190f0c2-7b7e-7cc3-98c4-dc0c0c07398f is gone", "job <uuid> is gone"),
        ("JOB 0190F0C2-7B7E-7CC3-98C4-DC0C0C07398F", "JOB <uuid>"),
        ("since 2026-03-01T10:20:30.5Z", "since <time>"),
        ("since 2026-03-01 10:20:30+01:00", "since <time>"),
        ("connect to 10.0.0.7:5432 refused", "connect to <address> refused"),
        ("at 0xDEADBEEF", "at <hex>"),
        ("commit 3f9a1b2c4d", "commit <hex>"),
        ("no such user 'ann'", "no such user <text>"),
        ('key "a b" is missing', "key <text> is missing"),
        ("one\n  two\tthree ", "one two three"),
        ("don't know", "don't know"),
        ("effaceable facade", "effaceable facade"),
    ],
)
def test_variable_parts_are_named_by_their_kind(message: str, expected: str) -> None:
    """What varies from failure to failure is replaced; words stay."""
    assert template(message) == expected


def _mark(message: str, service: str = "svc", operation: str = "op", category: str = "target_error") -> str:
    return fingerprint(service, operation, category, message)


@given(st.integers(min_value=0), st.integers(min_value=0), st.uuids(), st.uuids())
def test_ids_and_numbers_do_not_split_a_group(n: int, m: int, one: object, other: object) -> None:
    """4,000 orders that failed alike are one group."""
    assert _mark(f"order {n} of {one} failed") == _mark(f"order {m} of {other} failed")


@pytest.mark.parametrize(
    "other",
    [
        _mark("no", service="other"),
        _mark("no", operation="other"),
        _mark("no", category="timeout"),
        _mark("yes"),
    ],
)
def test_place_category_and_words_split_groups(other: str) -> None:
    """Another service, operation, category or wording is another group."""
    assert other != _mark("no")


def test_names_are_read_in_any_case() -> None:
    """Rows write service names in any case; it is the same service."""
    assert _mark("no", service="SVC", operation="Op") == _mark("no")


@pytest.mark.parametrize("word", ["status", "code", "signal"])
def test_a_status_or_exit_code_is_part_of_the_meaning(word: str) -> None:
    """404 and 503 are two problems, although both are numbers."""
    assert _mark(f"ended with {word} 404") != _mark(f"ended with {word} 503")


@given(st.text(max_size=5000))
def test_any_text_has_a_fingerprint(message: str) -> None:
    """12 hex digits, the same each time, whatever the text is; lone surrogates too."""
    mark = _mark(message)
    assert len(mark) == 12
    assert int(mark, 16) >= 0
    assert mark == _mark(message)
    assert len(_mark(message + "\ud800")) == 12


@pytest.mark.parametrize("piece", ["'", '"', "1.", "0x", "a1", "2026-", "1.1.1.", "\n", "'a"])
def test_a_long_hostile_message_costs_no_more_than_its_head(piece: str) -> None:
    """Only the first 2,000 characters count: what follows changes nothing."""
    head = (piece * 2000)[:2000]
    assert _mark(head) == _mark(head + piece * 500_000)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "the image 'reg.example:5000/a/b:2.1' is not on this host's engine (docker pull reg.example:5000/a/b:2.1)",
            "the image reg.example:5000/a/b:2.1 is not on this host's engine (docker pull reg.example:5000/a/b:2.1)",
        ),
        ("No such image: app@sha256:" + "0a" * 32, "No such image: app@sha256:0a0a0a0a0a0a…"),
        ("the image cannot run this command: 'x' 12", "the image cannot run this command: <text> <n>"),
        ("manifest for app:9 not found after 12 s", "manifest for app:9 not found after <n> s"),
        ("no such user 'ann' \ue000", "no such user <text>"),
    ],
)
def test_people_read_the_image(message: str, shown: str) -> None:
    """Name and tag of an image stay readable, a digest by its first digits; the group stays the same for all images."""
    assert readable(message) == shown
    other = "the image 'a/b:1' is not here", "the image 'a/c:2' is not here"
    assert len({fingerprint("s", "o", "infrastructure", each) for each in other}) == 1
