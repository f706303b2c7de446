"""Group commit of settlements: while one batch is being written, and a moment longer, the next collects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from uuid import UUID

from ..clock import monotonic
from ..job import Category, Status
from ..lanes import Breaker
from ..lifecycle import Event, Settlement, by_plainness
from ..log import log_event
from ..store import following
from ..store.db import is_locked, is_the_data
from ..store.store import Store
from .followers import Followers
from .link import Link
from .news import news_of

#: Settlements of one statement. More gains nothing (measured: 100 to 500 are alike), and bounds a statement's memory.
LARGEST_BATCH = 500

#: Two writes are at least so far apart, unless ENOUGH waits: a settlement that comes alone is written at once, and jobs
#: that end one after another share a statement and a commit (measured at 1,700 jobs/s: a third of Postgres' work less).
PAUSE = 0.003  # seconds
ENOUGH = 100

#: What waits for somebody's row lock is tried again after so long.
ASIDE = 2.0  # seconds


class Settler:
    """Takes settlements from attempts and writes them, in batches, under their leases."""

    largest_batch = LARGEST_BATCH

    def __init__(self, link: Link, worker_id: str) -> None:
        self._link = link
        self._worker_id = worker_id
        #: Which services have a breaker; None where no service has one.
        self.breaker_of: Callable[[str], Breaker | None] | None = None
        #: Told of each batch when it is written; None: nobody wants to know.
        self.written: Callable[[Sequence[Settlement]], None] | None = None
        self.followers = Followers()
        self._waiting: list[Settlement] = []
        self._aside: list[Settlement] = []  # their rows are locked by somebody
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._written_at = -PAUSE  # monotonic seconds
        self.settled = 0
        self.lost = 0

    @property
    def backlog(self) -> int:
        """How many settlements wait to be written."""
        return len(self._waiting) + len(self._aside)

    def waiting_ids(self) -> set[UUID]:
        """Return the jobs whose settlements wait to be written."""
        return {settlement.job.id for settlement in (*self._waiting, *self._aside)}

    def add(self, settlement: Settlement) -> None:
        """Hand over one settlement; it is written with the next batch."""
        self._waiting.append(settlement)
        self._idle.clear()
        self._some.set()

    async def flushed(self) -> None:
        """Wait until everything handed over so far is written."""
        await self._idle.wait()

    async def run(self) -> None:
        """Write batches until cancelled; a batch whose connection dies is written again: the lease makes it safe."""
        while True:
            await self._some.wait()
            await self._gather()
            batch = _of_one_registry(self._waiting[: self.largest_batch])
            await self._write(batch)
            self._written_at = monotonic()
            del self._waiting[: len(batch)]
            if self.written is not None:
                self.written(batch)
            if self.breaker_of is not None:
                await self._tell_breakers(batch, self.breaker_of)
            if self.followers.due():
                await self._link.ask(lambda store: following.tell(store.connection))
            if not self._waiting:
                self._some.clear()
            if not self.backlog:
                self._idle.set()

    async def _tell_breakers(self, batch: Sequence[Settlement], breaker_of: Callable[[str], Breaker | None]) -> None:
        """Count what the batch says of its services' targets. Counted twice, or not, a breaker is as good."""
        news = news_of(batch, breaker_of)
        if news:
            for service, change in await self._link.ask(lambda store: store.note_outcomes(news)):
                log_event(f"breaker_{change}", service=service)

    async def _gather(self) -> None:
        pause = self._written_at + PAUSE - monotonic()
        if pause > 0 and len(self._waiting) < ENOUGH:
            await asyncio.sleep(pause)

    async def _write(self, batch: Sequence[Settlement]) -> None:
        for part in _parts(batch):
            await self._apply(part)

    async def _apply(self, part: Sequence[Settlement]) -> None:
        tries = 0

        async def write(store: Store) -> set[UUID]:
            nonlocal tries, part
            tries += 1
            try:
                return await self._settle(store, part)
            except Exception as error:
                if not is_locked(error):
                    raise
            part = await self._unlocked(store, part)
            return await self._patiently(store, part)

        applied = await self._link.ask(write)
        self._count(part, applied, sure=tries == 1)

    async def _unlocked(self, store: Store, part: Sequence[Settlement]) -> Sequence[Settlement]:
        """Put aside what somebody's transaction holds, for it must not keep the others; return the others."""
        free = await store.unlocked([settlement.job.id for settlement in part])
        blocked = [settlement for settlement in part if settlement.job.id not in free]
        if blocked:
            log_event("settle_blocked", count=len(blocked), job_id=str(blocked[0].job.id))
            self._aside += blocked
            asyncio.get_running_loop().call_later(ASIDE, self._take_up)
        return [settlement for settlement in part if settlement.job.id in free]

    def _take_up(self) -> None:
        self._waiting += self._aside
        self._aside.clear()
        self._some.set()

    async def _patiently(self, store: Store, part: Sequence[Settlement]) -> set[UUID]:
        """Write what no row's lock hinders, however long a lock on the whole table does."""
        if not part:
            return set()
        async with store.waiting_for_locks():
            return await self._settle(store, part)

    def _count(self, part: Sequence[Settlement], applied: set[UUID], *, sure: bool) -> None:
        """Count and report; not `sure`: an earlier try may have been committed though its answer was lost."""
        self.settled += len(applied)
        if len(applied) == len(part) and (
            not part or part[0].plain
        ):  # then all are, see _parts: there is nothing to tell
            return
        for settlement in part:
            if not sure and settlement.job.id not in applied:
                log_event("settle_unsure", job_id=str(settlement.job.id), lease_seq=settlement.job.lease_seq)
                continue
            if settlement.job.id not in applied:
                self.lost += 1
                log_event("settle_lost", job_id=str(settlement.job.id), lease_seq=settlement.job.lease_seq)
            elif settlement.status is not Status.COMPLETED:
                _report(settlement)

    async def _settle(self, store: Store, part: Sequence[Settlement]) -> set[UUID]:
        """One result that Postgres refuses must not keep the others of its batch, nor its own job, unfinished."""
        try:
            return await self._put(store, part)
        except Exception as error:
            if not is_the_data(error):
                raise
        if len(part) == 1:
            return await self._settle_what_can_be(store, part[0])
        return {id_ for settlement in part for id_ in await self._settle(store, [settlement])}

    async def _put(self, store: Store, part: Sequence[Settlement]) -> set[UUID]:
        return await store.settle(part, self._worker_id, part[0].origin.registry_digest)

    async def _settle_what_can_be(self, store: Store, settlement: Settlement) -> set[UUID]:
        """Write less: without usage and logs, then without the result; a row that takes neither is left, and named."""
        refusal: Exception | None = None
        for less in (_bare(settlement), _without_result(settlement)):
            try:
                return await self._put(store, [less])
            except Exception as error:
                if not is_the_data(error):
                    raise
                refusal = error
        log_event("settle_refused", job_id=str(settlement.job.id), error=type(refusal).__name__)
        return set()


def _of_one_registry(waiting: list[Settlement]) -> list[Settlement]:
    """One statement writes one digest; batches split only around a reload."""
    digest = waiting[0].origin.registry_digest
    return [*takewhile(lambda settlement: settlement.origin.registry_digest == digest, waiting)]


def _parts(batch: Sequence[Settlement]) -> Iterator[list[Settlement]]:
    """What one statement each writes, so that the answer to one does not depend on another.

    Locked in the order of ids, as cancel and retry do it: two such statements cannot deadlock.
    """
    ordered = sorted(batch, key=lambda settlement: settlement.job.id.int)
    plain, others = by_plainness(ordered)
    yield from (part for part in (plain, others) if part)


def _bare(settlement: Settlement) -> Settlement:
    return settlement._replace(logs=(), usage=None)


def _without_result(settlement: Settlement) -> Settlement:
    return _bare(settlement)._replace(
        status=Status.FAILED,
        event=Event.FAIL_FINAL,
        output=None,
        output_text=None,
        category=Category.INVALID_OUTPUT,
        message="the result could not be stored: Postgres refused it",
    )


def _report(settlement: Settlement) -> None:
    log_event(
        "job_failed" if settlement.status is Status.FAILED else f"job_{settlement.event.name.lower()}",
        job_id=str(settlement.job.id),
        service=settlement.job.service_name,
        operation=settlement.job.operation,
        attempt=settlement.job.attempts,
        category=settlement.category,
        error=settlement.message,
    )
