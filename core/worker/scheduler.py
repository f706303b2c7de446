"""Makes the jobs of the registry's schedules. Every worker asks for every tick; the database lets one make its job.

The time is the database's: what this host's clock says is never looked at, only how long ago the database was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from ..clock import monotonic
from ..cron import Cron
from ..job import folded
from ..log import log_event
from ..registry.model import OnMissed, Registry
from ..store import schedules as store
from ..store.schedules import Done, Due, Entry, Place
from ..store.store import Scope
from ..ticks import due_ticks
from .link import Link

#: The database is asked for its time at least as often: clocks drift, and hosts are suspended.
LONGEST_REST = 60.0  # seconds

#: Asked too early by our reckoning of the database's clock, or for ticks of the same moment: looked at again after it.
SHORTEST_REST = 0.01  # seconds


@dataclass(slots=True)
class Line:
    """One schedule, and up to which tick nothing is left to do for this worker."""

    entry: Entry
    cron: Cron
    done: datetime

    def due(self, now: datetime) -> datetime | None:
        """Return the tick to ask for, if any is due; what was missed and is not to be run is done with."""
        run_missed = self.entry.schedule.on_missed is OnMissed.RUN_ONCE
        ticks = due_ticks(self.cron, self.done, now, run_missed=run_missed)
        if not ticks:
            self.done = max(self.done, self.cron.latest(now) or self.done)
        return ticks[0] if ticks else None


class Scheduler:
    """Runs until cancelled. Without schedules it says so once, and keeps no connection."""

    def __init__(self, link: Link, worker_id: str) -> None:
        self._link = link
        self._worker_id = worker_id
        self._registry_digest = ""
        self._entries: dict[Place, Entry] = {}
        self._served: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._lines: dict[Place, Line] = {}
        self.looked = 0  # how often everything that was due had been asked for
        self._ahead = 0.0  # seconds of the database's clock ahead of monotonic()

    def serve(self, registry: Registry, scope: Scope) -> None:
        """Use the schedules of this registry, of the services in scope, from now on."""
        services = [each for key, each in registry.services.items() if scope.serves(key)]
        self._entries = {each.place: each for each in store.entries_of(services) if each.schedule.enabled}
        self._served = tuple(folded(each.name) for each in services)
        self._registry_digest = registry.digest
        self._changed.set()

    async def run(self) -> None:
        """Do ticks as they come due; a registry that is loaded meanwhile takes the place of the one before."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._take(self._entries.values(), self._served)
            if not self._lines:
                self.looked += 1
                await self._link.close()
            while self._lines and not self._changed.is_set():
                await self._look()
                self.looked += 1
                await self._rest()

    # ---- who decides ------------------------------------------------------------------------------------------------

    async def _take(self, entries: Iterable[Entry], served: Sequence[str]) -> None:
        """Decide about these schedules from now on, and learn what was done of them."""
        wanted = {each.place: each for each in entries}
        digest, worker_id = self._registry_digest, self._worker_id
        await self._link.ask(lambda link: store.tell_registry(link.connection, worker_id, digest))
        last = await self._link.ask(lambda link: store.take(link.connection, [*wanted.values()], served, digest))
        await self._hear_the_time()
        lines = {key: Line(each, _cron(each), last[key]) for key, each in wanted.items()}
        self._lines = lines if served else {**self._lines, **lines}

    async def _hear_the_time(self) -> None:
        now = await self._link.ask(lambda link: store.clock(link.connection))
        self._ahead = now.timestamp() - monotonic()

    def _now(self) -> datetime:
        """The database's time, never ahead of it but by the drift of two clocks since it was asked."""
        return datetime.fromtimestamp(monotonic() + self._ahead, UTC)

    # ---- ticks ------------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Ask for what is due: of each schedule its ticks one after the other, of all schedules together."""
        now = self._now()
        while due := [Due(each.entry, tick) for each in self._lines.values() if (tick := each.due(now)) is not None]:
            if not await self._do(due):
                return

    async def _do(self, due: Sequence[Due]) -> bool:
        """Ask for ticks; return whether the next ones may be asked for: our reckoning of the time was not ahead."""
        try:
            done = await self._link.ask(lambda link: store.tick(link.connection, due))
        except store.TickRefused as error:
            return await self._do_apart(due, error)
        self._ahead = done[0].at.timestamp() - monotonic()
        ticks = {each.entry.place: each.tick for each in due}
        for each in done:
            self._note(each, ticks[each.place])
        if orphaned := [self._lines[each.place].entry for each in done if each.outcome == "orphaned"]:
            await self._take(orphaned, ())
        return all(each.outcome != "early" for each in done)

    async def _do_apart(self, due: Sequence[Due], error: store.TickRefused) -> bool:
        """One schedule whose job the database refuses must not stop the others."""
        if len(due) > 1:
            return all([await self._do([each]) for each in due])
        line = self._lines[due[0].entry.place]
        line.done = due[0].tick
        log_event("schedule_refused", schedule=line.entry.words, tick=_text(line.done), error=str(error))
        return True

    def _note(self, done: Done, tick: datetime) -> None:
        line = self._lines[done.place]
        if done.outcome not in ("early", "orphaned"):
            line.done = max(line.done, tick, done.last_tick or tick)
        if done.outcome in ("enqueued", "skipped", "key_taken"):
            job = str(done.job_id) if done.job_id else None
            log_event(f"schedule_{done.outcome}", schedule=line.entry.words, tick=_text(tick), job_id=job)

    async def _rest(self) -> None:
        """Sleep until the next tick or another registry; after a long rest hear the database's time again."""
        now = self._now()
        coming = [tick for line in self._lines.values() if (tick := line.cron.after(line.done)) is not None]
        left = min(((tick - now).total_seconds() for tick in coming), default=LONGEST_REST)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(left, SHORTEST_REST), LONGEST_REST)):
                await self._changed.wait()
        if left > LONGEST_REST:
            await self._hear_the_time()


def _cron(entry: Entry) -> Cron:
    return Cron(entry.schedule.cron, entry.schedule.timezone)


def _text(tick: datetime) -> str:
    return tick.isoformat().replace("+00:00", "Z")
