"""Claims batches into free slots, and decides when to look again.

While there is work the loop stays hot. When there is none it announces that it waits, looks once more (a producer that
committed in between saw nobody waiting), and sleeps until a wake-up, a free slot, the next due time or one second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

from ..clock import monotonic
from ..job import folded
from ..lanes import Claimed
from ..log import log_event
from ..store.db import FAILURES
from ..store.locks import wait_briefly
from ..store.store import Scope, Store
from .lane_board import LaneBoard, ServiceTerms, Step
from .link import Link
from .surveys import Surveys

#: Jobs of one claim; beyond it the statement grows and nothing is gained.
LARGEST_BATCH = 500

#: The floor under every wake-up.
POLL = 1.0  # seconds

#: The same while a limit, a pause or a breaker keeps due jobs back: nobody tells when that ends.
POLL_WITHHELD = 0.2  # seconds

#: A busy worker surveys the lanes this often: for new ones, higher priorities, and rows committed late.
SURVEY_EVERY = 0.2  # seconds

#: Surveys take at most one part in so many of the time, however long dead index entries or thousands of lanes make one.
SURVEY_SHARE = 10


class Claimer:
    """Asks for ready jobs. Knows the queue's lanes; knows nothing of how jobs are run."""

    def __init__(self, link: Link, worker_id: str, scope: Scope, known: Callable[[], set[UUID]]) -> None:
        """`known` returns the jobs that this worker holds or has yet to settle."""
        self._link = link
        self._worker_id = worker_id
        self._known = known
        self._unsure = False  # a claim may have been committed whose answer never came
        self.scope = scope
        self.terms: Callable[[str], ServiceTerms] = lambda _: ServiceTerms()
        self._board = LaneBoard(self._terms_of)
        self._surveys = Surveys()
        self._nothing = False  # whether the lanes of the last survey gave no job
        self._surveyed_at = 0.0  # monotonic
        self._survey_cost = 0.0  # seconds
        self._announced = False
        self._put_off = False  # whether the last claim ended without the survey that it needed
        self._looked = False  # whether the last claim was a first look that found something
        self._woken = False  # by somebody who has put a job in the queue, while nothing was known to be there
        self.wake = asyncio.Event()

    async def claim(self, free: int) -> list[Claimed]:
        """Return up to `free` jobs with their inputs; a connection lost half way leaves no job behind."""
        while True:
            store = await self._link.store()
            try:
                await self._reconcile(store)
                claimed = await self._claim(store, min(free, LARGEST_BATCH))
            except FAILURES as error:
                self._unsure = True
                await self._link.lost(error)
            else:
                self._link.answered()
                return claimed

    def _terms_of(self, service: str) -> ServiceTerms:
        return self.terms(service)

    def disown(self) -> None:
        """Give back, before the next claim, what was claimed and not started."""
        self._unsure = True

    def freed(self, service_names: Iterable[str]) -> None:
        """Jobs of those services are settled: their limits may have room again."""
        for name in service_names:
            self._board.freed(folded(name))
        self.wake.set()

    async def reconcile(self) -> None:
        """Give back at once what `disown` said."""
        await self._link.ask(self._reconcile)

    async def _reconcile(self, store: Store) -> None:
        """Give back what the database holds for this worker and nobody here runs."""
        if self._unsure:
            held = await store.held(self._worker_id)
            unknown = [id_ for id_ in held if id_ not in self._known()]
            if unknown:
                await store.give_back(self._worker_id, unknown)
            self._unsure = False

    # ---- lanes ------------------------------------------------------------------------------------------------------

    async def _claim(self, store: Store, free: int) -> list[Claimed]:
        """Claim from the lanes that are known; survey them now and then, and when they gave less than asked for."""
        if self._woken and free > 1 and (claimed := await self._first_look(store, free)):
            return claimed
        surveyed = await self._survey_first(store)
        claimed = await self._round(store, free)
        if len(claimed) < free and not surveyed and await self._survey_again(store):
            claimed += await self._round(store, free - len(claimed))
        return claimed

    async def _survey_first(self, store: Store) -> bool:
        """Survey when it is time to, and after a first look: what that one left is for all lanes; return whether."""
        if self._looked:
            self._looked = False
            return await self._survey_again(store)
        if monotonic() - self._surveyed_at <= max(SURVEY_EVERY, SURVEY_SHARE * self._survey_cost):
            return False
        await self._survey(store)
        return True

    async def _first_look(self, store: Store, free: int) -> list[Claimed]:
        """Look where the last jobs came from before anything else: an idle worker's answer is one round trip away.

        At most half of the slots: the others are for what a survey finds, of whatever priority, right after.
        """
        self._woken = False
        portions = self._board.latest(free // 2, self.scope.serves)
        claimed = await store.claim(self._worker_id, portions, free // 2) if portions else []
        self._looked = bool(claimed)
        return claimed

    async def _survey_again(self, store: Store) -> bool:
        """Survey unless the last one was only just made; return whether."""
        self._put_off = monotonic() - self._surveyed_at < self._survey_cost * SURVEY_SHARE / 3
        if self._put_off:
            return False
        await self._survey(store)
        return True

    async def _survey(self, store: Store) -> None:
        """Look at the lanes, as many at a time as one survey sees."""
        before = monotonic()
        seen = await self._surveys.look(store, idle=self._nothing)
        self._surveyed_at = monotonic()
        self._put_off = False
        self._survey_cost = self._surveyed_at - before
        self._board.put(seen, self.scope.serves, self._surveyed_at)
        await self._drop_breakers(store)

    async def _drop_breakers(self, store: Store) -> None:
        """Close the half open breakers that left the registry: no settlement would ever say anything of them."""
        for service in self._board.ownerless():
            if await store.drop_breaker(service):
                log_event("breaker_closed", service=service)
            self._board.dropped(service)

    async def _round(self, store: Store, free: int) -> list[Claimed]:
        """Ask each in its turn until `free` jobs are claimed."""
        claimed: list[Claimed] = []
        for step in self._board.round(free, monotonic()):
            left = free - len(claimed)
            if left <= 0:
                break
            claimed += await (self._take_limited if step.service else self._take)(store, step, left)
        self._nothing = not claimed
        return claimed

    async def _take(self, store: Store, step: Step, wanted: int) -> list[Claimed]:
        taken = await store.claim(self._worker_id, step.portions, wanted)
        self._board.took(step.portions, taken, wanted)
        return taken

    async def _take_limited(self, store: Store, step: Step, free: int) -> list[Claimed]:
        wanted = min(free, sum(portion.quota for portion in step.portions))
        taken = await store.claim_limited(self._worker_id, step.portions, wanted, self.terms(step.service).limits)
        self._board.took_limited(step, taken, wanted, monotonic())
        return taken

    # ---- waiting ----------------------------------------------------------------------------------------------------

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
        with suppress(TimeoutError):
            async with asyncio.timeout(self._nap()):
                await self.wake.wait()
        self._woken = self.wake.is_set()
        self.wake.clear()

    def _nap(self) -> float:
        """Seconds until somebody should look, whatever happens."""
        longest = POLL_WITHHELD if self._board.withheld else POLL
        if self._put_off or self._surveys.unseen:  # the rest of the lanes has not been looked at
            return self._survey_cost
        if self._board.next_due is None:
            return longest
        return min(max(self._board.next_due - monotonic(), 0.001), longest)

    async def _announce(self, *, waiting: bool) -> None:
        await self._link.ask(lambda store: store.announce_waiting(self._worker_id, waiting=waiting))


async def pin_plans(store: Store) -> None:
    """Keep the claim on its index: an ANALYZE at a moment when the queue is empty would flip it to a full scan."""
    for method in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"):
        await store.connection.execute(f"SET enable_{method} = off".encode())


async def pin_settles(store: Store) -> None:
    """The same for settlements, which moreover do not wait long for a single row."""
    await pin_plans(store)
    await wait_briefly(store.connection)
