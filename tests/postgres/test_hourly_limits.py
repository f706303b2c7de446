"""Hourly limits on invocations and cost: exact over all workers, whatever they do at the same time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from support.http_target import HttpTarget, reply
from support.queue import Queue, queue
from support.serverless_calls import ENVIRONMENT, POLICY, aws_service
from support.waiting import PATIENCE

from specql_jobs.core.job import NewJob
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Registry
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.store import db
from specql_jobs.core.store.store import Store
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.core.worker.worker import Worker, WorkerSettings
from specql_jobs.runners import RunnerRegistry

INVOKE = "/2015-03-31/functions/echo/invocations"


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker that may use AWS has."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def registry(url: str, policy: Policy, **config: Any) -> Registry:
    """Return a registry of the one service `svc`."""
    service = aws_service(url, policy=replace(policy, allowed_functions=("echo",)), memory_mb=128, **config)
    return Registry(services={"svc": service}, digest="d" * 64)


@asynccontextmanager
async def working(dsn: str, services: Registry, count: int) -> AsyncIterator[None]:
    """Have several workers run beside the block."""
    runners = [RunnerRegistry() for _ in range(count)]
    around = [Surroundings(Planner(services, each), Secrets()) for each in runners]
    settings = WorkerSettings(dsn=dsn, host="test", pid=os.getpid(), version="0", concurrency=20)
    workers = [Worker(settings, each) for each in around]
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
        for each in runners:
            await each.aclose()


async def statuses(it: Queue) -> dict[str, int]:
    """Return how many jobs are in each state, given-back ones that wait told apart."""
    word = "CASE WHEN status = 'pending' AND run_at > now() THEN 'limited' ELSE status END"
    rows = await it.rows(f"SELECT {word} AS word, count(*)::int AS n FROM jobs.tb_job_run GROUP BY 1")
    return {row["word"]: row["n"] for row in rows}


async def test_forty_jobs_on_three_workers_make_seven_invocations(dsn: str) -> None:
    """The far end sees exactly as many as the limit says; the others wait, and none has lost an attempt."""
    async with HttpTarget() as target, queue(dsn) as it:
        target.script(INVOKE, reply(200, 1))
        await it.store.enqueue([NewJob("svc", "op")] * 40)
        policy = replace(POLICY, max_invocations_per_hour=7)
        async with working(dsn, registry(target.url, policy), 3):
            await it.until(lambda: _equals(it, {"completed": 7, "limited": 33}), "7 done, 33 limited")
        waiting = await it.rows(
            "SELECT DISTINCT attempts, error_category FROM jobs.tb_job_run WHERE status = 'pending'"
        )
    assert len(target.requests) == 7
    assert waiting == [{"attempts": 0, "error_category": None}]


async def _equals(it: Queue, wanted: dict[str, int]) -> bool:
    return await statuses(it) == wanted


async def test_cost_is_reserved_before_and_settled_after(dsn: str) -> None:
    """While jobs run, the most that they can cost is set aside; afterwards what they did cost."""
    async with HttpTarget() as target, queue(dsn) as it:
        target.script(INVOKE, reply(200, 1))
        await it.store.enqueue([NewJob("svc", "op", timeout_seconds=60)] * 12)
        # 12 invocations of half a dollar each; one job can cost that much, and six may.
        policy = replace(POLICY, max_cost_per_hour=3.1)
        services = registry(target.url, policy, price_per_invocation=0.5, price_per_gb_second=0)
        async with working(dsn, services, 2):
            await it.until(lambda: _equals(it, {"completed": 6, "limited": 6}), "6 done, 6 limited")
            await it.until(lambda: _spent(it, 3.0), "the cost is settled")
    assert len(target.requests) == 6


async def _spent(it: Queue, wanted: float) -> bool:
    (row,) = await it.rows("SELECT sum(cost_usd) AS usd, sum(invocations)::int AS n FROM jobs.tb_service_minute")
    return row["usd"] == pytest.approx(wanted)


async def test_what_was_not_used_is_given_back(dsn: str) -> None:
    """A reservation for a long timeout leaves room again once the short truth is known."""
    async with HttpTarget() as target, queue(dsn) as it:
        target.script(INVOKE, reply(200, 1))
        # One job reserves 0.125 GB x 60 s x 1 USD = 7.5 of 8 USD, and uses a fraction of a cent: all ten fit in turn.
        services = registry(target.url, replace(POLICY, max_cost_per_hour=8.0), price_per_gb_second=1.0)
        async with working(dsn, services, 1):
            for _ in range(10):
                await it.store.enqueue([NewJob("svc", "op", timeout_seconds=60)])
                await it.until(lambda: _all_done(it), "it is done")
                await it.until(lambda: _below(it, 0.4), "its cost is settled")
    assert len(target.requests) == 10


async def _all_done(it: Queue) -> bool:
    return set(await statuses(it)) == {"completed"}


async def _below(it: Queue, most: float) -> bool:
    (row,) = await it.rows("SELECT sum(cost_usd) AS usd FROM jobs.tb_service_minute")
    return bool(row["usd"] < most)


async def test_a_job_that_could_cost_more_than_the_limit_is_refused(dsn: str) -> None:
    """It could never be admitted, so it does not wait: policy says why."""
    async with HttpTarget() as target, queue(dsn) as it:
        (made,) = await it.store.enqueue([NewJob("svc", "op", timeout_seconds=60)])
        services = registry(target.url, replace(POLICY, max_cost_per_hour=0.1), price_per_gb_second=1.0)
        async with working(dsn, services, 1):
            await it.until(lambda: _status(it, made.id, "failed"), "the job fails")
        row = await it.job(made.id)
    assert row["error_category"] == "policy_violation"
    assert "max_cost_per_hour: 7.5" in row["error_message"]
    assert not target.requests


async def _status(it: Queue, id_: UUID, status: str) -> bool:
    return (await it.job(id_))["status"] == status


async def test_the_hour_rolls(dsn: str) -> None:
    """An invocation counts for an hour and not longer, to the minute, and never for less."""
    async with queue(dsn) as it:
        first, _ = await it.store.reserve_invocation("svc", 0.0, 1, None)
        assert first is not None
        for minutes, free in ((59, False), (60, False), (61, True)):
            await it.rows(
                "UPDATE jobs.tb_service_minute SET minute = date_trunc('minute', now()) - %s * interval '1 minute'",
                minutes,
            )
            found, wait = await it.store.reserve_invocation("svc", 0.0, 1, None)
            assert (found is not None) is free, minutes
            assert free or 0 < wait <= 61 * 60


async def test_two_hundred_reservations_at_once_are_exact(dsn: str) -> None:
    """Eight connections race for fifty places: fifty get one, whatever the order."""
    connections = [await db.connect(dsn, "test") for _ in range(8)]
    try:

        async def race(connection: db.Connection) -> int:
            store = Store(connection)
            found = [await store.reserve_invocation("svc", 0.01, 50, 10.0) for _ in range(25)]
            return sum(minute is not None for minute, _ in found)

        granted = await asyncio.gather(*map(race, connections))
    finally:
        for connection in connections:
            await connection.close()
    assert sum(granted) == 50


async def test_services_have_limits_of_their_own(dsn: str) -> None:
    """What one service has used is no other's business."""
    async with queue(dsn) as it:
        assert (await it.store.reserve_invocation("one", 0.0, 1, None))[0]
        assert not (await it.store.reserve_invocation("one", 0.0, 1, None))[0]
        assert (await it.store.reserve_invocation("two", 0.0, 1, None))[0]
