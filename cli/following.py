"""Looking at the queue again and again: at once when a worker says that something changed, by the clock for the truth.

The connection comes back after the database was away; what was missed is read from where the reader stood.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from ..core import log
from ..core.clock import monotonic
from ..core.store import following
from ..core.store.db import Connection, is_connection_loss, reachable
from ..core.worker.link import Link
from .context import target_dsn
from .output.text import duration

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.store import Store
    from .output.console import Console

T = TypeVar("T")

#: A database that is away is waited for so long.
PATIENCE = 60.0  # seconds

#: Two looks are at least SOONEST apart, and at most LATEST.
SOONEST = 0.01  # seconds
#: While things happen and after a word of them, for workers spare their words (followers.SPACING).
CLOSE = 0.2  # seconds
LATEST = 1.0  # seconds

#: A look that is dear is made less often: it takes at most a third of the time.
REST = 2.0  # times what the look before took
CHEAP = 0.05  # seconds; a look that takes no longer than this is not dear


class FollowingLink(Link):
    """A connection of a command that follows, as pg_stat_activity shows it."""

    whose = "specql-jobs"


class Follower:
    """One connection that hears of changes, and comes back."""

    def __init__(self, console: Console, dsn: str, patience: float) -> None:
        """`patience`: seconds that the database may be away."""
        self._console = console
        self._link = FollowingLink(dsn, console.command, patience=patience, prepare=self._join, notice=self._notice)
        self._fresh = False
        self._heard = False
        self._lost_at: float | None = None
        self._asked_at = -following.ASKING
        self._cost = 0.0

    async def ask(self, look: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what the look returns; raise DatabaseUnavailable when the database stays away for too long."""
        started = monotonic()
        answer = await self._link.ask(lambda store: look(store.connection))
        self._cost = monotonic() - started
        return answer

    async def change(self, *, busy: bool = False, most: float = LATEST) -> None:
        """Wait until something may have changed, at most `most` seconds; shorter while the queue is `busy`."""
        rest = min(SOONEST if self._cost < CHEAP else self._cost * REST, most)
        await asyncio.sleep(rest)
        longest = min(CLOSE if busy or self._heard else LATEST, most)
        self._heard = await self._link.ask(lambda store: self._hear(store.connection, longest - rest))

    def say(self, text: str) -> None:
        """Tell the person who waits; -q silences it."""
        self._console.say(text)

    def announce(self, replayed: str = "") -> None:
        """Say that the connection is back, if it was away, and what was caught up with."""
        if self._lost_at is not None:
            away, self._lost_at = duration(monotonic() - self._lost_at), None
            self._console.say(f"-- reconnected after {away}{f', {replayed}' if replayed else ''} --")

    async def close(self) -> None:
        """End the connection."""
        await self._link.close()

    async def _join(self, store: Store) -> None:
        await following.listen(store.connection)
        self._fresh = True

    async def _hear(self, connection: Connection, seconds: float) -> bool:
        if self._fresh:  # nothing was heard while there was no connection
            self._fresh = False
            return True
        if monotonic() >= self._asked_at + following.ASKING:
            await following.ask(connection)
            self._asked_at = monotonic()
        return seconds > 0 and await following.hear(connection, seconds)

    def _notice(self, error: Exception) -> None:
        if self._lost_at is None and is_connection_loss(error):
            self._lost_at, self._asked_at = monotonic(), -following.ASKING
            self._console.say(f"-- the connection to Postgres was lost; waiting {self._link.patience:g} s for it --")


@asynccontextmanager
async def follower(console: Console, settings: Settings, *, patience: float = PATIENCE) -> AsyncIterator[Follower]:
    """Yield a follower of the configured database."""
    log.configure(level=log.Level.ERROR)  # the follower says itself what happens to its connection
    async with reachable(target_dsn(console, settings)) as dsn:
        made = Follower(console, dsn, patience)
        try:
            yield made
        finally:
            await made.close()
