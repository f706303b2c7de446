"""The worker: claims into free slots, runs each job as an attempt, settles, and leaves nothing behind when it stops.

One Worker is one identity in jobs.tb_worker. If others declare it lost, its jobs are stopped and it is not used again:
`run_worker` goes on under a new identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from ..contract import JobRunner
from ..lifecycle import Settlement
from ..log import log_event
from ..store.migrate import require_current
from ..store.store import Scope
from .attempt import Surroundings
from .claimer import Claimer, pin_plans
from .link import Link
from .pulse import Identity, Listeners, Pulse
from .settler import Settler
from .slots import Slots, cancelled
from .upkeep import Upkeep

#: Claims wait while more settlements than this are unwritten.
LARGEST_BACKLOG = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How a worker behaves. Seconds, unless said otherwise."""

    dsn: str
    host: str
    pid: int
    version: str
    concurrency: int = 10  # jobs at a time
    scope: Scope = field(default_factory=Scope)
    execution_types: tuple[str, ...] = ()
    drain_timeout: float = 30.0
    until_empty: bool = False
    max_jobs: int | None = None
    patience: float = 60.0  # without a database, once it was there


class End(StrEnum):
    """How a worker ended."""

    DRAINED = "drained"
    GAVE_BACK = "gave jobs back"
    LOST = "declared lost"


class Worker:
    """One worker process's work under one identity."""

    def __init__(
        self, settings: WorkerSettings, around: Surroundings, runners: Sequence[JobRunner[Any, Any]] = ()
    ) -> None:
        self.settings = settings
        self.identity = Identity.new(settings.host, settings.pid, _row(settings, around))
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._room = asyncio.Event()
        self._claimed = 0
        self.reload(around)
        worker_id = self.identity.worker_id
        self._links = {
            name: Link(settings.dsn, name, patience=settings.patience, prepare=prepare)
            for name, prepare in (("claim", pin_plans), ("settle", pin_plans), ("upkeep", None))
        }
        self.settler = Settler(self._links["settle"], worker_id)
        self.slots = Slots(self._settle, self._slot_freed)
        self._claimer = Claimer(self._links["claim"], worker_id, settings.scope, self._known)
        self.pulse = Pulse(settings.dsn, self.identity, self._listeners(), patience=settings.patience)
        self._upkeep = Upkeep(self._links["upkeep"], runners)

    @property
    def ready(self) -> bool:
        """Whether the worker claims: its pulse is accepted and nobody asked it to stop."""
        return self.pulse.alive.is_set() and not self._stopping.is_set()

    def reload(self, around: Surroundings) -> None:
        """Use another registry for the jobs claimed from now on."""
        self._around = replace(around, worker_id=self.identity.worker_id)

    def stop(self) -> None:
        """Stop claiming and finish what runs; asked a second time: interrupt it now."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self._claimer.wake.set()
        self._room.set()

    async def run(self) -> End:
        """Work until stopped, empty, or lost. Raise what makes work impossible (DatabaseUnavailable, SchemaAbsent)."""
        try:
            await self._links["claim"].ask(lambda store: require_current(store.connection))
            await self.pulse.start()
            return await self._work()
        finally:
            await self._close()

    async def _work(self) -> End:
        log_event("worker_started", worker_id=self.identity.worker_id, concurrency=self.settings.concurrency)
        services = [self.settler.run(), self.pulse.run(), self.pulse.watch(), self.slots.guard(), self._upkeep.run()]
        tasks = [asyncio.create_task(work) for work in (self._claim_until_stopped(), *services)]
        try:
            await _first_of(tasks)
            return await self._finish()
        finally:
            await self.slots.stopped("the worker stops")
            await cancelled(*tasks)

    # ---- claiming ---------------------------------------------------------------------------------------------------

    async def _claim_until_stopped(self) -> None:
        while not (self._stopping.is_set() or self.pulse.lost_for_good.is_set()):
            free = self._free()
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
        return free if self.settings.max_jobs is None else min(free, self.settings.max_jobs - self._claimed)

    async def _claim(self, free: int) -> bool:
        """Claim and start; return whether there was anything."""
        claimed = await self._claimer.claim(free)
        for job, document in claimed:
            self.slots.start(job, document, self._around)
        self._claimed += len(claimed)
        if self._claimed == self.settings.max_jobs:
            self.stop()
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
        return not await self._links["claim"].ask(lambda store: store.open_jobs(self.settings.scope))

    # ---- what the parts tell each other -----------------------------------------------------------------------------

    def _settle(self, settlement: Settlement) -> None:
        self.settler.add(settlement)

    def _slot_freed(self) -> None:
        self._room.set()
        if self.settings.until_empty:
            self._claimer.wake.set()

    def _known(self) -> set[UUID]:
        return self.slots.ids() | self.settler.waiting_ids()

    def _listeners(self) -> Listeners:
        return Listeners(
            ready=self._claimer.wake.set,
            cancel=self.slots.cancel,
            fence=self.slots.interrupt,
            running=lambda: len(self.slots),
            draining=self._stopping.is_set,
        )

    # ---- stopping ---------------------------------------------------------------------------------------------------

    async def _finish(self) -> End:
        """Drain: wait for what runs, then interrupt it, settle everything, and give back what is left."""
        if self.pulse.lost_for_good.is_set():
            return End.LOST
        self._stopping.set()
        log_event("worker_stopping", worker_id=self.identity.worker_id, running=len(self.slots))
        finished = await self.slots.ended(self.settings.drain_timeout, self._hurry)
        if not finished:
            await self.slots.stopped("the drain timeout is over")
        await self.settler.flushed()
        given_back = await self._links["settle"].ask(lambda store: store.give_back(self.identity.worker_id))
        self.pulse.leaving()
        await self._links["settle"].ask(lambda store: store.leave(self.identity.worker_id))
        log_event("worker_stopped", worker_id=self.identity.worker_id, settled=self.settler.settled)
        return End.DRAINED if finished and not given_back else End.GAVE_BACK

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
        if end is not End.LOST:
            return end


def _row(settings: WorkerSettings, around: Surroundings) -> dict[str, Any]:
    return {
        "version": settings.version,
        "types": list(settings.execution_types),
        "services": None if settings.scope.only is None else list(settings.scope.only),
        "concurrency": settings.concurrency,
        "digest": around.planner.registry.digest,
    }


async def _first_of(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the first task to end; raise its error, if that is how it ended."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
