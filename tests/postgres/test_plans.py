"""The statements of the hot path on a queue with history: each goes to its rows by an index, and sorts no backlog.

The table has far more ended rows than open ones, and is analysed, so that a planner that could choose wrongly would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from support.queue import Queue, queue

from specql_jobs.core.store.claims import BEGINNING
from specql_jobs.core.store.statements import statements
from specql_jobs.core.worker.claimer import pin_plans

ENDED = 60_000
PENDING = 3_000
RUNNING = 50
LANES = 21  # seven services in three priorities

#: Rows that a statement is about, where that is not what is running.
MOST = {"survey": LANES}

FILL = f"""
INSERT INTO jobs.tb_job_run (service_name, operation, status, started_at, completed_at, worker_id, lease_seq, run_at)
SELECT 'svc' || n % 7, 'op', CASE WHEN n % 20 = 0 THEN 'failed' ELSE 'completed' END, now(), now(), 'w' || n % 9, 1,
       now() - n * interval '1 second'
  FROM generate_series(1, {ENDED}) AS n;
INSERT INTO jobs.tb_job_run (service_name, operation, priority, run_at)
SELECT 'svc' || n % 7, 'op', n % 3, now() - n * interval '1 second' FROM generate_series(1, {PENDING}) AS n;
INSERT INTO jobs.tb_job_run (service_name, operation, status, started_at, worker_id, lease_seq)
SELECT 'svc', 'op', 'running', now(), 'w' || n % 9, 1 FROM generate_series(1, {RUNNING}) AS n;
"""


async def explained(it: Queue, name: str, given: dict[str, Any], *, generic: bool = False) -> dict[str, Any]:
    """Return a statement's plan; `generic`: the one that a prepared statement ends up with."""
    await it.rows(f"SET plan_cache_mode = {'force_generic_plan' if generic else 'auto'}")
    async with it.connection.transaction(force_rollback=True):
        text = f"EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) {statements()[name]}"
        cursor = await it.connection.execute(text.encode(), given)
        row = await cursor.fetchone()
    assert row is not None
    plans: list[dict[str, Any]] = row["QUERY PLAN"]
    return plans[0]["Plan"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a plan's nodes, the root first."""
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


def assert_direct(plan: dict[str, Any], most_rows: int) -> None:
    """No scan of the whole hot table, and no sort of more rows than the statement was about."""
    for node in nodes(plan):
        said = json.dumps(node, indent=1, default=str)[:3000]
        assert not (node["Node Type"] == "Seq Scan" and node.get("Relation Name") == "tb_job_run"), said
        assert node["Node Type"] != "Sort" or node["Actual Rows"] <= most_rows, said
        if node.get("Relation Name") == "tb_job_run":
            assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= most_rows * 2, said


async def filled(it: Queue) -> None:
    """Fill the queue, vacuum and analyse it."""
    await it.connection.execute(FILL.encode())
    await it.rows("VACUUM (ANALYZE) jobs.tb_job_run")


def parameters(name: str, ids: list[Any]) -> dict[str, Any]:
    """Return what a worker would ask this statement with."""
    some = len(ids)
    worker: dict[str, Any] = {"worker_id": "w1"}
    settled = {
        "ids": ids, "leases": [1] * some, "outputs": ["{}"] * some, "usages": ["{}"] * some, "origins": [1] * some,
        "logs": [None] * some,
        "max_attempts": [3], "types": ["http"], "versions": ["1"], "policies": [""], "sandboxes": [""], "digest": "d",
        "chain": "w1",
    }  # fmt: skip
    return worker | {
        "survey": {**{f"after_{key}": value for key, value in BEGINNING._asdict().items()}, "page": 1000},
        "cancel_requests": {"ids": ids},
        "settle_completed": settled,
        "documents": {"ids": ids, "cap": 1000, "asked_cap": 1000},
        "rescue": {"budget": 3},
        "rescue_of": {"budget": 3, "lost": "w3"},
    }.get(name, {})


#: What a worker asks on its pinned connections, and what on its pulse, which plans freely.
PINNED = ("survey", "settle_completed", "documents", "held", "rescue")
PULSE = ("cancel_requests", "lately_lost", "rescue", "rescue_of")


@pytest.mark.parametrize(("names", "pinned"), [(PINNED, True), (PULSE, False)], ids=["pinned", "pulse"])
async def test_the_hot_path_goes_by_its_indexes(dsn: str, names: tuple[str, ...], *, pinned: bool) -> None:
    """Survey, settle, documents, rescue and what the heartbeat asks touch about as many rows as they are about."""
    async with queue(dsn) as it:
        await filled(it)
        if pinned:
            await pin_plans(it.store)
        ids = [row["id"] for row in await it.rows("SELECT id FROM jobs.tb_job_run WHERE status = 'running'")]
        for name in names:
            for generic in (False, True):
                plan = await explained(it, name, parameters(name, ids), generic=generic)
                assert_direct(plan, MOST.get(name, RUNNING))


async def test_cancel_and_retry_go_by_the_primary_key(dsn: str) -> None:
    """What a person changes by id reads those rows alone, as the table's own statistics say."""
    async with queue(dsn) as it:
        await filled(it)
        (pending,) = await it.rows("SELECT id FROM jobs.tb_job_run WHERE status = 'pending' LIMIT 1")
        (failed,) = await it.rows("SELECT id FROM jobs.tb_job_run WHERE status = 'failed' LIMIT 1")
        async with it.connection.transaction():
            before = await _scanned(it)
            await it.store.cancel([pending["id"], uuid4()], "", "mo")
            await it.store.retry([failed["id"], uuid4()], "", "mo")
            assert await _scanned(it) == before
            await it.rows("SELECT count(*) FROM jobs.tb_job_run WHERE attempts = 7")
            assert await _scanned(it) == before + 1, "a scan would have been noticed"


async def _scanned(it: Queue) -> int:
    """How often this session has read the hot table from end to end in the transaction that is open."""
    (row,) = await it.rows("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'jobs.tb_job_run'::regclass")
    return int(row["seq_scan"])
