"""The worker: claims into free slots, runs each job as an attempt, settles, and leaves nothing behind when it stops.

One Worker is one identity in jobs.tb_worker. If others declare it lost, its jobs are stopped and it is not used again:
`run_worker` goes on under a new identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from ..contract import JobRunner
from ..errors import DatabaseUnavailable
from ..lifecycle import Settlement
from ..log import log_event
from ..store.migrate import require_current
from ..store.pooler import require_session
from ..store.store import Scope
from .attempt import Surroundings
from .budget import Budget
from .claimer import Claimer, pin_plans
from .link import Link
from .pulse import Identity, Listeners, Pulse
from .settler import Settler
from .slots import Slots
from .tasks import beside, cancelled, first_of
from .terms import End, WorkerSettings
from .upkeep import Upkeep, log_head

#: Claims wait while more settlements than this are unwritten.
LARGEST_BACKLOG = 2000

#: A worker that stops waits so long for a database that does not answer; what it held is then rescued.
LAST_PATIENCE = 10.0  # seconds

#: A claim under way when the worker is asked to stop is waited for so long, then cancelled.
CLAIM_PATIENCE = 1.0  # seconds


class Worker:
    """One worker process's work under one identity."""

    def __init__(
        self, settings: WorkerSettings, around: Surroundings, runners: Sequence[JobRunner[Any, Any]] = ()
    ) -> None:
        self.settings = settings
        self.identity = Identity.new(settings.host, settings.pid, settings.row(around.planner.registry.digest))
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._room = asyncio.Event()
        self._claimed = 0
        worker_id = self.identity.worker_id
        self._links = {
            name: Link(settings.dsn, name, patience=settings.patience, prepare=prepare)
            for name, prepare in (("claim", pin_plans), ("settle", pin_plans), ("upkeep", None), ("limits", None))
        }
        self._budget = Budget(self._links["limits"])
        self.settler = Settler(self._links["settle"], worker_id)
        self.slots = Slots(self._settle, self._slot_freed)
        self._claimer = Claimer(self._links["claim"], worker_id, settings.scope, self._known)
        self.reload(around)
        self.pulse = Pulse(settings.dsn, self.identity, self._listeners(), patience=settings.patience)
        self._upkeep = Upkeep(self._links["upkeep"], runners, worker_id)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the worker to stop."""
        return self._stopping.is_set()

    @property
    def left_to_claim(self) -> int | None:
        """How many jobs of --max-jobs are left; None without that bound."""
        return None if self.settings.max_jobs is None else self.settings.max_jobs - self._claimed

    @property
    def ready(self) -> bool:
        """Whether the worker claims: its pulse is accepted and nobody asked it to stop."""
        return self.pulse.alive.is_set() and not self._stopping.is_set()

    def reload(self, around: Surroundings, scope: Scope | None = None) -> None:
        """Use another registry, and serve another scope, for the jobs claimed from now on."""
        self._around = replace(around, worker_id=self.identity.worker_id, budget=self._budget)
        if scope is not None:
            self._claimer.scope = scope

    def stop(self) -> None:
        """Stop claiming and finish what runs; asked a second time: interrupt it now."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        for link in (*self._links.values(), self.pulse.link):
            link.patience = min(link.patience, LAST_PATIENCE)
        self._claimer.wake.set()
        self._room.set()

    async def run(self) -> End:
        """Work until stopped, empty, or lost. Raise what makes work impossible (DatabaseUnavailable, SchemaAbsent)."""
        try:
            await self._links["claim"].ask(lambda store: require_current(store.connection))
            await self._links["claim"].ask(lambda store: require_session(store.connection, self.settings.dsn))
            await self.pulse.start()
            for link in self._links.values():
                link.trust()
            return await self._work()
        finally:
            await self._close()

    async def _work(self) -> End:
        log_event("worker_started", worker_id=self.identity.worker_id, concurrency=self.settings.concurrency)
        settling = asyncio.create_task(self.settler.run())
        parts = (self.pulse.run(), self.pulse.watch(), self.slots.guard(), self._upkeep.run())
        services = [settling, *map(asyncio.create_task, parts)]
        claiming, asked = map(asyncio.create_task, (self._claim_until_stopped(), self._stopped()))
        try:
            await first_of([claiming, asked, *services])
            return await beside(self._finish(claiming), services)
        finally:
            await cancelled(claiming, asked)  # first: what a claim starts now would be left behind
            await self.slots.stopped("the worker stops")
            await self._last_settlements(settling)
            await cancelled(*services)

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _last_settlements(self, settling: asyncio.Task[None]) -> None:
        """Let what has just ended be written, if the database answers; in an orderly end nothing is left."""
        flushed = asyncio.create_task(self.settler.flushed())
        await asyncio.wait({settling, flushed}, timeout=LAST_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(flushed)

    # ---- claiming ---------------------------------------------------------------------------------------------------

    async def _claim_until_stopped(self) -> None:
        while not (self._stopping.is_set() or self.pulse.lost_for_good.is_set()):
            free = self._free()
            if self.left_to_claim == 0 and not self.slots:
                return
            if free <= 0 or not self.pulse.alive.is_set():
                await self._wait_for_room()
            elif not await self._claim(free):
                if self.settings.until_empty and await self._empty():
                    return
                await self._claimer.rest()

    def _free(self) -> int:
        if self.settler.backlog > LARGEST_BACKLOG:
            return 0
        free = self.settings.concurrency - len(self.slots)
        return free if self.left_to_claim is None else min(free, self.left_to_claim)

    async def _claim(self, free: int) -> bool:
        """Claim and start; return whether there was anything."""
        claimed = await self._claimer.claim(free)
        if not self.pulse.alive.is_set():  # fenced while the claim was under way: others may take these jobs
            self._claimer.disown()
            return True
        for job, document in claimed:
            self.slots.start(job, document, self._around)
        self._claimed += len(claimed)
        if len(claimed) == free:
            await self._claimer.busy()
        return bool(claimed)

    async def _wait_for_room(self) -> None:
        """Wait for a free slot; the timeout covers what has no event: the settler's backlog, the pulse."""
        self._room.clear()
        with suppress(TimeoutError):
            # Not wait_for: before Python 3.12 it swallows a cancellation that arrives together with the event.
            async with asyncio.timeout(0.05):
                await self._room.wait()

    async def _empty(self) -> bool:
        if self.slots:
            return False
        await self.settler.flushed()
        return not await self._links["claim"].ask(lambda store: store.open_jobs(self._claimer.scope))

    # ---- what the parts tell each other -----------------------------------------------------------------------------

    def _settle(self, settlement: Settlement) -> None:
        self.settler.add(settlement)

    def _slot_freed(self) -> None:
        self._room.set()
        if self.settings.until_empty:
            self._claimer.wake.set()

    def _known(self) -> set[UUID]:
        return self.slots.ids() | self.settler.waiting_ids()

    def _sever(self) -> None:
        for link in self._links.values():
            link.sever()

    def _listeners(self) -> Listeners:
        return Listeners(
            ready=self._claimer.wake.set,
            cancel=self.slots.cancel,
            fence=self.slots.interrupt,
            sever=self._sever,
            running=lambda: len(self.slots),
            draining=self._stopping.is_set,
        )

    # ---- stopping ---------------------------------------------------------------------------------------------------

    async def _finish(self, claiming: asyncio.Task[None]) -> End:
        """Drain: wait for what runs, then interrupt it, settle everything, and give back what is left."""
        if self.pulse.lost_for_good.is_set():
            return End.LOST
        self._stopping.set()
        await asyncio.wait({claiming}, timeout=CLAIM_PATIENCE)
        await cancelled(claiming)  # one that hangs; what it may have claimed is given back below
        log_event("worker_stopping", worker_id=self.identity.worker_id, running=len(self.slots))
        finished = await self.slots.ended(self.settings.drain_timeout, self._hurry)
        if not finished:
            await self.slots.stopped("the drain timeout is over")
        given_back = await self._leave()
        log_event("worker_stopped", worker_id=self.identity.worker_id, settled=self.settler.settled)
        return End.DRAINED if finished and not given_back else End.GAVE_BACK

    async def _leave(self) -> int:
        """Write the last settlements, give back what is left and sign off; return how many jobs were given back."""
        try:
            async with asyncio.timeout(LAST_PATIENCE):
                await self.settler.flushed()
                given_back = await self._links["settle"].ask(lambda store: store.give_back(self.identity.worker_id))
                await log_head(self._links["settle"], self.identity.worker_id)
                self.pulse.leaving()
                await self._links["settle"].ask(lambda store: store.leave(self.identity.worker_id))
        except TimeoutError:
            raise DatabaseUnavailable(
                f"Postgres did not answer for {LAST_PATIENCE:g} s while the worker stopped; its jobs await rescue",
                hint="specql-jobs list --status running    (another worker takes them)",
            ) from None
        return given_back

    async def _close(self) -> None:
        await self.pulse.close()
        for link in self._links.values():
            await link.close()


async def run_worker(
    settings: WorkerSettings,
    around: Surroundings,
    runners: Sequence[JobRunner[Any, Any]],
    started: Callable[[Worker], None],
) -> End:
    """Run workers, one identity after another, until one ends other than by being declared lost.

    `started` is given each worker, so that the caller's signals and reloads reach the present one.
    """
    while True:
        worker = Worker(settings, around, runners)
        started(worker)
        end = await worker.run()
        if end is not End.LOST or worker.stopping:
            return end
        settings = replace(settings, max_jobs=worker.left_to_claim)


__all__ = ["End", "Worker", "WorkerSettings", "run_worker"]
