"""The worker's pulse: proves that it lives, hears wake-ups and cancellations, and notices workers that died.

One connection holds the session lock, listens, and writes the heartbeat, so that all three die together. A worker that
cannot renew stops its own jobs before others may take them (self-fencing).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..clock import monotonic
from ..log import log_event
from ..store.db import FAILURES, is_connection_loss, nobody_answers, server_is_down
from ..store.following import FOLLOW
from ..store.store import Store
from .link import Link

READY = "specql_jobs_ready"
CANCEL = "specql_jobs_cancel"

BEAT = 1.0  # seconds between heartbeats

#: Others may take our jobs 3 s after a heartbeat once the session lock is free. Stop before.
FENCE_UNKNOWN = 2.5  # seconds

#: While Postgres says that it is down nobody can take anything, and after it is back only the 15 s rule holds.
FENCE_SERVER_DOWN = 12.0  # seconds

#: A connection that has said nothing for so long, while asked once a second, is dead, whatever TCP believes: a proxy
#: may have lost its other end. Before others may take our jobs, so that a new one can still save this identity.
SILENCE = 10.0  # seconds

#: After we lost our own connection, others may have lost theirs: a free session lock proves nothing for so long.
DOUBT = 15.0  # seconds

#: A table lock (an index being built) must not keep the heartbeat waiting: rescue is tried again with the next beat.
LOCK_TIMEOUT = "500ms"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this worker is, as its row in jobs.tb_worker says."""

    worker_id: str
    lock_key: int
    row: dict[str, Any]

    @classmethod
    def new(cls, host: str, pid: int, row: dict[str, Any]) -> Identity:
        """Return an identity that was never used before: host:pid:chance."""
        worker_id = f"{host}:{pid}:{secrets.token_hex(4)}"
        lock_key = secrets.randbits(62)
        return cls(worker_id, lock_key, {**row, "worker_id": worker_id, "host": host, "pid": pid, "lock_key": lock_key})


@dataclass(frozen=True, slots=True)
class Listeners:
    """What the pulse tells the worker."""

    ready: Callable[[], None]
    cancel: Callable[[list[UUID]], None]
    fence: Callable[[str], None]  # stop all jobs at once, and say why
    held: Callable[[], list[UUID]]  # the jobs whose cancellation would concern this worker
    sever: Callable[[], None]  # take every other connection for dead too
    running: Callable[[], int]
    draining: Callable[[], bool]
    drain: Callable[[], None]  # somebody asked for it from elsewhere
    followed: Callable[[], None]  # somebody wants to be told of changes


class Pulse:
    """Beats until cancelled. `alive` says whether the worker may claim."""

    def __init__(self, dsn: str, identity: Identity, listeners: Listeners, *, patience: float) -> None:
        self.identity = identity
        self._tell = listeners
        self.link = Link(dsn, "pulse", patience=patience, prepare=self._join, notice=self._doubt)
        self._last_beat = monotonic()
        self._heard = monotonic()  # the last answer, be it a refusal
        self._fence_after = FENCE_UNKNOWN
        self._fenced = False
        self._leaving = False
        self._locked = False
        self._doubt_until = 0.0  # monotonic
        self.alive = asyncio.Event()
        self.lost_for_good = asyncio.Event()

    async def start(self) -> None:
        """Register and beat once; raise what keeps the worker from starting."""
        await self.link.store()
        try:
            await self._beat()
        except FAILURES as error:  # a connection lost only now is no reason not to start
            await self.link.lost(error)

    async def run(self) -> None:
        """Listen between beats; survive the loss of the connection."""
        while not self.lost_for_good.is_set():
            try:
                await self._listen(await self.link.store())
                await self._beat()
            except FAILURES as error:
                await self.link.lost(error)

    async def watch(self) -> None:
        """Stop this worker's jobs when its last proof of life grows too old, whatever the connection is doing.

        One that never answers would keep the worker waiting for ever: it is broken off.
        """
        while True:
            await asyncio.sleep(0.1)
            if monotonic() - self._heard > SILENCE:
                self._sever()
            if not self._fenced and monotonic() - self._last_beat > self._fence_after:
                self._fence(f"no heartbeat for {self._fence_after:g} s")

    def _sever(self) -> None:
        self._heard = monotonic()
        log_event("database_silent", worker_id=self.identity.worker_id, seconds=SILENCE)
        self.link.sever()
        self._tell.sever()

    def leaving(self) -> None:
        """Take no offence when the next beat is refused: the worker is about to be marked stopped."""
        self._leaving = True

    async def close(self) -> None:
        """Drop the connection, and the session lock with it."""
        await self.link.close()

    async def _join(self, store: Store) -> None:
        """Make a new connection ours: the lock, the row, the channels."""
        self._locked = await store.hold_lock(self.identity.lock_key)
        if not self._locked:
            # Our own previous session may live on for a moment in the server; each beat tries again.
            log_event("lock_busy", worker_id=self.identity.worker_id)
        if not await store.register(self.identity.row):
            self._lose()
        for channel in (READY, CANCEL, FOLLOW):
            await store.connection.execute(f"LISTEN {channel}".encode())
        await store.connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'".encode())

    async def _listen(self, store: Store) -> None:
        """Hear notifications until the next beat is due. Their payload is ignored: anyone may send one.

        Nothing is asked of the connection while the generator is open: it holds the connection's lock.
        """
        while (left := self._last_beat + BEAT - monotonic()) > 0:
            heard = {note.channel async for note in store.connection.notifies(timeout=left, stop_after=1)}
            if READY in heard:
                self._tell.ready()
            if FOLLOW in heard:
                self._tell.followed()
            if CANCEL in heard:
                await self._hear_cancellations(store)

    async def _beat(self) -> None:
        store = await self.link.store()
        asked = monotonic()
        state = await store.heartbeat(self.identity.worker_id, self._tell.running(), draining=self._tell.draining())
        if state is None:
            if not self._leaving:
                self._lose()
            return
        if state == "draining" and not self._tell.draining():
            log_event("drain_requested", worker_id=self.identity.worker_id)
            self._tell.drain()
        self._last_beat, self._fence_after, self._fenced = asked, FENCE_UNKNOWN, False
        self._heard = monotonic()
        self.link.answered()
        self.alive.set()
        self._locked = self._locked or await store.hold_lock(self.identity.lock_key)
        await self._look_after_jobs(store)

    async def _look_after_jobs(self, store: Store) -> None:
        """Hear cancellations and rescue; a row or a lock that keeps us from it must not cost the heartbeat."""
        try:
            await self._hear_cancellations(store)
            await self._rescue(store)
        except FAILURES as error:
            if is_connection_loss(error):
                raise
            log_event("rescue_failed", error=type(error).__name__)

    def _doubt(self, error: Exception) -> None:
        """Learn from a failure how long others will leave our jobs to us, and that we must leave theirs to them."""
        self._heard = monotonic()
        if is_connection_loss(error):
            self._doubt_until = monotonic() + DOUBT
        if server_is_down(error):
            self._fence_after = FENCE_SERVER_DOWN
        elif not nobody_answers(error):  # refused: as before, for what refuses may be a proxy on the way
            self._fence_after = FENCE_UNKNOWN

    async def _hear_cancellations(self, store: Store) -> None:
        held = self._tell.held()
        if held:
            self._tell.cancel(await store.cancel_requests(self.identity.worker_id, held))

    async def _rescue(self, store: Store) -> None:
        certain = monotonic() > self._doubt_until
        for worker_id in await store.lose_workers(self.identity.worker_id, by_lock=certain):
            log_event("worker_lost", lost_worker=worker_id)
        for worker_id in await store.lately_lost():
            if tell_rescued(await store.rescue(worker_id)):
                self._tell.ready()

    def _fence(self, why: str) -> None:
        self._fenced = True
        self.alive.clear()
        log_event("worker_fenced", worker_id=self.identity.worker_id, reason=why)
        self._tell.fence(why)

    def _lose(self) -> None:
        """Others have taken our jobs: stop them at once. This identity is spent."""
        self._fence("another worker declared this one lost")
        self.lost_for_good.set()


def tell_rescued(jobs: Sequence[tuple[UUID, str, str]]) -> bool:
    """Log how many jobs were taken back; return whether any were."""
    if jobs:
        log_event("jobs_rescued", count=len(jobs), failed=sum(status == "failed" for _, status, _ in jobs))
    return bool(jobs)
