"""How an execution is asked to end before its work is done: a reason, and a signal raced against the work."""

from __future__ import annotations

from collections.abc import Awaitable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from .job import Category
from .outcome import Cancelled, Failed, Interrupted, Outcome

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class StopReason(StrEnum):
    """Why an execution must end before its work is done."""

    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    def outcome(self, timeout_seconds: float) -> Outcome:
        """Return the outcome of an execution that was stopped for this reason and has stopped."""
        match self:
            case StopReason.TIMEOUT:
                return Failed(Category.TIMEOUT, f"stopped after its timeout of {timeout_seconds:g} s", retryable=True)
            case StopReason.CANCELLED:
                return Cancelled()
            case StopReason.INTERRUPTED:
                return Interrupted("the worker is shutting down")


class StopSignal:
    """Asks one execution to stop: set once by the worker, raced against the work by the runner."""

    __slots__ = ("_waiters", "expected_by", "reason", "timeout_seconds")

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.timeout_seconds = 0.0
        self.expected_by: float | None = None  # monotonic; when the runner itself should have ended at its timeout
        self._waiters: list[asyncio.Future[None]] = []

    def request(self, reason: StopReason) -> None:
        """Ask the execution to stop; the first reason stays."""
        if self.reason is None:
            self.reason = reason
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def race(self, work: Awaitable[T], seconds: float) -> T | StopReason:
        """Return the result of `work`, or why it was stopped; stopped work has been cancelled and awaited."""
        import asyncio  # noqa: PLC0415 - 15 ms that checking a registry does not pay

        if self.reason is not None:
            if asyncio.iscoroutine(work):
                work.close()
            return self.reason
        task = asyncio.ensure_future(work)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await asyncio.wait({task, waiter}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            return self.reason or StopReason.TIMEOUT
        finally:
            self._waiters.remove(waiter)
            waiter.cancel()
            await _end(task)


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancel `task` if it still runs and wait until it has ended; its own late error has no reader any more."""
    import asyncio  # noqa: PLC0415 - see above

    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
