"""The only module that reads a clock: everything else is given the time, so that it can be tested without waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Return the wall clock, UTC. For people and logs only: the queue's clock is the database's."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds on a clock that never jumps; only differences mean anything."""
    return time.monotonic()
