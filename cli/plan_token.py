"""The plan of a bulk change as one word: how many jobs, which ones, and the second that relative times count from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ..core.errors import UsageError
from ..core.selector import Moment, Selector

_TOKEN = re.compile(r"(\d{1,10})-([0-9a-f]{12})-([0-9a-f]{1,10})")


@dataclass(frozen=True, slots=True)
class Plan:
    """Which jobs a verb would change. Equal plans: the same jobs, and none of them has run in between."""

    jobs: int
    digest: str
    second: datetime

    def __str__(self) -> str:
        return f"{self.jobs}-{self.digest}-{int(self.second.timestamp()):x}"

    def is_for(self, other: Plan) -> bool:
        """Whether both are about the same jobs."""
        return (self.jobs, self.digest) == (other.jobs, other.digest)


def plan_of(verb: str, jobs: int, digests: Iterable[str], second: datetime) -> Plan:
    """Return the plan of a verb over groups of jobs, each with a digest of its own."""
    whole = hashlib.sha256("\n".join([verb, *sorted(digests)]).encode()).hexdigest()
    return Plan(jobs, whole[:12], second)


def read_plan(text: str) -> Plan:
    """Return the plan that a word names; raise UsageError for another word."""
    match = _TOKEN.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"--plan {text[:60]!r} is not the word of a plan",
            hint="--dry-run prints it; with -o json it is data.plan_token",
        )
    return Plan(int(match[1]), match[2], datetime.fromtimestamp(int(match[3], 16), UTC))


def settled(selector: Selector, second: datetime) -> Selector:
    """Return the selector with its relative times counted from one second, so that it means the same later."""
    return replace(selector, since=_absolute(selector.since, second), until=_absolute(selector.until, second))


def _absolute(moment: Moment | None, second: datetime) -> Moment | None:
    if moment is None or moment.ago_seconds is None:
        return moment
    return Moment(at=second - timedelta(seconds=moment.ago_seconds))
