"""The state machine and the backoff: pure, so every outcome from every count is tried."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.contract import (
    Cancelled,
    Failed,
    Interrupted,
    JobResult,
    LogChunk,
    Outcome,
    Refused,
    Succeeded,
    Violation,
)
from specql_jobs.core.job import Category, JobRecord, Status
from specql_jobs.core.lifecycle import TRANSITIONS, Event, RetryPolicy, Settlement, settle

ID = UUID(int=1)

chances = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    base_seconds=st.floats(min_value=0.0, max_value=3600.0),
    backoff_factor=st.floats(min_value=1.0, max_value=100.0),  # the registry's own bounds
    max_seconds=st.floats(min_value=0.0, max_value=86400.0),
)
failures = st.builds(
    Failed,
    category=st.sampled_from(list(Category)),
    message=st.text(max_size=200),
    retryable=st.booleans(),
    retry_after=st.none() | st.floats(allow_nan=False),
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    failures,
    st.builds(Succeeded, st.none() | st.integers() | st.dictionaries(st.text(), st.integers())),
    st.builds(lambda text: Refused((Violation("code", text, "field"),)), st.text()),
    st.just(Cancelled()),
    st.builds(Interrupted, st.text(), st.floats(min_value=0.0, max_value=1e6)),
)


def _job(attempts: int = 1, **more: Any) -> JobRecord:
    return JobRecord(ID, "svc", "op", lease_seq=attempts, attempts=attempts, **more)


def _settled(outcome: Outcome, attempts: int = 1, limit: int = 3, retry: RetryPolicy | None = None) -> Settlement:
    return settle(_job(attempts), JobResult(outcome), retry or RetryPolicy(), limit, 0.5)


@given(outcome=outcomes, attempts=st.integers(1, 200), limit=st.integers(1, 200), retry=policies, chance=chances)
def test_every_settlement_is_a_transition_of_the_table(
    outcome: Outcome, attempts: int, limit: int, retry: RetryPolicy, chance: float
) -> None:
    """Whatever the runner saw, a running job goes where TRANSITIONS says, under its own lease."""
    job = _job(attempts)
    settlement = settle(job, JobResult(outcome), retry, limit, chance)
    assert TRANSITIONS[Status.RUNNING, settlement.event] is settlement.status
    assert settlement.job is job
    assert settlement.max_attempts == limit


@given(failure=failures, attempts=st.integers(1, 200), limit=st.integers(1, 200), retry=policies, chance=chances)
def test_a_failure_is_tried_again_exactly_while_it_may_be(
    failure: Failed, attempts: int, limit: int, retry: RetryPolicy, chance: float
) -> None:
    """Pending again if retryable and attempts are left; else failed, for good."""
    settlement = settle(_job(attempts), JobResult(failure), retry, limit, chance)
    again = failure.retryable and attempts < limit
    assert settlement.status is (Status.PENDING if again else Status.FAILED)
    assert (settlement.category, settlement.message) == (failure.category, failure.message)
    assert 0.0 <= settlement.delay_seconds <= retry.max_seconds


@given(retry=policies, attempt=st.integers(1, 1_000_000), chance=chances)
def test_a_delay_is_bounded_and_never_overflows(retry: RetryPolicy, attempt: int, chance: float) -> None:
    """Between half of the backoff and all of it, never above max_seconds, for any attempt number."""
    delay = retry.delay(attempt, chance)
    assert 0.0 <= delay <= retry.max_seconds
    assert delay >= retry.delay(attempt, 0.0)


@given(retry=policies, attempt=st.integers(1, 100))
def test_a_later_attempt_never_waits_less(retry: RetryPolicy, attempt: int) -> None:
    """With the same chance, the backoff only grows."""
    assert retry.delay(attempt + 1, 0.0) >= retry.delay(attempt, 0.0)


def test_the_default_backoff_doubles_from_a_second_to_five_minutes() -> None:
    """1, 2, 4, … seconds, at most 300; of each, half is jitter."""
    retry = RetryPolicy()
    assert [retry.delay(attempt, 0.0) for attempt in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert retry.delay(20, 0.0) == 150.0
    assert retry.delay(1, 0.5) == 0.75


@pytest.mark.parametrize(("asked", "waits"), [(7.0, 7.0), (0.0, 0.0), (-5.0, 0.0), (1e9, 300.0), (float("inf"), 300.0)])
def test_retry_after_is_honoured_within_bounds(asked: float, waits: float) -> None:
    """What the target asked for takes the place of the backoff, from 0 to max_seconds."""
    settlement = _settled(Failed(Category.TARGET_UNAVAILABLE, "busy", retryable=True, retry_after=asked))
    assert settlement.delay_seconds == waits


def test_success_keeps_output_usage_and_logs_and_has_no_error() -> None:
    """A completed job has what its runner returned, and no category, message or fingerprint."""
    result = JobResult(Succeeded({"a": 1}), usage={"exit_code": 0}, logs=(LogChunk("stdout", "hi"),))
    settlement = settle(_job(), result, RetryPolicy(), 3, 0.0)
    assert (settlement.output, settlement.usage, settlement.logs) == ({"a": 1}, {"exit_code": 0}, result.logs)
    assert (settlement.category, settlement.message, settlement.fingerprint) == (None, None, None)


def test_only_an_interrupted_attempt_is_given_back() -> None:
    """An attempt that the worker itself cut short does not count; every other one does."""
    given_back = {type(outcome): _settled(outcome).gives_attempt_back for outcome in _one_of_each()}
    assert given_back == {Succeeded: False, Failed: False, Refused: False, Cancelled: False, Interrupted: True}


def _one_of_each() -> tuple[Outcome, ...]:
    refused = Refused((Violation("x", "too much", "y"),))
    return Succeeded(), Failed(Category.INTERNAL, "m"), refused, Cancelled(), Interrupted("later", 9.0)


def test_an_interruption_says_when_to_try_again() -> None:
    """Its delay is kept, and it leaves no error behind."""
    settlement = _settled(Interrupted("later", 9.0))
    assert (settlement.status, settlement.delay_seconds, settlement.category) == (Status.PENDING, 9.0, None)


def test_a_refusal_names_every_violation_and_is_final() -> None:
    """No attempt is made again of what policy forbids."""
    refused = Refused((Violation("a", "no network", "network_access"), Violation("b", "no image", "allowed_images")))
    settlement = _settled(refused, attempts=1, limit=9)
    assert (settlement.status, settlement.category) == (Status.FAILED, Category.POLICY_VIOLATION)
    assert settlement.message == "refused: no network; no image"


def test_nothing_but_a_person_leads_out_of_a_terminal_state() -> None:
    """From completed nothing leads on; from failed and cancelled only a retry does, and failed can be given up."""
    ways = {(status, event) for status, event in TRANSITIONS if status.terminal}
    retries = {(Status.FAILED, Event.RETRY), (Status.CANCELLED, Event.RETRY)}
    assert ways == {*retries, (Status.FAILED, Event.DISCARD)}


def test_running_is_entered_by_a_claim_alone() -> None:
    """Every other way into `running` would be an execution without a lease."""
    assert {key for key, after in TRANSITIONS.items() if after is Status.RUNNING} == {(Status.PENDING, Event.CLAIM)}


def test_every_event_has_its_transition() -> None:
    """No event is a word without a meaning."""
    assert {event for _, event in TRANSITIONS} == set(Event)


def test_equal_failures_share_a_fingerprint() -> None:
    """Two jobs that failed in the same way differ in numbers only, and group together."""
    first, second = (_settled(Failed(Category.TARGET_ERROR, f"order {n} not found")) for n in (17, 4711))
    assert first.fingerprint == second.fingerprint is not None
