"""Words beside the queue's numbers when nobody works on it, or somebody stopped a part of it: they look calm then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output.console import Console

if TYPE_CHECKING:
    from ..core.store.db import Connection


async def warn_of_absence(console: Console, connection: Connection) -> None:
    """Warn of workers that are silent, and of jobs that nobody is there for."""
    from ..core.store.waits import attendance  # noqa: PLC0415 - psycopg, once a connection is there anyway

    found = await attendance(connection)
    if found.silent:
        console.warn(f"{_workers(found.silent)} silent for over 15 s: specql-jobs worker list")
    if found.open and not found.alive:
        console.warn("jobs wait and no worker is alive: specql-jobs worker")


async def warn_of_pauses(console: Console, connection: Connection) -> None:
    """Warn of what is paused now: by whom, until when, why, and what ends it."""
    from ..core.store import gates  # noqa: PLC0415 - see above
    from .output.job_why import pause_words, resuming  # noqa: PLC0415 - after the query

    for pause in await gates.pauses(connection):
        console.warn(f"{pause_words(pause)}; {resuming(pause)}")


def _workers(count: int) -> str:
    return "1 worker has been" if count == 1 else f"{count} workers have been"
