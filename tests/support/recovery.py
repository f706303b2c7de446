"""How long jobs wait for their rescue: after kill -9, and when a host is gone whose connections nobody closes.

By hand, from the checkout:  PYTHONPATH=tests .venv/bin/python -m support.recovery [ROUNDS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from specql_jobs.core.store import db, migrate

from .http_target import HttpTarget, silence
from .postgres import serve_private
from .processes import COMMAND, Started, started
from .queue import Queue, queue
from .registries import far_end
from .relay import Relay
from .waiting import until_async

LONG: Final = 60.0  # seconds

Harm = Callable[[Started, Relay], Any]


@asynccontextmanager
async def _prepared(dsn: str) -> AsyncIterator[tuple[Queue, HttpTarget, Path]]:
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/hang", silence)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "services.yaml")
            file.write_text(far_end(target.url, "far", hang={"timeout": 600}))
            yield it, target, file


async def _seconds(dsn: str, harm: Harm) -> float:
    """One worker runs a job, another is idle; return seconds from the harm to the job's second execution."""
    async with Relay(dsn) as relay, _prepared(dsn) as (it, target, file):
        await it.rows("DELETE FROM jobs.tb_job_run")
        await it.rows("SELECT jobs.enqueue('far', 'hang')")
        with ExitStack() as stack:

            def start(way: str) -> Started:
                return stack.enter_context(started(str(COMMAND), "worker", "--registry", str(file), "--dsn", way))

            victim = start(relay.dsn)
            await target.asked()
            other = start(dsn)
            await asyncio.to_thread(other.wait_for, "worker_started")
            await until_async(lambda: _old_enough(it), "free locks prove something", LONG)
            harm(victim, relay)
            began = time.monotonic()

            async def again() -> bool:
                return len(target.requests) == 2

            await until_async(again, "the job is executed again", LONG)
            return time.monotonic() - began


async def _old_enough(it: Queue) -> Any:
    (row,) = await it.rows("SELECT now() - pg_postmaster_start_time() > interval '16 seconds' AS yes")
    return row["yes"]


async def measure(dsn: str, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each round, by what was done to the worker."""
    async with db.open_database(dsn) as connection:
        await migrate.migrate(connection)
    harms: dict[str, Harm] = {
        "kill -9": lambda worker, _relay: worker.kill(),
        "host gone, its connections open": lambda _worker, relay: relay.freeze(),
    }
    return {what: [await _seconds(dsn, harm) for _ in range(rounds)] for what, harm in harms.items()}


def main() -> None:
    """Measure and print."""
    with serve_private() as server:
        found = asyncio.run(measure(server.dsn, int(sys.argv[1]) if sys.argv[1:] else 5))
    for what, seconds in found.items():
        print(f"{what}: " + " ".join(f"{each:.1f}" for each in sorted(seconds)) + " s")  # noqa: T201 - run by hand


if __name__ == "__main__":
    main()
