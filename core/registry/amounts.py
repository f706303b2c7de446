"""How long an attempt may take and how often a job is retried, compared as they hold: operation, service, default."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..lifecycle import DEFAULT_MAX_ATTEMPTS, DEFAULT_TIMEOUT
from .model import Operation, Service

Placed = tuple[Service, Operation | None]


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount that is another than before: seconds, or retries."""

    kind: str  # timeout-lowered, timeout-raised, retries-lowered, retries-raised
    field: str
    message: str
    before: float | None  # None: no bound
    after: float | None


def compare_amounts(old: Placed, new: Placed) -> Iterator[Amount]:
    """Yield what the operations (or, without them, the services) state themselves and what holds instead of it."""
    if _own_timeout(old) != _own_timeout(new):
        field = "timeout" if new[1] else "runner_config.timeout"
        yield from _changed("timeout", field, _timeout(old), _timeout(new))
    if _own_deadline(old) != _own_deadline(new):
        yield from _deadline("deadline" if new[1] else "runner_config.deadline", _deadline_of(old), _deadline_of(new))
    if _own_retries(old) != _own_retries(new):
        field = "max_retries" if new[1] else "runner_config.retry_config.max_retries"
        yield from _changed("retries", field, _retries(old), _retries(new))


def _changed(what: str, field: str, before: float, after: float) -> Iterator[Amount]:
    if after < before:
        result = "a job that takes longer fails" if what == "timeout" else "a job that fails more often stays failed"
        yield Amount(f"{what}-lowered", field, f"lower than before, and {result}", before, after)
    elif after > before:
        yield Amount(f"{what}-raised", field, "higher than before", before, after)


def _deadline(field: str, before: float | None, after: float | None) -> Iterator[Amount]:
    """A deadline is a bound on a job's time as a timeout is one on an attempt's; none at all is the highest."""
    if after is not None and (before is None or after < before):
        message = "lower than before, and a job that is late is not tried again"
        yield Amount("timeout-lowered", field, message, before, after)
    elif before is not None and (after is None or after > before):
        yield Amount("timeout-raised", field, "higher than before", before, after)


def _own_deadline(placed: Placed) -> float | None:
    service, operation = placed
    return operation.deadline if operation else service.deadline


def _deadline_of(placed: Placed) -> float | None:
    service, operation = placed
    return operation.deadline if operation and operation.deadline is not None else service.deadline


def _own_timeout(placed: Placed) -> float | None:
    service, operation = placed
    return operation.timeout if operation else service.timeout


def _own_retries(placed: Placed) -> int | None:
    service, operation = placed
    return operation.max_retries if operation else service.retry.max_retries


def _timeout(placed: Placed) -> float:
    service, operation = placed
    stated = (operation.timeout if operation else None, service.timeout)
    default = min(DEFAULT_TIMEOUT, service.policy.max_execution_time)
    return next((seconds for seconds in stated if seconds is not None), default)


def _retries(placed: Placed) -> int:
    service, operation = placed
    stated = (operation.max_retries if operation else None, service.retry.max_retries)
    return next((number for number in stated if number is not None), DEFAULT_MAX_ATTEMPTS - 1)
