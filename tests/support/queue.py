"""A queue with workers inside the test: a store, a registry of puppet operations, and a way to run a worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from specql_jobs.core.job import ExecutionType, JobRecord, NewJob
from specql_jobs.core.lanes import Portion
from specql_jobs.core.lifecycle import RetryPolicy
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Operation, Registry, Service
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.store import db
from specql_jobs.core.store.store import Store
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.core.worker.worker import Worker, WorkerSettings
from specql_jobs.runners import RunnerRegistry

from .puppet import PuppetRunner
from .waiting import PATIENCE, until_async

#: Retries at once, so that tests need not wait for a backoff.
AT_ONCE = RetryPolicy(base_seconds=0.0)


def registry(*names: str, policy: Policy | None = None, digest: str = "d" * 64) -> Registry:
    """Return a registry of services (default: `svc`) with one operation `op` that takes any object."""
    services = {}
    for name in names or ("svc",):
        operation = Operation(name="op", service=name, input_schema={"type": "object"})
        services[name] = Service(
            name=name,
            execution_type=ExecutionType.HTTP,
            policy=policy or Policy(),
            retry=AT_ONCE,
            operations={"op": operation},
        )
    return Registry(services=services, digest=digest)


COLUMNS = (
    "id, status, attempts, max_attempts, lease_seq, worker_id, crash_count, priority, run_at, created_at, started_at, "
    "completed_at, cancel_requested_at, output_data, resource_usage, error_category, error_message, fingerprint, "
    "execution_type, runner_version, registry_digest, idempotency_key, tenant_id"
)


class Queue:
    """One database's queue, with a puppet runner for its workers."""

    def __init__(self, dsn: str, connection: db.Connection) -> None:
        self.dsn = dsn
        self.connection = connection
        self.store = Store(connection)
        self.puppet = PuppetRunner()

    async def rows(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Return all rows of a statement."""
        cursor = await self.connection.execute(sql.encode(), parameters or None)
        return await cursor.fetchall() if cursor.description else []

    async def job(self, id_: UUID) -> dict[str, Any]:
        """Return one row of jobs.tb_job_run, without its input: some tests' inputs no driver can read."""
        (row,) = await self.rows(f"SELECT {COLUMNS} FROM jobs.tb_job_run WHERE id = %s", id_)
        return row

    async def add(self, orders: str = "{}", **columns: Any) -> UUID:
        """Enqueue one job for the puppet; `orders` is its input."""
        (made,) = await self.store.enqueue([NewJob("svc", "op", orders, **columns)])
        return made.id

    async def add_many(self, count: int, orders: str = "{}") -> list[UUID]:
        """Enqueue many equal jobs."""
        return [made.id for made in await self.store.enqueue([NewJob("svc", "op", orders)] * count)]

    async def claim(self, worker_id: str, count: int = 1) -> list[JobRecord]:
        """Claim jobs of any lane, as a worker without limits would."""
        return await claim(self.store, worker_id, count)

    def worker(self, services: Registry | None = None, **settings: Any) -> Worker:
        """Return a worker of this queue; it runs nothing yet."""
        planner = Planner(services or registry(), RunnerRegistry([self.puppet]))
        chosen = WorkerSettings(dsn=self.dsn, host="test", pid=os.getpid(), version="0")
        return Worker(replace(chosen, **settings), Surroundings(planner, Secrets()), [self.puppet])

    async def drain(self, **settings: Any) -> Worker:
        """Run a worker until the queue is empty, and return it."""
        worker = self.worker(**{"until_empty": True, "concurrency": 50, **settings})
        await asyncio.wait_for(worker.run(), PATIENCE)
        return worker

    @asynccontextmanager
    async def working(self, **settings: Any) -> AsyncIterator[Worker]:
        """Have a worker run beside the block; it is stopped, and must have ended well, at the block's end."""
        worker = self.worker(**settings)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            if worker.ready:
                worker.stop()
            await asyncio.wait_for(task, PATIENCE)

    async def waits_for_a_lock(self, connection: str) -> bool:
        """Whether a worker's connection of this name (claim, settle, pulse) waits for a lock in this database."""
        rows = await self.rows(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE %s "
            "AND datname = current_database()",
            f"%worker {connection}",
        )
        return bool(rows)

    async def until(self, condition: Callable[[], Awaitable[Any]], what: str) -> None:
        """Wait until an asynchronous condition holds; fail with `what` after the tests' patience."""
        await until_async(condition, what)


async def claim(store: Store, worker_id: str, count: int = 1) -> list[JobRecord]:
    """Claim jobs of any lane over this store, as a worker without limits would."""
    due = [sighting for sighting in await store.survey() if sighting.due_in <= 0 and not sighting.held]
    portions = [Portion(sighting.lane, count, sighting.first) for sighting in due]
    return [claimed.job for claimed in await store.claim(worker_id, portions, count)] if portions else []


@asynccontextmanager
async def queue(dsn: str) -> AsyncIterator[Queue]:
    """Open a queue on a migrated database."""
    async with await db.connect(dsn, "test") as connection:
        yield Queue(dsn, connection)
