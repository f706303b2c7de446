"""The worker: claims into free slots, runs each job as an attempt, settles, and leaves nothing behind when it stops.

One Worker is one identity in jobs.tb_worker. If others declare it lost, its jobs are stopped and it is not used again:
`run_worker` goes on under a new identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..contract import JobRunner
from ..errors import DatabaseUnavailable
from ..log import log_event
from ..store.migrate import require_current
from ..store.pooler import require_session
from ..store.store import Scope
from ..store.waits import Reason
from .attempt import Surroundings
from .budget import Budget
from .calling import CallingSettler, Settlers, SharedLink, call_again
from .claimer import pin_plans, pin_settles
from .dispatch import Dispatcher
from .link import Link
from .pruner import Pruner
from .pulse import Identity, Listeners, Pulse
from .scheduler import Scheduler
from .settler import Settler
from .tasks import beside, cancelled, first_of
from .terms import End, WorkerSettings
from .upkeep import Upkeep, log_head

#: A worker that stops waits so long for a database that does not answer; what it held is then rescued.
LAST_PATIENCE = 10.0  # seconds


class Worker:
    """One worker process's work under one identity."""

    def __init__(
        self, settings: WorkerSettings, around: Surroundings, runners: Sequence[JobRunner[Any, Any]] = ()
    ) -> None:
        self.settings = settings
        self.identity = Identity.new(settings.host, settings.pid, settings.row(around.planner.registry.digest))
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        worker_id = self.identity.worker_id
        self._links = {
            name: Link(settings.dsn, name, patience=settings.patience, prepare=prepare)
            for name, prepare in (
                ("claim", pin_plans),
                ("settle", pin_settles),
                ("upkeep", None),
                ("limits", None),
                ("prune", None),
                ("schedule", None),
            )
        }
        self._callbacks = self._links["callbacks"] = SharedLink(settings.dsn, "callbacks", patience=settings.patience)
        self._budget = Budget(self._links["limits"])
        self.settler = Settlers(Settler(self._links["settle"], worker_id), CallingSettler(self._callbacks, worker_id))
        self._dispatch = Dispatcher(settings, self._links["claim"], worker_id, self.settler, self._may_claim)
        self.slots = self._dispatch.slots
        self._scheduler = Scheduler(self._links["schedule"], worker_id)
        self.pulse = Pulse(settings.dsn, self.identity, self._listeners(), patience=settings.patience)
        self.reload(around)
        self._upkeep = Upkeep(self._links["upkeep"], runners, worker_id)
        self._pruner = Pruner(self._links["prune"], settings.retention)

    @property
    def stopping(self) -> bool:
        """Whether somebody asked the worker to stop."""
        return self._stopping.is_set()

    @property
    def left_to_claim(self) -> int | None:
        """How many jobs of --max-jobs are left; None without that bound."""
        return self._dispatch.left_to_claim

    @property
    def left(self) -> list[Reason] | None:
        """Why --until-empty did not wait for the jobs that are pending, once the worker has ended by it."""
        return self._dispatch.left

    @property
    def ready(self) -> bool:
        """Whether the worker claims: its pulse is accepted and nobody asked it to stop."""
        return self.pulse.alive.is_set() and not self._stopping.is_set()

    def reload(self, around: Surroundings, scope: Scope | None = None) -> None:
        """Use another registry, and serve another scope, for the jobs claimed from now on."""
        self._around = replace(around, worker_id=self.identity.worker_id, budget=self._budget)
        self.settler.breaker_of = around.planner.breakers()
        self._dispatch.reload(self._around, scope)
        self.identity.row["service_types"] = around.planner.service_types()
        self.identity.row["digest"] = around.planner.registry.digest  # the pulse tells both to the row
        self._scheduler.serve(around.planner.registry, self._dispatch.claimer.scope)

    def stop(self) -> None:
        """Stop claiming and finish what runs; asked a second time: interrupt it now."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        for link in (*self._links.values(), self.pulse.link):
            link.patience = min(link.patience, LAST_PATIENCE)
        self._dispatch.stop()

    def _may_claim(self) -> bool:
        return self.pulse.alive.is_set()

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
        parts = (
            self.pulse.run(),
            self.pulse.watch(),
            self.slots.guard(),
            self._upkeep.run(),
            self._pruner.run(),
            self._scheduler.run(),
            call_again(self._callbacks),
        )
        services = [settling, *map(asyncio.create_task, parts)]
        claiming, asked = map(asyncio.create_task, (self._dispatch.run(), self._stopped()))
        try:
            await first_of([claiming, asked, *services])
            return await beside(self._finish(claiming), services)
        finally:
            self._dispatch.stop()  # first: what is started from here on, nobody would wait for
            await cancelled(asked)
            await self._dispatch.finish(claiming)
            await self.slots.stopped("the worker stops")
            await self._last_settlements(settling)
            await cancelled(*services)

    async def _stopped(self) -> None:
        await self._stopping.wait()

    async def _last_settlements(self, settling: asyncio.Task[None]) -> None:
        """Let what has just ended be written, if the database answers; in an orderly end nothing is left."""
        self.settler.hurry()
        flushed = asyncio.create_task(self.settler.flushed())
        await asyncio.wait({settling, flushed}, timeout=LAST_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(flushed)

    def _sever(self) -> None:
        for link in self._links.values():
            link.sever()

    def _listeners(self) -> Listeners:
        return Listeners(
            ready=self._dispatch.claimer.wake.set,
            cancel=self._dispatch.cancel,
            fence=self._dispatch.fence,
            sever=self._sever,
            held=self._dispatch.held,
            running=lambda: len(self.slots),
            draining=self._stopping.is_set,
            drain=self.stop,
            followed=self.settler.followers.heard,
        )

    # ---- stopping ---------------------------------------------------------------------------------------------------

    async def _finish(self, claiming: asyncio.Task[None]) -> End:
        """Drain: wait for what runs, then interrupt it, settle everything, and give back what is left."""
        if self.pulse.lost_for_good.is_set():
            return End.LOST
        self._stopping.set()
        self._dispatch.stop()
        await self._dispatch.finish(claiming)
        log_event("worker_stopping", worker_id=self.identity.worker_id, running=len(self.slots))
        finished = await self.slots.ended(self.settings.drain_timeout, self._hurry)
        if not finished:
            await self.slots.stopped("the drain timeout is over")
        given_back = await self._leave()
        log_event("worker_stopped", worker_id=self.identity.worker_id, settled=self.settler.settled, **self._remains())
        return End.DRAINED if finished and not given_back else End.GAVE_BACK

    def _remains(self) -> dict[str, Any]:
        """For the log: who forgot a pause sees it."""
        own = [each.jobs for each in self.left or () if each.code != "not_served"]
        return {} if self.left is None else {"pending": sum(own)}

    async def _leave(self) -> int:
        """Write the last settlements, give back what is left and sign off; return how many jobs were given back."""
        try:
            async with asyncio.timeout(LAST_PATIENCE):
                self.settler.hurry()
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
