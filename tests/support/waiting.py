"""Wait for a condition, with a deadline. The one place in the tests that sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

STEP: Final = 0.02  # seconds between two looks
PATIENCE: Final = 20.0  # seconds; generous, because a passing test never waits for all of it


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Return the first true value of `condition`; fail naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(STEP)
    return value


async def until_async(condition: Callable[[], Awaitable[T]], what: str, seconds: float = PATIENCE) -> T:
    """Return the first true value that `condition` resolves to; fail naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        await asyncio.sleep(STEP)
    return value
