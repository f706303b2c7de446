"""The attempts under way: starts them, passes on who must stop, and cancels runners that outstay their stop signal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from ..clock import monotonic
from ..contract import Failed, JobResult, Outcome, StopReason, StopSignal
from ..job import Category, JobRecord
from ..lifecycle import DEFAULT_MAX_ATTEMPTS, Origin, RetryPolicy, Settlement, settle
from ..log import log_event
from .attempt import Surroundings, attempt
from .tasks import cancelled

#: A runner that has not returned this long after its stop signal is cancelled from outside.
GRACE = 10.0  # seconds


@dataclass(slots=True, eq=False)
class _Slot:
    """One attempt under way. `overdue_at` is monotonic seconds, set once the attempt was asked to stop."""

    job: JobRecord
    stop: StopSignal
    task: asyncio.Task[None] | None = None
    overdue_at: float | None = None


class Slots:
    """All attempts of one worker. `settle` takes each settlement; `freed` is called after each end."""

    def __init__(self, settle: Callable[[Settlement], None], freed: Callable[[], None]) -> None:
        self._settle = settle
        self._freed = freed
        # Not by job: a row that somebody reset by hand may be claimed again while its first attempt still runs here.
        self._slots: set[_Slot] = set()

    def __len__(self) -> int:
        return len(self._slots)

    def ids(self) -> set[UUID]:
        """Return the jobs under way."""
        return {slot.job.id for slot in self._slots}

    def start(self, job: JobRecord, document: str | None, around: Surroundings) -> None:
        """Start an attempt as a task of its own."""
        slot = _Slot(job, StopSignal())
        self._slots.add(slot)
        slot.task = asyncio.create_task(self._run(slot, document, around))

    async def _run(self, slot: _Slot, document: str | None, around: Surroundings) -> None:
        try:
            self._settle(await attempt(slot.job, document, around, slot.stop))
        except asyncio.CancelledError:
            # The guard gave up on the runner. It has ended now, as late as it was: what it was asked to be is true.
            log_event("attempt_abandoned", job_id=str(slot.job.id))
            if slot.stop.reason is not None:
                self._settle(ended(slot.job, slot.stop.reason.outcome(slot.stop.timeout_seconds), around))
            raise
        except Exception as error:  # noqa: BLE001 - whatever the bug: a job that nobody settles runs for ever
            log_event("runner_bug", job_id=str(slot.job.id), error=type(error).__name__, exc_info=error)
            message = f"the attempt failed with {type(error).__name__} (a bug)"
            self._settle(ended(slot.job, Failed(Category.INTERNAL, message, retryable=True), around))
        finally:
            self._slots.remove(slot)
            self._freed()

    def cancel(self, ids: Iterable[UUID]) -> None:
        """Ask those attempts to stop because a person cancelled their jobs."""
        wanted = set(ids)
        for slot in self._slots:
            if slot.job.id in wanted:
                slot.stop.request(StopReason.CANCELLED)

    def interrupt(self, why: str) -> None:
        """Ask every attempt to stop because this worker may not go on with it."""
        for slot in self._slots:
            slot.stop.request(StopReason.INTERRUPTED)
        if self._slots:
            log_event("jobs_interrupted", count=len(self._slots), reason=why)

    async def ended(self, seconds: float, hurry: asyncio.Event) -> bool:
        """Wait until every attempt has ended, `seconds` have passed, or `hurry` is set; return whether all ended."""
        if not self._slots:
            return True
        all_done = asyncio.ensure_future(asyncio.wait(self._tasks()))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({all_done, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(all_done, hurried)
        return not self._slots

    async def stopped(self, why: str) -> None:
        """Interrupt everything and wait for it; cancel the runners that do not stop in time."""
        self.interrupt(why)
        tasks = self._tasks()
        if tasks:
            _, left = await asyncio.wait(tasks, timeout=GRACE)
            await cancelled(*left)

    async def guard(self) -> None:
        """Once a second, cancel from outside what outstayed its stop signal. Runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            for slot in list(self._slots):
                _guard(slot)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [slot.task for slot in self._slots if slot.task is not None]


def ended(job: JobRecord, outcome: Outcome, around: Surroundings) -> Settlement:
    """Return the settlement of an attempt that could not make its own."""
    try:
        prepared = around.planner.prepared(job.service_name, job.operation)
        retry, tries = prepared.service.retry, prepared.max_attempts(job)
        origin = around.planner.origin(prepared, job)
    except Exception:  # noqa: BLE001 - this may be the very bug
        retry, tries = RetryPolicy(), job.max_attempts or DEFAULT_MAX_ATTEMPTS
        origin = Origin(registry_digest=around.planner.registry.digest)
    return settle(job, JobResult(outcome), retry, tries, 0.5, origin=origin)


def _guard(slot: _Slot) -> None:
    """Ask a runner to stop that has forgotten its own timeout, and cancel one that was asked and does not."""
    stop = slot.stop
    if stop.reason is None:
        if stop.expected_by is not None and monotonic() > stop.expected_by + GRACE:
            stop.request(StopReason.TIMEOUT)
        return
    if slot.overdue_at is None:
        slot.overdue_at = monotonic() + GRACE
    elif monotonic() > slot.overdue_at and slot.task is not None:
        slot.task.cancel()
