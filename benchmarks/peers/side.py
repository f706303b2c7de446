"""What one side of a queue benchmark does when it is started as a process; the same words for every side.

install DSN                       make the tables
enqueue DSN JOBS single|bulk|…    enqueue jobs; prints {"seconds"}
produce DSN JOBS SECONDS [bulk]   enqueue one job, or a bulk, every so often; prints {"committed": [[n, at], …]}
work DSN CONCURRENCY [WORDS…]     prints "ready", waits for a line, then works; prints how many jobs it has executed
                                  whenever that has risen; when its input ends, prints {"started": [[n, at], …]}

Times are monotonic seconds, a clock that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

#: How often a working side says how far it is, in seconds.
TELL_EVERY = 0.01

#: Jobs of one statement, where a side enqueues in bulk.
BULK = 1000


class Tally:
    """Counts executed jobs; notes when each was started where that is asked for."""

    def __init__(self, *, timed: bool) -> None:
        self.count = 0
        self.started: list[tuple[int, float]] = []
        self._timed = timed

    def note(self, n: int) -> None:
        """Count job number n."""
        self.count += 1
        if self._timed:
            self.started.append((n, time.monotonic()))

    async def tell(self) -> None:
        """Print the count whenever it has risen, until cancelled."""
        told = 0
        while True:
            await asyncio.sleep(TELL_EVERY)
            if self.count != told:
                told = self.count
                print(told, flush=True)


class Side(ABC):
    """One queue. Numbers of jobs begin at 0."""

    @abstractmethod
    async def install(self, dsn: str) -> None:
        """Make the tables."""

    @abstractmethod
    async def enqueuer(self, dsn: str, how: str) -> Callable[[range], Awaitable[Any]]:
        """Connect; return what enqueues jobs, one (`single`) or up to BULK of them at a time."""

    @abstractmethod
    async def work(self, dsn: str, concurrency: int, tally: Tally, words: frozenset[str]) -> None:
        """Execute jobs until cancelled."""

    def run(self, words: list[str], loop: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """Do what the command line says, in a loop of `loop`."""
        mode, dsn, *rest = words
        if mode == "work":
            print("ready", flush=True)
            sys.stdin.readline()
        loop(getattr(self, f"_{mode}")(dsn, *rest))

    async def _install(self, dsn: str) -> None:
        await self.install(dsn)

    async def _enqueue(self, dsn: str, jobs: str, how: str) -> None:
        add, step = await self.enqueuer(dsn, how), 1 if "single" in how else BULK
        before = time.monotonic()
        for first in range(0, int(jobs), step):
            await add(range(first, min(first + step, int(jobs))))
        print(json.dumps({"seconds": time.monotonic() - before}), flush=True)

    async def _produce(self, dsn: str, jobs: str, every: str, how: str = "single") -> None:
        add, committed, step = await self.enqueuer(dsn, how), [], 1 if how == "single" else BULK
        for n in range(0, int(jobs), step):
            await add(range(n, n + step))
            committed.append((n, time.monotonic()))
            await asyncio.sleep(float(every))
        print(json.dumps({"committed": committed}), flush=True)

    async def _work(self, dsn: str, concurrency: str, *words: str) -> None:
        tally = Tally(timed="timed" in words)
        threading.Thread(target=_end, args=(tally,), daemon=True).start()
        telling = asyncio.create_task(tally.tell())
        await self.work(dsn, int(concurrency), tally, frozenset(words))
        await telling


def _end(tally: Tally) -> None:
    """Wait for the end of the input; what is measured is measured by then, so nothing is tidied up."""
    sys.stdin.read()
    print(json.dumps({"started": tally.started}), flush=True)
    os._exit(0)
