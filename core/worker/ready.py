"""Jobs that are claimed and wait for a slot to become free: few, and not for long."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from ..clock import monotonic
from ..job import JobRecord
from ..lanes import Claimed

#: What could not be started for so long is given back: the slots' jobs have become slow, and others may be idle.
LONGEST_WAIT = 1.0  # seconds


class _Held(NamedTuple):
    claimed: Claimed
    since: float  # monotonic


class ReadyJobs:
    """A queue in memory, first in, first out."""

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, claimed: Iterable[Claimed]) -> None:
        """Hold jobs."""
        now = monotonic()
        self._held.extend(_Held(job, now) for job in claimed)

    def next(self) -> Claimed:
        """Return the job that has waited longest; IndexError when there is none."""
        return self._held.popleft().claimed

    def ids(self) -> set[UUID]:
        """Return the jobs that are held."""
        return {held.claimed.job.id for held in self._held}

    def take(self, ids: Iterable[UUID]) -> list[JobRecord]:
        """Remove and return those of the jobs that are held."""
        wanted = set(ids)
        taken = [held.claimed.job for held in self._held if held.claimed.job.id in wanted]
        if taken:
            self._held = deque(held for held in self._held if held.claimed.job.id not in wanted)
        return taken

    def clear(self) -> int:
        """Forget all jobs; return how many there were. They must be given back."""
        count = len(self._held)
        self._held.clear()
        return count

    def overdue(self, now: float) -> bool:
        """Whether a job waits for too long."""
        return bool(self._held) and now - self._held[0].since > LONGEST_WAIT
