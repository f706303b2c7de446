"""specql-jobs as a side of a benchmark: the words are those of peers/side.py.

More words of `work`: `hold` keeps first attempts for ever, `limited` gives the service limits that are never reached.
More ways to `enqueue`: `tenants` (bulk, over 100 tenants), `sql` (jobs.enqueue over a query), `single-sql` (one call of
jobs.enqueue and one commit a job), `copy` (COPY into jobs.tb_job_run).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from noop import NoOpRunner, registry

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from side import Side, Tally

from specql_jobs.cli.worker_process import in_loop
from specql_jobs.core import log
from specql_jobs.core.job import NewJob
from specql_jobs.core.policy import Policy
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.store import db, migrate
from specql_jobs.core.store.store import Store
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.core.worker.worker import Worker, WorkerSettings
from specql_jobs.runners import RunnerRegistry

TENANTS = 100

#: Limits that are counted for each claim and never reached.
NOT_REACHED = Policy(max_concurrency=10_000, rate_limit_per_minute=100_000_000)

SINGLE = b"SELECT jobs.enqueue('noop', 'run', jsonb_build_object('n', %s::int))"
MANY = (
    b"SELECT count(jobs.enqueue('noop', 'run', jsonb_build_object('n', n))) FROM generate_series(%s::int, %s::int) AS n"
)
COPY = b"COPY jobs.tb_job_run (service_name, operation, input_data) FROM STDIN"


class OurSide(Side):
    """The whole pipeline around a runner that does nothing."""

    async def install(self, dsn: str) -> None:
        """Make the schema jobs."""
        async with await db.connect(dsn) as connection:
            await migrate.migrate(connection)

    async def enqueuer(self, dsn: str, how: str) -> Callable[[range], Awaitable[Any]]:
        """Enqueue through the library or in SQL."""
        if how in ("single-sql", "sql", "copy"):
            plain = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
            return {"single-sql": _single(plain), "sql": _many(plain), "copy": _copy(plain)}[how]
        store = Store(await db.connect(dsn))
        tenants = [UUID(int=n) for n in range(1, TENANTS + 1)] if how == "tenants" else [None]
        return lambda numbers: store.enqueue(
            [NewJob("noop", "run", f'{{"n": {n}}}', tenant_id=tenants[n % len(tenants)]) for n in numbers]
        )

    async def work(self, dsn: str, concurrency: int, tally: Tally, words: frozenset[str]) -> None:
        """Work until the process ends."""
        log.configure(level=log.Level.ERROR)
        services = registry(NOT_REACHED if "limited" in words else Policy())
        around = Surroundings(
            Planner(services, RunnerRegistry([NoOpRunner(tally.note, hold="hold" in words)])), Secrets()
        )
        terms = WorkerSettings(dsn=dsn, host="bench", pid=os.getpid(), version="0", concurrency=concurrency)
        await Worker(terms, around).run()
        await asyncio.Event().wait()


def _single(connection: psycopg.AsyncConnection[Any]) -> Callable[[range], Awaitable[Any]]:
    return lambda numbers: connection.execute(SINGLE, (numbers[0],))


def _many(connection: psycopg.AsyncConnection[Any]) -> Callable[[range], Awaitable[Any]]:
    return lambda numbers: connection.execute(MANY, (numbers[0], numbers[-1]))


def _copy(connection: psycopg.AsyncConnection[Any]) -> Callable[[range], Awaitable[Any]]:
    async def add(numbers: range) -> None:
        async with connection.cursor().copy(COPY) as copy:
            await copy.write("".join(f'noop\trun\t{{"n": {n}}}\n' for n in numbers))

    return add


if __name__ == "__main__":
    OurSide().run(sys.argv[1:], in_loop)
