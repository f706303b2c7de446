"""A worker that deletes ended jobs by the host's stated retention, a little at a time, while it works."""

from __future__ import annotations

import asyncio
from collections import Counter

from ..log import log_event
from ..retention import PRUNABLE, Retention
from ..store import prune
from ..store.db import FAILURES
from .link import Link

#: Between two walks. One walk reads what became old meanwhile, so that nothing piles up.
EVERY = 600.0  # seconds

#: Small batches with as much rest as work: a claim beside it waits for none of them.
BATCH = 1000
PAUSE = 0.1  # seconds


class Pruner:
    """Runs until cancelled. Of all workers that prune, the one that holds the turn does; the others ask again."""

    def __init__(self, link: Link, retention: Retention) -> None:
        self._link = link
        self._retention = retention

    async def run(self) -> None:
        """Take the turn and walk, every ten minutes; what fails is told to the log and tried again."""
        while self._retention:
            try:
                await self._walk()
            except FAILURES as error:
                log_event("prune_failed", error=type(error).__name__)
                await self._link.close()  # and the turn with it
            await asyncio.sleep(EVERY)
        await asyncio.Event().wait()  # nothing to do is no end: a part that ends, ends the worker

    async def _walk(self) -> None:
        store = await self._link.store()
        if not await prune.take_turn(store.connection):
            await self._link.close()
            return
        deleted: Counter[str] = Counter()
        async for batch in prune.walk(store.connection, self._retention, BATCH):
            deleted += batch.deleted
            await asyncio.sleep(PAUSE)
        if deleted:
            by_status = {status: deleted[status] for status in PRUNABLE}
            log_event("pruned", jobs=deleted.total(), by_status=by_status)
