"""Callbacks for tests: a schema `app` with functions that write to a ledger, registered for the puppet's jobs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from specql_jobs.core.job import Category, JobRecord
from specql_jobs.core.lifecycle import RetryPolicy, settle
from specql_jobs.core.outcome import Failed, JobResult, Outcome, Succeeded
from specql_jobs.core.store.callbacks import Caller

from .queue import Queue, queue

SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.ledger (id serial PRIMARY KEY, job uuid, said text, who text DEFAULT current_user,
                         xid bigint DEFAULT pg_current_xact_id()::text::bigint);
CREATE TABLE app.parent (id int PRIMARY KEY);
CREATE TABLE app.child (id int REFERENCES app.parent DEFERRABLE INITIALLY DEFERRED);
"""

DONE = Succeeded({"ok": True})


class Shop(Queue):
    """A queue whose jobs belong to the entity Order, and its callbacks."""

    async def callback(self, body: str, outcome: str = "success", operation: str = "op", name: str = "") -> str:
        """Make a function of SpecQL's name with that plpgsql body, and register it; return its name."""
        name = name or f"order_svc_{operation}_{outcome}"
        kind = "jsonb" if outcome == "success" else "text"
        await self.rows(
            f"CREATE OR REPLACE FUNCTION app.{name}(job uuid, said {kind}) RETURNS void LANGUAGE plpgsql AS "
            f"$f$ BEGIN {body}; END $f$"
        )
        await self.rows("SELECT jobs.register_callback('Order', 'svc', %s, %s, %s)", operation, outcome, f"app.{name}")
        return f"app.{name}"

    async def notes(self, outcome: str = "success", operation: str = "op") -> str:
        """Register a callback that writes what it was given to the ledger."""
        return await self.callback("INSERT INTO app.ledger (job, said) VALUES (job, said::text)", outcome, operation)

    async def order(self, operation: str = "op", entity: str | None = "Order", **orders: Any) -> UUID:
        """Enqueue one job of an entity through SQL, as SpecQL's actions do."""
        (row,) = await self.rows(
            "SELECT jobs.enqueue('svc', %s, %s::jsonb, entity_type => %s) AS id", operation, json.dumps(orders), entity
        )
        id_: UUID = row["id"]
        return id_

    async def claimed(self, count: int = 1) -> tuple[JobRecord, ...]:
        """Claim jobs as a worker w1."""
        return tuple(await self.claim("w1", count))

    async def ended(self, *outcomes: Outcome, attempts: int = 1) -> set[UUID]:
        """Claim as many jobs as there are outcomes and settle them in one batch; return the ids applied."""
        jobs = await self.claimed(len(outcomes))
        return await self.settled(jobs, outcomes, attempts)

    async def settled(
        self, jobs: Sequence[JobRecord], outcomes: Sequence[Outcome], attempts: int = 1, worker: str = "w1"
    ) -> set[UUID]:
        """Settle claimed jobs in one batch."""
        retry = RetryPolicy(base_seconds=0)
        pairs = zip(jobs, outcomes, strict=True)
        written = [settle(job, JobResult(outcome), retry, attempts, 0.0) for job, outcome in pairs]
        return await self.store.settle(written, worker, "digest")

    async def ledger(self) -> list[tuple[UUID, str]]:
        """What callbacks wrote, in order: job and what was said."""
        return [(row["job"], row["said"]) for row in await self.rows("SELECT * FROM app.ledger ORDER BY id")]

    async def runs(self) -> list[dict[str, Any]]:
        """Return what is kept of callbacks that did not succeed at once."""
        return await self.rows("SELECT * FROM jobs.tb_callback_run ORDER BY created_at, job_id")

    async def rerun(self) -> bool:
        """Make every waiting callback due, and call one of them again; False when there was none."""
        await self.rows("UPDATE jobs.tb_callback_run SET next_at = now() WHERE state = 'waiting'")
        return await Caller(self.connection).rerun()


def failed(message: str = "no", *, retryable: bool = False) -> Failed:
    """Return a failure of the target."""
    return Failed(Category.TARGET_ERROR, message, retryable)


@asynccontextmanager
async def shop(dsn: str) -> AsyncIterator[Shop]:
    """Open a queue on a migrated database, with the schema `app`."""
    async with queue(dsn) as it:
        await it.connection.execute(SCHEMA.encode())
        yield Shop(dsn, it.connection)
