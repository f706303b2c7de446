"""From the queue into slots: how many jobs to claim now, which of them start, and what of them must go back.

What is claimed ahead of a free slot is little, waits for a moment only (see pace.py, ready.py), and costs no attempt
when it is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from ..clock import monotonic
from ..contract import Cancelled
from ..job import folded
from ..lifecycle import Settlement
from ..store.store import Scope, Store
from ..store.waits import Reason, reasons
from .attempt import Surroundings
from .calling import Settlers
from .claimer import Claimer
from .link import Link
from .pace import Pace
from .ready import ReadyJobs
from .slots import Slots, ended
from .tasks import cancelled
from .terms import WorkerSettings

#: Claims wait while more settlements than this are unwritten.
LARGEST_BACKLOG = 2000

#: A claim, or a giving back, under way when the worker is asked to stop is waited for so long, then cancelled.
CLAIM_PATIENCE = 1.0  # seconds


class Dispatcher:
    """One worker's slots, and the loop that fills them. `alive`: whether the worker may claim."""

    def __init__(
        self, settings: WorkerSettings, link: Link, worker_id: str, settler: Settlers, alive: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._link = link
        self._settler = settler
        self._alive = alive
        self._stopping = False
        self._room = asyncio.Event()
        self._claimed = 0
        self._pace = Pace(monotonic())
        self._ready = ReadyJobs()
        self.slots = Slots(settler.add, self._slot_freed)
        self.claimer = Claimer(link, worker_id, settings.scope, self._known)
        self._around: Surroundings | None = None
        self._limited: frozenset[str] = frozenset()
        self.left: list[Reason] | None = None  # why --until-empty did not wait for what is pending, once it has ended

    @property
    def left_to_claim(self) -> int | None:
        """How many jobs of --max-jobs are left; None without that bound."""
        return None if self._settings.max_jobs is None else self._settings.max_jobs - self._claimed

    def reload(self, around: Surroundings, scope: Scope | None) -> None:
        """Use another registry, and another scope, for the jobs claimed from now on."""
        self._around = around
        self.claimer.terms = around.planner.terms
        self._limited = around.planner.counted_services()
        self._settler.written = self._written if self._limited else None
        if scope is not None:
            self.claimer.scope = scope

    def held(self) -> list[UUID]:
        """Return the jobs that run here or are about to."""
        return [*self.slots.ids(), *self._ready.ids()]

    def cancel(self, ids: Sequence[UUID]) -> None:
        """Stop what runs; what is only held ready ends here."""
        for job in self._ready.take(ids):
            if self._around is not None:
                self._settler.add(ended(job, Cancelled(), self._around))
        self.slots.cancel(ids)

    def fence(self, why: str) -> None:
        """Stop everything: others may take these jobs."""
        self._return_ready()
        self.slots.interrupt(why)

    def stop(self) -> None:
        """Claim no more, start no more."""
        self._stopping = True
        self.claimer.wake.set()
        self._room.set()

    async def run(self) -> None:
        """Claim until stopped, until --max-jobs have run, or until the queue is empty where that was asked for."""
        while not self._stopping:
            free = self._free()
            if self.left_to_claim == 0 and not self.slots:
                return
            if free <= 0 or not self._alive():
                await self._wait_for_room()
            elif not await self._claim(free):
                if self._settings.until_empty and await self._empty():
                    return
                await self.claimer.rest()

    async def finish(self, claiming: asyncio.Task[None]) -> None:
        """End the loop and give back at once what has not started. What hangs is given back when the worker leaves."""
        await asyncio.wait({claiming}, timeout=CLAIM_PATIENCE)
        await cancelled(claiming)
        if self._return_ready():
            returning = asyncio.create_task(self.claimer.reconcile())
            await asyncio.wait({returning}, timeout=CLAIM_PATIENCE)
            await cancelled(returning)

    # ---- claiming ---------------------------------------------------------------------------------------------------

    def _free(self) -> int:
        """How many jobs to claim: into every free slot, and ahead of those when jobs are quick. 0: not now."""
        if self._settler.backlog > LARGEST_BACKLOG:
            return 0
        ahead = self._pace.ahead(monotonic())
        room = self._settings.concurrency + ahead - len(self.slots) - len(self._ready)
        if len(self.slots) >= self._settings.concurrency and room * 2 < ahead:
            return 0  # enough is held ready: the next claim shall be worth its round trip
        return room if self.left_to_claim is None else min(room, self.left_to_claim)

    async def _claim(self, free: int) -> bool:
        """Claim and start; return whether there was anything."""
        claimed = await self.claimer.claim(free)
        if not self._alive():  # fenced while the claim was under way: others may take these jobs
            self.claimer.disown()
            return True
        self._ready.put(claimed)
        self._claimed += len(claimed)
        self._start_ready()
        if claimed and (len(claimed) == free or self._ready):
            await self.claimer.busy()
        return bool(claimed)

    def _start_ready(self) -> None:
        """Fill the free slots with what is held ready."""
        while self._ready and len(self.slots) < self._settings.concurrency and self._around is not None:
            job, document, _, _ = self._ready.next()
            self.slots.start(job, document, self._around)

    def _slot_freed(self) -> None:
        self._pace.ended()
        if not self._stopping:
            self._start_ready()
        self._room.set()
        if self._settings.until_empty:
            self.claimer.wake.set()

    def _written(self, batch: Sequence[Settlement]) -> None:
        """Only now do limits see that these jobs have ended."""
        services = {settlement.job.service_name for settlement in batch}
        if limited := [name for name in services if folded(name) in self._limited]:
            self.claimer.freed(limited)

    async def _wait_for_room(self) -> None:
        """Wait for a free slot; the timeout covers what has no event: the settler's backlog, the pulse."""
        if self._ready.overdue(monotonic()) and self._return_ready():
            await self.claimer.reconcile()
        self._room.clear()
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancellation that arrives together with the event.
            async with asyncio.timeout(0.05):
                await self._room.wait()

    def _return_ready(self) -> bool:
        """Disown what is held ready; return whether there was anything."""
        if not self._ready:
            return False
        self._claimed -= self._ready.clear()
        self.claimer.disown()
        return True

    async def _empty(self) -> bool:
        if self.slots or self._ready:
            return False
        await self._settler.flushed()
        return await self._link.ask(self._is_empty)

    async def _is_empty(self, store: Store) -> bool:
        """Whether nothing is to be waited for; what is left all the same is counted, for the log."""
        types = self._around.planner.service_types() if self._around is not None else {}
        if await store.open_jobs(self.claimer.scope, types):
            return False
        self.left = await reasons(store.connection, self.claimer.scope)
        return True

    def _known(self) -> set[UUID]:
        return self.slots.ids() | self._ready.ids() | self._settler.waiting_ids()
