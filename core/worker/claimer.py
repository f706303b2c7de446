"""Claims batches into free slots, and decides when to look again.

While there is work the loop stays hot. When there is none it announces that it waits, looks once more (a producer that
committed in between saw nobody waiting), and sleeps until a wake-up, a free slot, the next due time or one second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from ..clock import monotonic
from ..job import JobRecord
from ..store.db import FAILURES
from ..store.store import BEGINNING, Scope, Store
from .link import Link

#: Jobs of one claim; beyond it the statement grows and nothing is gained.
LARGEST_BATCH = 200

#: The floor under every wake-up.
POLL = 1.0  # seconds

#: A busy worker looks behind its watermark this often: for higher priorities, and for rows committed late.
LOOK_BEHIND = 0.2  # seconds


class Claimer:
    """Asks for ready jobs. Knows the queue's watermark; knows nothing of how jobs are run."""

    def __init__(self, link: Link, worker_id: str, scope: Scope, known: Callable[[], set[UUID]]) -> None:
        """`known` returns the jobs that this worker runs or has yet to settle."""
        self._link = link
        self._worker_id = worker_id
        self._known = known
        self._unsure = False  # a claim may have been committed whose answer never came
        self.scope = scope
        self._watermark = BEGINNING
        self._looked_at_all = 0.0  # monotonic time of the last claim without a watermark
        self._announced = False
        self.wake = asyncio.Event()

    async def claim(self, free: int) -> list[tuple[JobRecord, str | None]]:
        """Return up to `free` jobs with their inputs; a connection lost half way leaves no job behind."""
        while True:
            store = await self._link.store()
            try:
                claimed = await self._claim_whole(store, min(free, LARGEST_BATCH))
            except FAILURES as error:
                self._unsure = True
                await self._link.lost(error)
            else:
                self._link.answered()
                return claimed

    async def _claim_whole(self, store: Store, batch: int) -> list[tuple[JobRecord, str | None]]:
        await self._reconcile(store)
        jobs = await self._claim(store, batch)
        return await store.documents(jobs) if jobs else []

    def disown(self) -> None:
        """Give back, before the next claim, what was claimed and not started."""
        self._unsure = True

    async def _reconcile(self, store: Store) -> None:
        """Give back what the database holds for this worker and nobody here runs."""
        if self._unsure:
            held = await store.held(self._worker_id)
            unknown = [id_ for id_ in held if id_ not in self._known()]
            if unknown:
                await store.give_back(self._worker_id, unknown)
            self._unsure = False

    async def _claim(self, store: Store, batch: int) -> tuple[JobRecord, ...]:
        """Claim above the watermark; behind it too now and then, or when that gave less than asked for."""
        if self._watermark is not BEGINNING and monotonic() - self._looked_at_all < LOOK_BEHIND:
            claim = await store.claim(self._worker_id, batch, self.scope, self._watermark)
            if len(claim.jobs) == batch:
                self._watermark = claim.first
                return claim.jobs
            rest = await self._claim_all(store, batch - len(claim.jobs))
            return (*claim.jobs, *rest)
        return await self._claim_all(store, batch)

    async def _claim_all(self, store: Store, batch: int) -> tuple[JobRecord, ...]:
        self._looked_at_all = monotonic()
        claim = await store.claim(self._worker_id, batch, self.scope)
        self._watermark = claim.first if claim.jobs else BEGINNING
        return claim.jobs

    async def busy(self) -> None:
        """Say that producers need not wake this worker: it looks again by itself at once."""
        if self._announced:
            self._announced = False
            await self._announce(waiting=False)

    async def rest(self) -> None:
        """Sleep until there may be work. The first call after work only announces, so that the caller looks again."""
        if not self._announced:
            self._announced = True
            await self._announce(waiting=True)
            return
        due = await self._link.ask(lambda store: store.next_due())
        # The head was due already and was not claimed: it is not in this worker's scope.
        seconds = min(due, POLL) if due else POLL
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        self.wake.clear()

    async def _announce(self, *, waiting: bool) -> None:
        await self._link.ask(lambda store: store.announce_waiting(self._worker_id, waiting=waiting))


async def pin_plans(store: Store) -> None:
    """Keep the claim on its index: an ANALYZE at a moment when the queue is empty would flip it to a full scan."""
    for method in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"):
        await store.connection.execute(f"SET enable_{method} = off".encode())
