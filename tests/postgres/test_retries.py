"""Retries through a real worker, a real PostgreSQL and a real HTTP server, configured by a registry file."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import pytest
from support.http_target import HttpTarget, Script, reply
from support.queue import Queue, queue
from support.registries import good, read

from specql_jobs.core.job import NewJob
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.worker.attempt import Surroundings
from specql_jobs.core.worker.planner import Planner
from specql_jobs.core.worker.worker import Worker, WorkerSettings
from specql_jobs.runners import RunnerRegistry
from specql_jobs.runners.http import HTTPRunner

REGISTRY = """
services:
  svc:
    execution_type: http
    runner_config:
      base_url: "{url}"
      timeout: 10s
      retry_config: {retry}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true, allow_http: true}}
    operations:
      op: {{request: {{method: POST, path: /op}}}}
      own: {{request: {{method: POST, path: /op}}, max_retries: 1}}
"""


async def _one_attempt(
    it: Queue, target: HttpTarget, retry: str, operation: str = "op", **columns: Any
) -> dict[str, Any]:
    """Enqueue one job, make its next attempt, and return its row and the wait (seconds) before the one after."""
    (made,) = await it.store.enqueue([NewJob("svc", operation, **columns)])
    return await _attempt(it, target, retry, made.id)


async def _attempt(it: Queue, target: HttpTarget, retry: str, id_: UUID) -> dict[str, Any]:
    runner = HTTPRunner()
    registry = good(read(REGISTRY.format(url=target.url, retry=retry)))
    settings = WorkerSettings(dsn=it.dsn, host="test", pid=os.getpid(), version="0", max_jobs=1)
    try:
        await Worker(settings, Surroundings(Planner(registry, RunnerRegistry([runner])), Secrets()), [runner]).run()
    finally:
        await runner.aclose()
    sql = "SELECT *, date_part('epoch', run_at - updated_at) AS wait FROM jobs.tb_job_run WHERE id = %s"
    (row,) = await it.rows(sql, id_)
    return row


async def test_the_wait_grows_by_the_services_factor_and_half_of_it_is_chance(dsn: str) -> None:
    """base_seconds, backoff_factor and max_seconds of retry_config bound each wait between its half and its whole."""
    retry = "{max_retries: 5, base_seconds: 10s, backoff_factor: 3, max_seconds: 60s}"
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/op", *[reply(503)] * 4)
        row = await _one_attempt(it, target, retry)
        waits = [row["wait"]]
        for _ in range(3):
            await it.rows("UPDATE jobs.tb_job_run SET run_at = now() WHERE id = %s", row["id"])
            waits.append((await _attempt(it, target, retry, row["id"]))["wait"])
    for wait, whole in zip(waits, (10, 30, 60, 60), strict=True):
        assert whole / 2 <= wait <= whole


def _in_a_moment(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [("40", 40, 40), (_in_a_moment(4000), 90, 90), ("7200", 90, 90), ("soon", 0.5, 1)],
    ids=["seconds", "date beyond the maximum", "seconds beyond the maximum", "garbage"],
)
async def test_retry_after_is_the_wait_up_to_the_services_maximum(
    dsn: str, asked: str, low: float, high: float
) -> None:
    """Seconds or a date are taken as asked, at most max_seconds; anything else leaves the backoff as it is."""
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/op", reply(429, retry_after=asked))
        row = await _one_attempt(it, target, "{max_seconds: 90s}")
    assert (row["status"], row["error_category"]) == ("pending", "target_unavailable")
    assert low - 0.001 <= row["wait"] <= high + 0.001


@pytest.mark.parametrize(
    ("script", "category"),
    [(reply(404), "target_error"), (reply(422), "target_error"), (reply(401), "target_error")],
    ids=["404", "422", "401"],
)
async def test_what_cannot_pass_is_not_retried(dsn: str, script: Script, category: str) -> None:
    """A 4xx is final at the first attempt, however many retries the service allows."""
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/op", script)
        row = await _one_attempt(it, target, "{max_retries: 9}")
    assert (row["status"], row["attempts"], row["error_category"]) == ("failed", 1, category)


@pytest.mark.parametrize(
    ("operation", "columns", "most"),
    [("own", {"max_attempts": 4}, 4), ("own", {}, 2), ("op", {}, 6)],
    ids=["the row", "the operation", "the service"],
)
async def test_max_attempts_comes_from_the_row_then_the_operation_then_the_service(
    dsn: str, operation: str, columns: dict[str, int], most: int
) -> None:
    """The first of the three that states it decides, and the row says how many there may be."""
    async with queue(dsn) as it, HttpTarget() as target:
        target.script("/op", reply(503))
        row = await _one_attempt(it, target, "{max_retries: 5}", operation, **columns)
    assert (row["status"], row["attempts"], row["max_attempts"]) == ("pending", 1, most)
