"""People who follow the queue: a worker that hears of one tells it when jobs have ended, and spends nothing otherwise.

A commit with a notification waiting serialises with all other commits, so nobody is told who did not ask lately, and
those who did are told at most every SPACING. A follower looks again by itself, so that nothing depends on it.
"""

from __future__ import annotations

from ..clock import monotonic

#: A follower that has not asked for so long has gone.
REMEMBERED = 12.0  # seconds
#: Two notifications of one worker are at least so far apart.
SPACING = 0.05  # seconds


class Followers:
    """Whether anybody follows, and when they were last told."""

    def __init__(self) -> None:
        self._until = 0.0  # monotonic seconds
        self._told = 0.0

    def heard(self) -> None:
        """Somebody follows."""
        self._until = monotonic() + REMEMBERED

    def due(self) -> bool:
        """Whether to tell them now; a yes counts as told."""
        now = monotonic()
        if now > self._until or now < self._told + SPACING:
            return False
        self._told = now
        return True
