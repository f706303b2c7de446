"""One specql-jobs process of a benchmark; prints one JSON line with what it measured.

ours.py drain DSN JOBS CONCURRENCY       enqueue, then work until empty
ours.py listen DSN JOBS                  work until JOBS jobs were started; print when each was
ours.py hold DSN JOBS                    claim JOBS jobs and never finish them
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

from noop import NoOpRunner, registry

from specql_jobs.cli.worker_process import in_loop
from specql_jobs.core import log
from specql_jobs.core.job import NewJob
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.store import db, migrate
from specql_jobs.core.store.store import Store
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.core.worker.worker import Worker, WorkerSettings
from specql_jobs.runners import RunnerRegistry

BATCH = 1000  # jobs of one enqueue statement


def worker(dsn: str, runner: NoOpRunner, **settings: Any) -> Worker:
    """Return a worker of the benchmark's registry."""
    around = Surroundings(Planner(registry(), RunnerRegistry([runner])), Secrets())
    return Worker(WorkerSettings(dsn=dsn, host="bench", pid=os.getpid(), version="0", **settings), around)


async def drain(dsn: str, jobs: int, concurrency: int) -> dict[str, Any]:
    """Measure enqueue in bulk, and a full queue worked off by one process."""
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)
        store = Store(connection)
        before = time.monotonic()
        for first in range(0, jobs, BATCH):
            new = [NewJob("noop", "run", f'{{"n": {n}}}') for n in range(first, min(first + BATCH, jobs))]
            await store.enqueue(new)
        enqueued = time.monotonic() - before
        await connection.execute("VACUUM ANALYZE jobs.tb_job_run")
    before, cpu = time.monotonic(), time.process_time()
    done = worker(dsn, NoOpRunner(), concurrency=concurrency, until_empty=True)
    await done.run()
    seconds, cpu = time.monotonic() - before, time.process_time() - cpu
    if done.settler.settled != jobs:
        raise SystemExit(f"settled {done.settler.settled} of {jobs} jobs")
    return {
        "jobs_per_second": jobs / seconds,
        "enqueued_per_second": jobs / enqueued,
        "cpu_microseconds_per_job": cpu / jobs * 1e6,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def listen(dsn: str, jobs: int) -> dict[str, Any]:
    """Note when each job's runner was started."""
    started: list[tuple[int, float]] = []
    waiting = worker(dsn, NoOpRunner(started=started), max_jobs=jobs)
    await waiting.run()
    return {"started": started}


async def hold(dsn: str, jobs: int) -> dict[str, Any]:
    """Take jobs and keep them until killed."""
    await worker(dsn, NoOpRunner(hold=True), concurrency=jobs).run()
    return {}


async def main(mode: str, dsn: str, *numbers: str) -> None:
    """Run one mode and print its measurements."""
    log.configure(level=log.Level.ERROR)
    modes = {"drain": drain, "listen": listen, "hold": hold}
    print(json.dumps(await modes[mode](dsn, *map(int, numbers))), flush=True)


if __name__ == "__main__":
    in_loop(main(*sys.argv[1:]))
