"""Jobs with callbacks, and rows that somebody holds: one keeps no other waiting, and is no hung callback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.callbacks import DONE, Shop, shop
from support.events import Events
from support.queue import Queue, queue

from specql_jobs.core.contract import JobResult
from specql_jobs.core.job import JobRecord
from specql_jobs.core.lifecycle import RetryPolicy, Settlement, settle
from specql_jobs.core.store.callbacks import HELD, Caller
from specql_jobs.core.store.db import SESSION
from specql_jobs.core.worker.calling import CallingSettler, SharedLink, call_again
from specql_jobs.core.worker.tasks import cancelled

Said = pytest.CaptureFixture[str]

#: Seconds. What is put aside twice has been locked for longer than a hung callback is left alone.
ASIDE, WATCH_AFTER, TIMEOUT = 0.5, 0.3, 0.2

HOLD = "SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE"


@asynccontextmanager
async def calling(it: Shop, watch_after: float = WATCH_AFTER) -> AsyncIterator[CallingSettler]:
    """Settle jobs that have callbacks, and call those again that are due, as a worker w1 beside the block."""
    await it.rows("SELECT jobs.limit_callbacks(timeout_ms => %s)", int(TIMEOUT * 1000))
    link = SharedLink(it.dsn, "callbacks", patience=WATCH_AFTER, watch_after=watch_after)
    settler = CallingSettler(link, "w1", aside=ASIDE)
    tasks = [asyncio.create_task(settler.run()), asyncio.create_task(call_again(link))]
    try:
        yield settler
        assert not any(task.done() for task in tasks), tasks
    finally:
        await cancelled(*tasks)
        await link.close()


@asynccontextmanager
async def held(dsn: str, sql: str, *parameters: object) -> AsyncIterator[None]:
    """Hold the locks of a statement in a transaction of somebody's, within the block."""
    async with queue(dsn) as other:
        await other.rows("BEGIN")
        await other.rows(sql, *parameters)
        yield
        await other.rows("COMMIT")


def _done(job: JobRecord) -> Settlement:
    return settle(job, JobResult(DONE), RetryPolicy(), 1, 0.0)


async def _completed(it: Queue, job: JobRecord) -> bool:
    return bool((await it.job(job.id))["status"] == "completed")


async def test_a_locked_row_keeps_no_other_job_with_a_callback_waiting(dsn: str, capsys: Said) -> None:
    """The others are settled with their callbacks; nobody's session is ended, and the job follows when it is free."""
    async with shop(dsn) as it:
        await it.notes()
        for _ in range(4):
            await it.order()
        first, locked, *others = await it.claimed(4)
        said = Events(capsys)
        async with calling(it) as settler:
            settler.add(_done(first))  # its callback leaves a session behind whose settings were reset
            await settler.flushed()
            async with held(dsn, HOLD, locked.id):
                for job in (locked, *others):
                    settler.add(_done(job))
                for job in others:
                    await it.until(lambda job=job: _completed(it, job), "the other is settled")
                await it.until(lambda: said.count("settle_blocked", 3), "the locked one was put aside thrice")
                assert not await _completed(it, locked)
            await settler.flushed()
        assert await _completed(it, locked)
        assert {job for job, _ in await it.ledger()} == {job.id for job in (first, locked, *others)}
        assert await it.runs() == []
    assert "callback_stuck" not in said.text()
    assert (settler.settled, settler.lost) == (4, 0)


async def test_a_locked_table_is_no_hung_callback(dsn: str, capsys: Said) -> None:
    """Somebody's lock on the table of jobs is waited out, however long: no session is ended, no callback blamed."""
    async with shop(dsn) as it:
        await it.notes()
        await it.order()
        (job,) = await it.claimed()
        said = Events(capsys)
        async with calling(it) as settler:
            async with held(dsn, "LOCK TABLE jobs.tb_job_run IN ACCESS EXCLUSIVE MODE"):
                settler.add(_done(job))
                await it.until(lambda: said.count("settle_blocked", 3), "it was put aside thrice")
            await settler.flushed()
        assert [id_ for id_, _ in await it.ledger()] == [job.id]
    assert "callback_stuck" not in said.text()


async def test_a_locked_dependent_keeps_only_the_job_that_it_waits_for(dsn: str, capsys: Said) -> None:
    """Ending a job writes to those that wait for it: who holds one of them keeps that job's result, and no other."""
    async with shop(dsn) as it:
        await it.notes()
        awaited, _ = await it.order(), await it.order()
        (waiting,) = await it.rows("SELECT jobs.enqueue('svc', 'op', depends_on => ARRAY[%s]::uuid[]) AS id", awaited)
        jobs = {job.id: job for job in await it.claimed(2)}
        said = Events(capsys)
        async with calling(it, watch_after=5.0) as settler:  # one by one they take longer than the others' watch
            async with held(dsn, HOLD, waiting["id"]):
                for job in jobs.values():
                    settler.add(_done(job))
                (other,) = (job for id_, job in jobs.items() if id_ != awaited)
                await it.until(lambda: _completed(it, other), "the other is settled")
                await it.until(lambda: said.count("settle_blocked", 2), "the awaited one was put aside twice")
            await settler.flushed()
            assert await _completed(it, jobs[awaited])
    assert "callback_stuck" not in said.text()


async def test_a_callback_may_wait_for_locks_as_long_as_its_timeout(dsn: str) -> None:
    """The short wait for rows is the settlement's own: a callback that waits longer for a row of yours succeeds."""
    async with shop(dsn) as it:
        await it.rows("INSERT INTO app.parent VALUES (1)")
        await it.callback("PERFORM FROM app.parent FOR UPDATE; INSERT INTO app.ledger (job) VALUES (job)")
        await it.order()
        (job,) = await it.claimed()
        link = SharedLink(dsn, "callbacks", patience=60)
        settling = asyncio.create_task(link.ask(lambda store: store.settle([_done(job)], "w1", "d")))
        longer = asyncio.Event()
        async with held(dsn, "SELECT FROM app.parent FOR UPDATE"):
            await it.until(lambda: it.waits_for_a_lock("callbacks"), "the callback waits for a row")
            asyncio.get_running_loop().call_later(2 * 0.25, longer.set)
            await longer.wait()
        assert await settling == {job.id}
        await link.close()
        assert (len(await it.ledger()), await it.runs()) == (1, [])


async def test_a_session_that_called_callbacks_has_its_settings_again(dsn: str) -> None:
    """What a callback leaves is reset, and what every connection of ours is given is set anew."""
    async with shop(dsn) as it:
        await it.callback("SET jit = on; SET lock_timeout = '77s'; SET default_transaction_isolation = 'serializable'")
        await it.order()
        await it.ended(DONE)
        rows = await it.rows(
            "SELECT name, current_setting(name) AS value FROM unnest(%s::text[]) AS t (name)", list(SESSION)
        )
        (waits,) = await it.rows("SELECT current_setting('lock_timeout') AS value")
        assert await it.runs() == []
    assert {row["name"]: row["value"] for row in rows if row["name"] in ("jit", "default_transaction_isolation")} == {
        "jit": "off",
        "default_transaction_isolation": "read committed",
    }
    assert waits["value"] == "250ms"


async def test_a_callback_whose_job_somebody_holds_costs_no_try(dsn: str) -> None:
    """Called again while the row is locked, it is put back, says why, and the next one is called."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 300)")
        await it.callback("RAISE EXCEPTION 'not yet'")
        locked, free = await it.order(), await it.order()
        await it.ended(DONE, DONE)
        await it.notes()
        due = (
            "UPDATE jobs.tb_callback_run SET next_at = now() - CASE WHEN job_id = %s THEN interval '1 min' ELSE '0' END"
        )
        await it.rows(due, locked)
        async with held(dsn, HOLD, locked):
            while await Caller(it.connection).rerun():
                pass
            assert [job for job, _ in await it.ledger()] == [free]
            (run,) = [run for run in await it.runs() if run["job_id"] == locked]
            assert (run["state"], run["attempts"], run["error"]) == ("waiting", 1, HELD)
        assert await it.rerun()
        assert [job for job, _ in await it.ledger()] == [free, locked]
