"""A change that is written down, made to its end: its first jobs, the wait for them, then the others.

All that is known of how far it came is in the database, so that `changes resume` goes on where another process died.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from .output.console import Console
from .output.text import amount

if TYPE_CHECKING:
    from ..core.store.changes import Canaries
    from ..core.store.db import Connection

#: Seconds between two lines of progress; before a person at a terminal, news is told sooner.
SAID_EVERY = 10.0
SAID_SOONER = 1.0


async def carry_out(console: Console, connection: Connection, change: int, patience: float) -> str:
    """Make a change from where it stands; return its state then: done, stopped, or canary when time was up."""
    from ..core.store import changes  # noqa: PLC0415 - psycopg costs 170 ms

    entry = await changes.entry(connection, change)
    if entry is None or entry["state"] == "done":
        return "done"
    work = _Work(console, connection, change, entry["matched"] or 0)
    canary = entry["canary"] or 0
    if entry["state"] != "running" and canary:
        await work.meet(0, canary)
        verdict = await work.watch(canary, entry["canary_percent"], patience)
        await changes.turn(connection, change, verdict)
        if verdict != "running":
            return verdict
    await work.meet(canary, changes.END)
    await changes.turn(connection, change, "done")
    return "done"


@dataclass(slots=True)
class _Work:
    """One process's part in a change."""

    console: Console
    connection: Connection
    change: int
    total: int
    said_at: float = 0.0

    async def meet(self, after: int, until: int) -> None:
        """Change the members between two positions, and tell now and then how many there were."""
        from ..core.store import changes  # noqa: PLC0415 - see above

        self.said_at = self.said_at or monotonic()
        async for _ in changes.drive(self.connection, self.change, after, until):
            if monotonic() - self.said_at >= SAID_EVERY:
                self.said_at = monotonic()
                left = (await changes.tally(self.connection, self.change)).left
                self.console.say(f"change {self.change}: {self.total - left} of {amount(self.total, 'job')}")

    async def watch(self, canary: int, percent: int, patience: float) -> str:
        """Wait until the first jobs have decided; return running, stopped, or canary when they have not in time."""
        from ..core.store import changes  # noqa: PLC0415 - see above
        from .waiting import looks  # noqa: PLC0415 - asyncio, 55 ms

        self.console.say(f"waiting for the {canary} that went first: {percent}% of them have to complete")
        watch = _Watch(self.console, self.connection, self.change, canary)
        async for last in looks(patience):
            await changes.watched(self.connection, self.change)
            found = await changes.canaries(self.connection, self.change, canary)
            verdict = judge(found, percent)
            if verdict != "canary":
                self.console.say(f"canary: {found.completed} of {found.jobs} completed")
                return verdict
            await watch.tell(found, last=last)
        return "canary"


@dataclass(slots=True)
class _Watch:
    """What is said while the first jobs are waited for: how many have ended, and what keeps the others."""

    console: Console
    connection: Connection
    change: int
    canary: int
    said_at: float = -math.inf
    said: Canaries | None = None

    async def tell(self, found: Canaries, *, last: bool) -> None:
        """Say how they stand: at first, at last, and now and then, sooner where a person sees that it has changed."""
        silent = monotonic() - self.said_at
        soon = self.console.err_on_terminal and found != self.said
        if not last and silent < (SAID_SOONER if soon else SAID_EVERY):
            return
        failed = found.ended - found.completed
        others = f", {failed} ended otherwise" if failed else ""
        line = f"canary: {found.completed} of {found.jobs} completed{others}{await self._waiting()}"
        self.console.say(line)
        self.said_at, self.said = monotonic(), found

    async def _waiting(self) -> str:
        from ..core.store import changes  # noqa: PLC0415 - see above
        from .commands.show import job_views  # noqa: PLC0415 - with it
        from .output.job_why import waiting_words  # noqa: PLC0415 - the same

        first = await changes.waiting(self.connection, self.change, self.canary)
        if first is None:
            return ""
        (view,) = await job_views(self.connection, [first])
        return f"; {first} waits: {waiting_words(view)}" if view.row["status"] == "pending" else ""


def judge(found: Canaries, percent: int) -> str:
    """Return whether the others may go (running), may not (stopped), or whether it is still open (canary)."""
    needed = math.ceil(found.jobs * percent / 100)
    if not found.jobs or found.jobs - (found.ended - found.completed) < needed:
        return "stopped"
    return "running" if found.completed >= needed else "canary"


async def progress(connection: Connection, change: int) -> dict[str, Any]:
    """Return what a report says of a change that was made: its entry, tally and first jobs."""
    from ..core.store import changes  # noqa: PLC0415 - see above

    entry = await changes.entry(connection, change)
    assert entry is not None  # written by this process a moment ago, and prune takes old ones only
    found = await changes.canaries(connection, change, entry["canary"]) if entry["canary"] else None
    return {"entry": entry, "tally": await changes.tally(connection, change), "canaries": found}
