"""Settling jobs that have callbacks, apart from the others: what a callback does to a session or how long it takes
must not reach a job that has none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from ..lanes import Breaker
from ..lifecycle import Settlement
from ..log import log_event
from ..store.callbacks import BROKEN, HURRY, Caller, end_session
from ..store.db import FAILURES, is_the_data
from ..store.store import Store
from .link import Link
from .settler import Settler
from .tasks import cancelled, first_of

T = TypeVar("T")

#: How often a batch is written together with its callbacks; then without them, for one of them may be what breaks it.
TRIES = 2

#: How often a worker looks for callbacks that are to be called again.
LOOK_EVERY = 2.0  # seconds


#: A transaction that takes longer than this is watched from outside, and ended two timeouts of callbacks later.
WATCH_AFTER = 15.0  # seconds


class SharedLink(Link):
    """A link that several tasks may ask, one at a time, and that no callback can hold for ever."""

    def __init__(self, dsn: str, name: str, *, patience: float, watch_after: float = WATCH_AFTER) -> None:
        super().__init__(dsn, name, patience=patience)
        self._turn = asyncio.Lock()
        self._watch_after = watch_after

    async def ask(self, verb: Callable[[Store], Awaitable[T]]) -> T:
        """Return what the verb returns, as Link.ask does, when it is this task's turn."""
        async with self._turn:
            return await super().ask(lambda store: self._watched(store, verb))

    async def _watched(self, store: Store, verb: Callable[[Store], Awaitable[T]]) -> T:
        watch = asyncio.create_task(self._watch(store.connection.info.backend_pid))
        try:
            return await verb(store)
        finally:
            await cancelled(watch)

    async def _watch(self, pid: int) -> None:
        while True:
            await asyncio.sleep(self._watch_after)
            try:
                await end_session(self._dsn, pid)
            except FAILURES as error:
                log_event("database_lost", connection="callbacks watch", error=type(error).__name__)


class CallingSettler(Settler):
    """Writes settlements with their callbacks; puts the callbacks off where the two cannot be written together."""

    #: Each callback is a subtransaction. PostgreSQL keeps 64 of a transaction where other sessions find them quickly.
    largest_batch = 50

    def __init__(self, link: Link, worker_id: str) -> None:
        super().__init__(link, worker_id)
        self._failed = 0
        self.put_off = ""  # why callbacks are left to others; empty: they are called

    async def _apply(self, part: Sequence[Settlement]) -> None:
        self._failed = 0
        await super()._apply(part)

    async def _put(self, store: Store, part: Sequence[Settlement]) -> set[UUID]:
        try:
            return await self._written(store, part, BROKEN if self._failed >= TRIES else self.put_off)
        except FAILURES as error:
            self._failed += 1
            if self._failed > TRIES or not is_the_data(error):
                raise
        return await self._written(store, part, BROKEN)

    async def _written(self, store: Store, part: Sequence[Settlement], put_off: str) -> set[UUID]:
        return await store.settle(part, self._worker_id, part[0].origin.registry_digest, put_off=put_off)


class Settlers:
    """The two settlers of a worker, as one: jobs that have callbacks go to the one that calls their callbacks."""

    def __init__(self, plain: Settler, calling: CallingSettler) -> None:
        self._plain = plain
        self._calling = calling
        self.followers = calling.followers = plain.followers

    @property
    def breaker_of(self) -> Callable[[str], Breaker | None] | None:
        """Which services have a breaker; None where no service has one."""
        return self._plain.breaker_of

    @breaker_of.setter
    def breaker_of(self, found: Callable[[str], Breaker | None] | None) -> None:
        self._plain.breaker_of = self._calling.breaker_of = found

    @property
    def written(self) -> Callable[[Sequence[Settlement]], None] | None:
        """Who is told of each batch when it is written."""
        return self._plain.written

    @written.setter
    def written(self, told: Callable[[Sequence[Settlement]], None] | None) -> None:
        self._plain.written = self._calling.written = told

    @property
    def settled(self) -> int:
        """How many settlements were applied."""
        return self._plain.settled + self._calling.settled

    @property
    def lost(self) -> int:
        """How many came after their lease was over."""
        return self._plain.lost + self._calling.lost

    @property
    def backlog(self) -> int:
        """How many settlements wait to be written."""
        return self._plain.backlog + self._calling.backlog

    def waiting_ids(self) -> set[UUID]:
        """Return the jobs whose settlements wait to be written."""
        return self._plain.waiting_ids() | self._calling.waiting_ids()

    def add(self, settlement: Settlement) -> None:
        """Hand over one settlement; it is written with the next batch."""
        (self._calling if settlement.job.has_callback else self._plain).add(settlement)

    def hurry(self) -> None:
        """Leave the callbacks of what is still to be written to other workers: this one stops."""
        self._calling.put_off = HURRY

    async def flushed(self) -> None:
        """Wait until everything handed over so far is written."""
        await self._plain.flushed()
        await self._calling.flushed()

    async def run(self) -> None:
        """Write batches until cancelled, or until either settler fails."""
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(each.run()) for each in (self._plain, self._calling)]
        try:
            await first_of(tasks)
        finally:
            await cancelled(*tasks)


async def call_again(link: Link) -> None:
    """Call callbacks again that failed or were put off, when they are due, until cancelled."""
    while True:
        while await link.ask(lambda store: Caller(store.connection).rerun()):
            pass
        await asyncio.sleep(LOOK_EVERY)
