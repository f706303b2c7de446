"""Output on its way to the row: encoded once, bounded, without secrets and without text that jsonb refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.job import JobRecord
from specql_jobs.core.lifecycle import Event, Settlement, Status
from specql_jobs.core.secrets import MASK, Secrets
from specql_jobs.core.store.columns import of_completed
from specql_jobs.core.store.store import new_job_ids
from specql_jobs.core.worker.attempt import storable

SECRET = "tok-1234567890"
LIMIT = 10_000
texts = st.text(max_size=12) | st.sampled_from(["\0", "\ud800", "😀", f"key={SECRET}", "\\u0000", "é"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def secrets() -> Secrets:
    known = Secrets()
    known.protect(SECRET)
    return known


@given(values)
def test_the_text_is_that_of_the_output(value: Any) -> None:
    """What is handed on as JSON is the very output that was checked, after masking and cleaning."""
    output, text, problem = storable(value, LIMIT, secrets())
    assert problem == ""
    assert json.loads(text) == output


@given(values)
def test_no_secret_and_nothing_that_jsonb_refuses_is_in_the_text(value: Any) -> None:
    """The JSON is what Postgres gets: a secret or a NUL in it would undo what was done to the output."""
    _, text, _ = storable(value, LIMIT, secrets())
    assert SECRET not in text
    encoded = json.dumps(json.loads(text), ensure_ascii=False)
    encoded.encode()  # raises for half of a character
    assert "\0" not in str(json.loads(text))


@pytest.mark.parametrize(
    ("value", "problem"), [(float("nan"), "not JSON"), ({1, 2}, "not JSON"), ("x" * LIMIT, "10002 bytes of JSON")]
)
def test_what_cannot_be_stored_has_no_text(value: Any, problem: str) -> None:
    """What is no JSON or too much of it is named, and nothing of it is handed on."""
    output, text, why = storable(value, LIMIT, secrets())
    assert (output, text) == (None, "")
    assert problem in why


def test_a_masked_output_is_encoded_again() -> None:
    """The text made before the mask would still hold the secret."""
    assert storable([SECRET], LIMIT, secrets()) == ([MASK], json.dumps([MASK]), "")


def test_text_that_is_at_hand_is_what_is_stored() -> None:
    """A settlement with its JSON is not encoded a second time; one without it is."""
    job = JobRecord(new_job_ids(1)[0], "crm", "find", 1, 1)
    known = Settlement(job, Status.COMPLETED, Event.SUCCEED, 3, output={"a": 1}, output_text='{"a": 1 }')
    unknown = known._replace(output_text=None)
    nothing = unknown._replace(output=None)
    assert of_completed([known, unknown, nothing])["outputs"] == ['{"a": 1 }', '{"a":1}', None]
