"""The state machine, and what an outcome makes of a running job. Pure: time and chance come in as arguments.

TRANSITIONS is the one table: `docs/lifecycle.md` is generated from it, and a test tries every store verb from every
state against it. The database holds the same truth as named CHECK constraints.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, assert_never

from .contract import Cancelled, Failed, Interrupted, JobResult, LogChunk, Refused, Succeeded, Violation
from .fingerprint import fingerprint
from .job import Category, JobRecord, Status


class Event(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"
    CANCEL = "cancel"
    SUCCEED = "succeed"
    FAIL_RETRYABLE = "fail, retryable, attempts left"
    FAIL_FINAL = "fail otherwise, or refuse"
    INTERRUPT = "interrupt"
    LOSE_WORKER = "worker lost, within the crash budget"
    CRASH_LOOP = "worker lost, past the crash budget"
    DEPENDENCY_FAIL = "a dependency failed, by choice fail"
    DEPENDENCY_SKIP = "a dependency failed, by choice skip"
    RETRY = "retry by a person"
    DISCARD = "discard by a person"


TRANSITIONS: dict[tuple[Status, Event], Status] = {
    (Status.PENDING, Event.CLAIM): Status.RUNNING,
    (Status.PENDING, Event.CANCEL): Status.CANCELLED,
    (Status.PENDING, Event.DEPENDENCY_FAIL): Status.FAILED,
    (Status.PENDING, Event.DEPENDENCY_SKIP): Status.CANCELLED,
    (Status.RUNNING, Event.SUCCEED): Status.COMPLETED,
    (Status.RUNNING, Event.FAIL_RETRYABLE): Status.PENDING,
    (Status.RUNNING, Event.FAIL_FINAL): Status.FAILED,
    (Status.RUNNING, Event.CANCEL): Status.CANCELLED,
    (Status.RUNNING, Event.INTERRUPT): Status.PENDING,
    (Status.RUNNING, Event.LOSE_WORKER): Status.PENDING,
    (Status.RUNNING, Event.CRASH_LOOP): Status.FAILED,
    (Status.FAILED, Event.RETRY): Status.PENDING,
    (Status.CANCELLED, Event.RETRY): Status.PENDING,
    (Status.FAILED, Event.DISCARD): Status.CANCELLED,
}

#: How often a job may take its worker down before it is failed with `crash_loop`.
CRASH_BUDGET = 3

#: A message may repeat a job's own words: beyond this it is cut. Characters.
LONGEST_MESSAGE = 4000

#: max_attempts where neither row, operation nor service says (SpecQL's own default).
DEFAULT_MAX_ATTEMPTS = 3

#: Seconds for an operation that states no timeout, unless its policy allows less (SpecQL's own default).
DEFAULT_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait before attempt n+1: base * factor^(n-1), at most `max_seconds`, then jitter."""

    max_retries: int | None = None  # None: DEFAULT_MAX_ATTEMPTS - 1
    base_seconds: float = 1.0
    backoff_factor: float = 2.0
    max_seconds: float = 300.0
    retry_status_codes: tuple[int, ...] | None = None  # None: the runner's own list

    def delay(self, attempt: int, chance: float) -> float:
        """Return seconds to wait after failed attempt number `attempt`; `chance` in [0, 1) spreads a herd.

        "Equal jitter": half of the backoff is kept, half is random, so that delays neither collapse to 0 nor align.
        """
        exponent = min(attempt - 1, 64)  # 2.0 ** 1024 overflows a float
        backoff = min(self.base_seconds * self.backoff_factor**exponent, self.max_seconds)
        return backoff * (0.5 + 0.5 * chance)


@dataclass(frozen=True, slots=True)
class Origin:
    """What produced a settlement, for the row and the audit trail: constant for one operation under one registry."""

    execution_type: str = ""
    runner_version: str = ""
    registry_digest: str = ""
    policy_digest: str = ""  # of the policy in force: registry, host ceiling, and what the row narrowed
    sandbox: str = ""  # processes only: required or none


UNKNOWN_ORIGIN = Origin()


class Settlement(NamedTuple):
    """What is to be written for one lease. `delay_seconds` is added to the database's clock when status is pending.

    A tuple because every job makes one: a frozen dataclass of so many fields takes four times as long.
    """

    job: JobRecord
    status: Status
    event: Event
    max_attempts: int
    origin: Origin = UNKNOWN_ORIGIN
    usage: dict[str, Any] | None = None
    logs: tuple[LogChunk, ...] = ()
    output: Any = None
    output_text: str | None = None  # the JSON of `output`, where the attempt has made it already
    delay_seconds: float = 0.0
    category: Category | None = None
    message: str | None = None
    fingerprint: str | None = None
    violations: tuple[Violation, ...] = ()
    seconds_left: float | None = None  # to the deadline of a job that has not completed; None: it has none

    @property
    def plain(self) -> bool:
        """Whether this is the common case: completed."""
        return self.status is Status.COMPLETED

    @property
    def ending(self) -> str:
        """The outcome in the audit trail's words."""
        return "refused" if self.category is Category.POLICY_VIOLATION else _ENDINGS[self.event]

    @property
    def gives_attempt_back(self) -> bool:
        """Whether this attempt does not count."""
        return self.event is Event.INTERRUPT


def by_plainness(settlements: Iterable[Settlement]) -> tuple[list[Settlement], list[Settlement]]:
    """Return those of the common case, which the store writes with fewer parameters, and the others."""
    plain: list[Settlement] = []
    others: list[Settlement] = []
    for settlement in settlements:
        (plain if settlement.plain else others).append(settlement)
    return plain, others


_ENDINGS = {
    Event.SUCCEED: "succeeded",
    Event.FAIL_RETRYABLE: "failed",
    Event.FAIL_FINAL: "failed",
    Event.CANCEL: "cancelled",
    Event.INTERRUPT: "interrupted",
}


def settle(  # noqa: PLR0913 - a pure function of exactly these
    job: JobRecord,
    result: JobResult,
    retry: RetryPolicy,
    max_attempts: int,
    chance: float,
    *,
    origin: Origin = UNKNOWN_ORIGIN,
    output_text: str | None = None,
    seconds_left: float | None = None,
) -> Settlement:
    """Return what becomes of a running job, given what its runner saw. `chance` in [0, 1) is for the jitter.

    `output_text` is the JSON of a success's output, from whoever has it: so it is not made twice.
    `seconds_left` to the job's deadline: a retry that could start only after it is not scheduled.
    """
    outcome, usage, logs = result.outcome, dict(result.usage) if result.usage else None, result.logs
    if isinstance(outcome, Succeeded):
        output = outcome.output
        return Settlement(job, Status.COMPLETED, Event.SUCCEED, max_attempts, origin, usage, logs, output, output_text)
    failed = Settlement(job, Status.FAILED, Event.FAIL_FINAL, max_attempts, origin, usage, logs)
    base = failed if seconds_left is None else failed._replace(seconds_left=seconds_left)
    return _apply(outcome, base, retry, chance)


def _apply(
    outcome: Failed | Refused | Cancelled | Interrupted, base: Settlement, retry: RetryPolicy, chance: float
) -> Settlement:
    match outcome:
        case Failed():
            return _fail(outcome, base, retry, chance)
        case Refused(violations):
            message = "refused: " + "; ".join(violation.message for violation in violations)
            return _explained(base, Category.POLICY_VIOLATION, message)._replace(violations=violations)
        case Cancelled():
            return base._replace(status=Status.CANCELLED, event=Event.CANCEL, category=Category.CANCELLED)
        case Interrupted(_, delay):
            return base._replace(status=Status.PENDING, event=Event.INTERRUPT, delay_seconds=delay)
        case _:  # pragma: no cover - the type checker proves that nothing comes here
            assert_never(outcome)


def _fail(outcome: Failed, base: Settlement, retry: RetryPolicy, chance: float) -> Settlement:
    explained = _explained(base, outcome.category, outcome.message)._replace(output=outcome.output)
    if not outcome.retryable or base.job.attempts >= base.max_attempts:
        return explained
    delay = retry.delay(base.job.attempts, chance)
    if outcome.retry_after is not None:
        delay = min(max(outcome.retry_after, 0.0), retry.max_seconds)
    if base.seconds_left is not None and delay >= base.seconds_left:
        return explained._replace(message=_too_late(explained.message or "", delay, base.seconds_left))
    return explained._replace(status=Status.PENDING, event=Event.FAIL_RETRYABLE, delay_seconds=delay)


def _too_late(message: str, delay: float, left: float) -> str:
    """Return the last error, and why there is no other attempt. The fingerprint stays that of the error."""
    if left <= 0:
        return f"{message}; not tried again: the job's deadline has passed"
    return f"{message}; not tried again: in {delay:.3g} s, when the next attempt would start, its deadline is over"


def _explained(base: Settlement, category: Category, message: str) -> Settlement:
    if len(message) > LONGEST_MESSAGE:
        message = message[:LONGEST_MESSAGE] + "…"
    mark = fingerprint(base.job.service_name, base.job.operation, category, message)
    return base._replace(category=category, message=message, fingerprint=mark)
