"""One PgQueuer process of a benchmark, run in the benchmark's own environment; same modes as ours.py."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

BATCH = 1000


async def drain(dsn: str, jobs: int, batch: int) -> dict[str, Any]:
    """Measure enqueue in bulk, and a full queue worked off by one process."""
    connection = await asyncpg.connect(dsn)
    queue = PgQueuer(AsyncpgDriver(connection))
    queries = Queries(AsyncpgDriver(connection))
    await queries.install()
    done = 0

    @queue.entrypoint("noop")
    async def noop(_job: Any) -> None:
        nonlocal done
        done += 1

    before = time.monotonic()
    for first in range(0, jobs, BATCH):
        numbers = range(first, min(first + BATCH, jobs))
        await queries.enqueue(["noop"] * len(numbers), [f'{{"n": {n}}}'.encode() for n in numbers], [0] * len(numbers))
    enqueued = time.monotonic() - before
    await connection.execute("VACUUM ANALYZE pgqueuer")
    before, cpu = time.monotonic(), time.process_time()
    await queue.run(dequeue_timeout=timedelta(seconds=1), batch_size=batch, mode=QueueExecutionMode.drain)
    seconds, cpu = time.monotonic() - before, time.process_time() - cpu
    if done != jobs:
        raise SystemExit(f"ran {done} of {jobs} jobs")
    return {
        "jobs_per_second": jobs / seconds,
        "enqueued_per_second": jobs / enqueued,
        "cpu_microseconds_per_job": cpu / jobs * 1e6,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def listen(dsn: str, jobs: int) -> dict[str, Any]:
    """Note when each job's handler was started."""
    connection = await asyncpg.connect(dsn)
    queue = PgQueuer(AsyncpgDriver(connection))
    started: list[tuple[int, float]] = []

    @queue.entrypoint("noop")
    async def noop(job: Any) -> None:
        started.append((json.loads(job.payload)["n"], time.monotonic()))
        if len(started) == jobs:
            queue.shutdown.set()

    await queue.run(dequeue_timeout=timedelta(seconds=30), batch_size=10)
    return {"started": started}


async def install(dsn: str) -> dict[str, Any]:
    """Create PgQueuer's tables."""
    await Queries(AsyncpgDriver(await asyncpg.connect(dsn))).install()
    return {}


async def main(mode: str, dsn: str, *numbers: str) -> None:
    """Run one mode and print its measurements."""
    modes = {"drain": drain, "listen": listen, "install": install}
    print(json.dumps(await modes[mode](dsn, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:]))
