"""Reasons for which many jobs wait, in the words that `show` has for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .job_why import pause_words
from .text import age, one_line

if TYPE_CHECKING:
    from ...core.store.waits import Reason


def reason_words(reason: Reason) -> str:
    """Return one reason: `service pay was paused by mo until …`, `scheduled, the next in 4m`."""
    if reason.pause is not None:
        return one_line(pause_words(reason.pause))
    words = {
        "blocked": "blocked by jobs that they depend on",
        "not_served": "not of this worker's services or types",
        "scheduled": f"scheduled, the next in {age(reason.next_seconds or 0)}",
        "retrying": f"retrying, the next in {age(reason.next_seconds or 0)}",
        "breaker_open": f"the breaker of {reason.service} is open",
        "limited": f"{reason.service} has reached a limit",
        "no_worker": f"no live worker serves {reason.service}",
    }
    return one_line(words.get(reason.code, reason.code))
