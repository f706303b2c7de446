"""How many jobs to hold ready beyond the free slots: what is expected to start within a blink, and no more."""

from __future__ import annotations

#: A job that is claimed waits for its slot at most about so long: less than a claim takes to come back is no gain, more
#: keeps it from an idle worker.
HORIZON = 0.03  # seconds

#: Below so many it is not worth it: slow jobs are claimed when there is a slot for them.
FEWEST = 8

#: How long a rate is measured before it counts.
WINDOW = 0.1  # seconds


class Pace:
    """The rate at which jobs end, as a moving average over windows."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._ended = 0
        self._per_second = 0.0

    def ended(self) -> None:
        """Count one job."""
        self._ended += 1

    def ahead(self, now: float) -> int:
        """Return how many jobs to hold ready at this pace. `now`: monotonic seconds."""
        passed = now - self._since
        if passed >= WINDOW:
            latest = self._ended / passed
            # Down at once, up by halves: one slow spell must not find a store of claimed jobs.
            self._per_second = min(latest, (self._per_second + latest) / 2 if self._per_second else latest)
            self._since, self._ended = now, 0
        ready = int(self._per_second * HORIZON)
        return ready if ready >= FEWEST else 0
