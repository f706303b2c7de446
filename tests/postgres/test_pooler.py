"""Through a real PgBouncer: workers in session mode, producers in either; workers in transaction mode are refused."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from support.board import Board
from support.pooler import pgbouncer
from support.queue import Queue, queue

from specql_jobs.core.errors import ConfigError


async def _completed(it: Queue, id_: UUID) -> bool:
    return bool((await it.job(id_))["status"] == "completed")


async def test_a_worker_works_through_a_pooler_in_session_mode(dsn: str) -> None:
    """Its lock is held, its settings are made, and a job that comes while it rests is run."""
    async with pgbouncer(dsn, "session") as pooled, queue(dsn) as it:
        plain, it.dsn = it.dsn, pooled
        assert plain != pooled
        async with it.working() as worker:
            for _ in range(3):
                id_ = await it.add()
                await it.until(lambda id_=id_: _completed(it, id_), "the job is completed")  # type: ignore[misc] # bound
            (lock,) = await it.rows("SELECT lock_key FROM jobs.tb_worker WHERE state = 'running'")
            held = await it.rows("SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted")
            assert lock["lock_key"] & 0xFFFFFFFF in {row["objid"] for row in held}
            assert worker.ready


async def test_a_worker_refuses_a_pooler_in_transaction_mode(dsn: str) -> None:
    """It says what would be lost and what to do, before it claims anything."""
    async with pgbouncer(dsn, "transaction") as pooled, queue(dsn) as it:
        id_ = await it.add()
        it.dsn = pooled
        with pytest.raises(ConfigError, match="transaction mode") as refused:
            await it.worker().run()
        assert refused.value.code == "E215"
        assert (await it.job(id_))["status"] == "pending"


async def test_producers_may_use_transaction_mode(dsn: str) -> None:
    """Command after command works, though their sessions are handed round."""
    async with pgbouncer(dsn, "transaction") as pooled:
        board = Board(pooled)
        said = [await asyncio.to_thread(board, "list", "-o", "json") for _ in range(3)]
        async with queue(pooled) as one, queue(pooled) as other:
            made = [await it.add() for it in (one, other, one, other)]
    assert [each.code for each in said] == [0, 0, 0]
    assert len(set(made)) == 4
