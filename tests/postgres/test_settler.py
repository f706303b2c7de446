"""The settler's group commit: what ends one after another shares a statement, what ends alone does not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from support.events import Events
from support.queue import Queue, queue
from support.waiting import PATIENCE

from specql_jobs.core.contract import Failed, JobResult, Succeeded
from specql_jobs.core.job import Category, JobRecord
from specql_jobs.core.lanes import Breaker
from specql_jobs.core.lifecycle import Origin, RetryPolicy, Settlement, settle
from specql_jobs.core.worker.claimer import pin_settles
from specql_jobs.core.worker.link import Link
from specql_jobs.core.worker.settler import ENOUGH, Settler
from specql_jobs.core.worker.tasks import cancelled

Said = pytest.CaptureFixture[str]

#: A loaded machine may let the pause pass between two steps of a test: one round of so many must do.
ROUNDS = 30

#: Seconds after which what is put aside is tried again: longer than one try waits for a row.
ASIDE = 0.5


@asynccontextmanager
async def settling(it: Queue) -> AsyncIterator[Settler]:
    """Run a settler of the worker w1 beside the block; it must still be at work at the block's end."""
    link = Link(it.dsn, "settle", patience=PATIENCE, prepare=pin_settles)
    settler = Settler(link, "w1", aside=ASIDE)
    task = asyncio.create_task(settler.run())
    try:
        yield settler
        assert not task.done(), task
    finally:
        await cancelled(task)
        await link.close()


async def _claimed(it: Queue, count: int) -> tuple[JobRecord, ...]:
    await it.add_many(count)
    return await it.claim("w1", count)


def _done(job: JobRecord) -> Settlement:
    return settle(job, JobResult(Succeeded()), RetryPolicy(), 3, 0.0)


def _timed_out(job: JobRecord) -> Settlement:
    return settle(job, JobResult(Failed(Category.TIMEOUT, "late", retryable=True)), RetryPolicy(), 3, 0.0)


async def _commit(it: Queue, id_: UUID) -> int:
    """Return the transaction that wrote the row last."""
    (row,) = await it.rows("SELECT xmin::text::bigint AS xid FROM jobs.tb_job_run WHERE id = %s", id_)
    return int(row["xid"])


async def _one_after_another(it: Queue, settler: Settler, jobs: list[JobRecord]) -> list[int]:
    """Settle jobs, the loop at work between any two; return the transactions that wrote them."""
    for job in jobs:
        settler.add(_done(job))
        await it.rows("SELECT 1")
    await settler.flushed()
    return [await _commit(it, job.id) for job in jobs]


async def test_what_follows_a_write_shares_the_next(dsn: str) -> None:
    """Jobs that end within a moment of each other are one statement and one commit."""
    async with queue(dsn) as it, settling(it) as settler:
        for _ in range(ROUNDS):
            first, *others = await _claimed(it, 3)
            settler.add(_done(first))
            await settler.flushed()
            if len(set(await _one_after_another(it, settler, others))) == 1:
                break
        else:
            raise AssertionError("no two settlements shared a commit")
    assert (settler.lost, settler.backlog) == (0, 0)


async def test_each_job_keeps_its_own_origin(dsn: str) -> None:
    """What is the same for many jobs is sent once: every row has what belongs to it, and no other's."""
    wanted = [
        ("http", "http/1", 3),
        ("http", "http/2", 3),
        ("shell", "shell/1", 5),
        ("shell", "shell/1", 6),
        ("", "", 3),
    ]
    async with queue(dsn) as it:
        jobs = await _claimed(it, 2 * len(wanted))
        settlements = [
            _done(job)._replace(origin=Origin(kind, version, "d" * 64, f"policy of {version}"), max_attempts=limit)
            for job, (kind, version, limit) in zip(jobs, wanted * 2, strict=True)
        ]
        await it.store.settle(settlements, "w1", "d" * 64)
        rows = {row["id"]: row for row in await it.rows("SELECT * FROM jobs.tb_job_run")}
        events = {row["job_id"]: row for row in await it.rows("SELECT * FROM jobs.tb_audit_event")}
    for settlement in settlements:
        row, event = rows[settlement.job.id], events[settlement.job.id]
        assert (row["runner_version"] or "", row["max_attempts"]) == (
            settlement.origin.runner_version,
            settlement.max_attempts,
        )
        assert (row["execution_type"] or "") == settlement.origin.execution_type
        assert event["policy_digest"] == settlement.origin.policy_digest


async def test_all_that_waits_is_written(dsn: str) -> None:
    """Whatever waits, all of it is written: many at once, and one after them."""
    async with queue(dsn) as it, settling(it) as settler:
        for count in (1, ENOUGH, 1, ENOUGH + 1):
            for job in await _claimed(it, count):
                settler.add(_done(job))
            await settler.flushed()
            assert settler.backlog == 0
    assert settler.settled == 2 * ENOUGH + 3


async def test_a_locked_row_keeps_no_other_settlement_waiting(dsn: str) -> None:
    """Somebody's open transaction holds one running job: the others of its worker are settled meanwhile."""
    async with queue(dsn) as it, queue(dsn) as other:
        held = await it.add('{"wait": 0.3}')
        async with it.working():
            await it.until(lambda: _is(it, held, "running"), "the job runs")
            await other.rows("BEGIN")
            await other.rows("SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE", held)
            await it.until(lambda: _ended_here(it, held), "its execution has ended")
            ids = await it.add_many(30)
            for id_ in ids:
                await it.until(lambda id_=id_: _is(it, id_, "completed"), "the others are settled")
            assert (await it.job(held))["status"] == "running"
            await other.rows("COMMIT")
            await it.until(lambda: _is(it, held, "completed"), "the job is settled when its row is free")
    assert [id_ for id_, _ in it.puppet.ran].count(str(held)) == 1


async def test_two_statements_that_meet_locked_rows_are_both_tried_again(dsn: str, capsys: Said) -> None:
    """A completed and a failed job, each with a locked row, are settled once free, and the settler goes on."""
    async with queue(dsn) as it, queue(dsn) as other, settling(it) as settler:
        good, bad = await _claimed(it, 2)
        said = Events(capsys)
        await other.rows("BEGIN")
        await other.rows("SELECT FROM jobs.tb_job_run FOR UPDATE")
        settler.add(_done(good))
        settler.add(_timed_out(bad))
        await it.until(lambda: said.count("settle_blocked", 2), "both were put aside")
        second_look = asyncio.Event()
        asyncio.get_running_loop().call_later(ASIDE, second_look.set)  # behind whatever the settler waits for
        await other.rows("COMMIT")
        await settler.flushed()
        await second_look.wait()
        (after,) = await _claimed(it, 1)
        settler.add(_done(after))
        await it.until(lambda: _is(it, after.id, "completed"), "a job that comes later is settled")
        assert [(await it.job(job.id))["status"] for job in (good, bad)] == ["completed", "pending"]
    assert (settler.settled, settler.lost) == (3, 0)


async def test_a_breaker_hears_of_an_outcome_once_when_it_is_written(dsn: str, capsys: Said) -> None:
    """A timed-out job whose row is locked is tried often: that is one failure, and none before it is written."""
    async with queue(dsn) as it, queue(dsn) as other, settling(it) as settler:
        settler.breaker_of = {"svc": Breaker(2, 60.0)}.get
        (job,) = await _claimed(it, 1)
        said = Events(capsys)
        await other.rows("BEGIN")
        await other.rows("SELECT FROM jobs.tb_job_run FOR UPDATE")
        settler.add(_timed_out(job))
        await it.until(lambda: said.count("settle_blocked", 3), "it was put aside thrice")
        assert await it.rows("SELECT failures FROM jobs.tb_service_state") == []
        await other.rows("COMMIT")
        await settler.flushed()
        states = await it.rows("SELECT failures, open_until FROM jobs.tb_service_state")
    assert states == [{"failures": 1, "open_until": None}]


async def test_a_breaker_hears_nothing_of_a_superseded_outcome(dsn: str) -> None:
    """A settlement whose lease others have taken over is lost: it says nothing of its target."""
    async with queue(dsn) as it, settling(it) as settler:
        told: list[UUID] = []
        settler.breaker_of = {"svc": Breaker(1, 60.0)}.get
        settler.written = lambda batch: told.extend(each.job.id for each in batch)
        lost, kept = await _claimed(it, 2)
        await it.rows("UPDATE jobs.tb_job_run SET lease_seq = lease_seq + 1 WHERE id = %s", lost.id)
        settler.add(_timed_out(lost))
        await settler.flushed()
        states = await it.rows("SELECT failures FROM jobs.tb_service_state")
        settler.add(_done(kept))
        await settler.flushed()
    assert (states, told, settler.lost) == ([], [kept.id], 1)


async def test_a_breaker_that_somebody_holds_keeps_no_settlement_waiting(dsn: str, capsys: Said) -> None:
    """An open transaction on a service's state costs the breaker some news, and neither results nor the settler."""
    async with queue(dsn) as it, queue(dsn) as other, settling(it) as settler:
        settler.breaker_of = {"svc": Breaker(5, 60.0)}.get
        said = Events(capsys)
        jobs = await _claimed(it, 3)
        settler.add(_timed_out(jobs[0]))
        await settler.flushed()
        await other.rows("BEGIN")
        await other.rows("SELECT FROM jobs.tb_service_state FOR UPDATE")
        for number, job in enumerate(jobs[1:], 1):
            settler.add(_timed_out(job))
            await it.until(lambda number=number: said.count("breaker_untold", number), "the breaker is held")
        assert (settler.settled, settler.backlog) == (3, 0)
        await other.rows("COMMIT")


async def _is(it: Queue, id_: UUID, status: str) -> bool:
    return bool((await it.job(id_))["status"] == status)


async def _ended_here(it: Queue, id_: UUID) -> bool:
    return not it.puppet.busy and str(id_) in [ran for ran, _ in it.puppet.ran]
