"""The words for the queue's order: a lane is the pending jobs of one priority, service, operation and tenant.

Lanes are what a claim takes from: each gets its share, and one that is paused or limited costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from .job import JobRecord, folded
from .permissions import Policy

NO_TENANT = UUID(int=0)


class Lane(NamedTuple):
    """One lane's name. Lanes sort as the queue does: the highest priority first."""

    place: int  # the priority, negated
    service: str  # folded
    operation: str  # folded
    tenant: UUID = NO_TENANT


class Sighting(NamedTuple):
    """A lane that has pending jobs: when its first is due, and what keeps it from being claimed."""

    lane: Lane
    first: datetime  # run_at
    due_in: float  # seconds; 0 or less: now
    held: str = ""  # paused, breaker_open, limited; half_open: one job may be tried
    paused_types: Sequence[str] = ()  # the same in each: a lane's execution type is the registry's to know


class Portion(NamedTuple):
    """How many jobs a claim may take from a lane, and the place before which it need not look."""

    lane: Lane
    quota: int
    after: datetime
    execution_type: str = ""


class Claimed(NamedTuple):
    """One claimed job with its input as JSON text, None where that cannot be read, and where it was in the queue."""

    job: JobRecord
    document: str | None
    place: int  # the priority, negated
    run_at: datetime

    @property
    def lane(self) -> Lane:
        """The lane it was taken from."""
        job = self.job
        return Lane(self.place, folded(job.service_name), folded(job.operation), job.tenant_id or NO_TENANT)


@dataclass(frozen=True, slots=True)
class Breaker:
    """When to stop asking a service that does not answer, and after how many seconds to try it again."""

    threshold: int
    recovery_seconds: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What one service is limited to, over all workers. None: not limited."""

    max_concurrency: int | None = None
    rate_per_minute: int | None = None
    tenant_concurrency: int | None = None
    tenant_rate_per_minute: int | None = None
    breaker: Breaker | None = None

    @property
    def counted(self) -> bool:
        """Whether a claim of this service has to count what all workers do."""
        numbers = (self.max_concurrency, self.rate_per_minute, self.tenant_concurrency, self.tenant_rate_per_minute)
        return any(number is not None for number in numbers)


@dataclass(frozen=True, slots=True)
class News:
    """What a batch of settlements says of one service: whether it answered, and its failures since the last answer."""

    service: str
    answered: bool
    failed: int
    breaker: Breaker


UNLIMITED = Limits()

#: Where a registry gives only one of a breaker's two numbers.
DEFAULT_THRESHOLD = 5
DEFAULT_RECOVERY = 30.0  # seconds


def limits_of(policy: Policy) -> Limits:
    """Return a policy's limits on how its service is claimed."""
    breaker = None
    if policy.failure_threshold is not None or policy.recovery_timeout is not None:
        breaker = Breaker(policy.failure_threshold or DEFAULT_THRESHOLD, policy.recovery_timeout or DEFAULT_RECOVERY)
    return Limits(
        max_concurrency=policy.max_concurrency,
        rate_per_minute=policy.rate_limit_per_minute,
        tenant_concurrency=policy.tenant_concurrency,
        tenant_rate_per_minute=policy.tenant_rate_per_minute,
        breaker=breaker,
    )
