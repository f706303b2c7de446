"""The store's verbs: every one from every state, the fence, idempotency keys, and plans that use their indexes."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.queue import Queue, queue

from specql_jobs.core.contract import Cancelled, Failed, Interrupted, JobResult, Outcome, Succeeded
from specql_jobs.core.errors import Conflict
from specql_jobs.core.job import Category, JobRecord, NewJob, Status
from specql_jobs.core.lifecycle import TRANSITIONS, Event, RetryPolicy, settle
from specql_jobs.core.store.store import new_job_ids

OUTCOMES: dict[Event, Outcome] = {
    Event.SUCCEED: Succeeded({"ok": True}),
    Event.FAIL_RETRYABLE: Failed(Category.TARGET_UNAVAILABLE, "down", retryable=True),
    Event.FAIL_FINAL: Failed(Category.TARGET_ERROR, "no"),
    Event.CANCEL: Cancelled(),
    Event.INTERRUPT: Interrupted(),
}


async def _claim(it: Queue, worker: str = "w1") -> JobRecord:
    (job,) = await it.claim(worker, 1)
    return job


async def _settle(it: Queue, job: JobRecord, outcome: Outcome, worker: str = "w1") -> set[UUID]:
    settlement = settle(job, JobResult(outcome), RetryPolicy(base_seconds=0), 3, 0.0)
    return await it.store.settle([settlement], worker, "digest")


async def _in_state(it: Queue, status: Status) -> JobRecord:
    """Return a job in that state, reached only by the store's own verbs."""
    id_ = await it.add()
    if status is Status.CANCELLED:
        await it.store.cancel([id_], "", "test")
    if status in (Status.PENDING, Status.CANCELLED):
        return JobRecord(id_, "svc", "op", lease_seq=0, attempts=0)
    job = await _claim(it)
    if status is not Status.RUNNING:
        await _settle(it, job, OUTCOMES[Event.SUCCEED if status is Status.COMPLETED else Event.FAIL_FINAL])
    return job


async def _apply(it: Queue, job: JobRecord, event: Event) -> None:
    if event is Event.CLAIM:
        await it.claim("w2", 1)
    elif event is Event.RETRY:
        await it.store.retry([job.id], "", "test")
    elif event is Event.DISCARD:
        await it.store.discard([job.id], "", "test")
    elif event is Event.CANCEL and (await it.job(job.id))["status"] != "running":
        await it.store.cancel([job.id], "", "test")
    elif event in OUTCOMES:
        await _settle(it, job, OUTCOMES[event])
    elif event in (Event.DEPENDENCY_FAIL, Event.DEPENDENCY_SKIP):
        await _fail_a_dependency(it, job, "fail" if event is Event.DEPENDENCY_FAIL else "skip")
    else:
        crashes = 0 if event is Event.LOSE_WORKER else 99
        await it.rows("UPDATE jobs.tb_job_run SET crash_count = %s RETURNING id", crashes)
        await it.store.rescue()


async def _fail_a_dependency(it: Queue, job: JobRecord, choice: str) -> None:
    """End as failed what the job was made to wait for; but for the pending one, the table has to be written by hand."""
    other = await it.add()
    await it.rows("INSERT INTO jobs.tb_job_dependency VALUES (%s, %s)", job.id, other)
    await it.rows("UPDATE jobs.tb_job_run SET on_dependency_failure = %s WHERE id = %s", choice, job.id)
    await it.rows("UPDATE jobs.tb_job_run SET has_dependents = true WHERE id = %s", other)
    await it.rows("UPDATE jobs.tb_job_run SET status = 'failed' WHERE id = %s", other)


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.name)
@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.name)
async def test_every_verb_from_every_state_obeys_the_table(dsn: str, status: Status, event: Event) -> None:
    """A verb does what TRANSITIONS says, and leaves the row as it is where the table says nothing."""
    async with queue(dsn) as it:
        job = await _in_state(it, status)
        await _apply(it, job, event)
        row = await it.job(job.id)
    assert row["status"] == TRANSITIONS.get((status, event), status)


async def test_a_superseded_lease_settles_nothing(dsn: str) -> None:
    """A result that comes after the job was rescued and claimed again is refused, and changes no column."""
    async with queue(dsn) as it:
        id_ = await it.add()
        late = await _claim(it, "w1")
        assert [row[0] for row in await it.store.rescue()] == [id_]
        present = await _claim(it, "w2")
        before = await it.job(id_)
        assert await _settle(it, late, Succeeded({"late": True})) == set()
        assert await it.job(id_) == before
        assert await _settle(it, present, Succeeded({"late": False}), "w2") == {id_}
        assert await _settle(it, present, Succeeded({"twice": True}), "w2") == set()
        row = await it.job(id_)
    assert (row["status"], row["output_data"]) == ("completed", {"late": False})


async def test_the_fence_survives_a_retry_by_hand(dsn: str) -> None:
    """Retry resets attempts and never lease_seq: the old attempt 1 cannot settle the new attempt 1."""
    async with queue(dsn) as it:
        id_ = await it.add()
        old = await _claim(it)
        await _settle(it, old, OUTCOMES[Event.FAIL_FINAL])
        await it.store.retry([id_], "again", "test")
        new = await _claim(it)
        assert (old.attempts, new.attempts, new.lease_seq > old.lease_seq) == (1, 1, True)
        assert await _settle(it, old, Succeeded()) == set()
        assert (await it.job(id_))["status"] == "running"


async def test_no_job_is_claimed_twice(dsn: str) -> None:
    """Eight connections claiming at once share the jobs between them, each job once."""
    async with queue(dsn) as it:
        ids = await it.add_many(400)
        taken = await asyncio.gather(*(_take_all(dsn, f"w{n}") for n in range(8)))
    assert sorted(id_ for each in taken for id_ in each) == sorted(ids)


async def _take_all(dsn: str, worker: str) -> list[UUID]:
    taken: list[UUID] = []
    async with queue(dsn) as it:
        while claim := await it.claim(worker, 7):
            taken += [job.id for job in claim]
    return taken


async def test_an_idempotency_key_makes_one_job(dsn: str) -> None:
    """The same key gives the same job, from Python and from SQL, also within one batch; tenants have their own keys."""
    async with queue(dsn) as it:
        tenant = uuid4()
        new = [NewJob("svc", "op", idempotency_key="k"), NewJob("svc", "op", idempotency_key="k")]
        first, second = await it.store.enqueue(new)
        (other,) = await it.store.enqueue([NewJob("svc", "op", idempotency_key="k", tenant_id=tenant)])
        (row,) = await it.rows("SELECT jobs.enqueue('SVC', 'op', idempotency_key => 'k') AS id")
    assert (first.duplicate, second.duplicate, other.duplicate) == (False, True, False)
    assert first.id == second.id == row["id"] != other.id


async def test_a_key_of_another_operation_is_a_conflict_and_inserts_nothing(dsn: str) -> None:
    """A batch with a key that belongs to another operation is refused whole."""
    async with queue(dsn) as it:
        await it.add(idempotency_key="k")
        with pytest.raises(Conflict):
            await it.store.enqueue([NewJob("svc", "op"), NewJob("svc", "other", idempotency_key="k")])
        (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run")
    assert row["n"] == 1


async def test_a_rolled_back_transaction_leaves_no_job(dsn: str) -> None:
    """A job belongs to its caller's transaction."""
    async with queue(dsn) as it:
        await it.connection.execute("BEGIN")
        await it.rows("SELECT jobs.enqueue('svc', 'op')")
        await it.connection.execute("ROLLBACK")
        (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run")
    assert row["n"] == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("jobs.enqueue('', 'op')", "must be names"),
        ("jobs.enqueue('svc', 'op', '[1]')", "JSON object"),
        ("jobs.enqueue('svc', 'op', jsonb_build_object('x', repeat('x', 2000000)))", "1048576"),
        ("jobs.enqueue('svc', 'op', max_attempts => 0)", "ck_max_attempts_positive"),
    ],
)
async def test_sql_enqueue_refuses_what_no_worker_could_run(dsn: str, call: str, says: str) -> None:
    """jobs.enqueue checks names, shape and size before anything is inserted."""
    async with queue(dsn) as it:
        with pytest.raises(Exception, match=says):
            await it.rows(f"SELECT {call}")
        (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run")
    assert row["n"] == 0


async def test_a_crash_loop_ends(dsn: str) -> None:
    """A job whose worker is lost again and again is failed as crash_loop at the end of its crash budget."""
    async with queue(dsn) as it:
        id_ = await it.add()
        for _ in range(3):
            await it.rows("UPDATE jobs.tb_job_run SET run_at = now()")
            await _claim(it)
            await it.store.rescue()
        row = await it.job(id_)
    assert (row["status"], row["error_category"], row["crash_count"]) == ("failed", "crash_loop", 3)


async def test_jobs_that_crashed_together_come_back_apart(dsn: str) -> None:
    """After a first crash jobs are due at once; after a second one each at a time of its own, within 10 s."""
    async with queue(dsn) as it:
        await it.add_many(20)
        spread = []
        for _ in range(2):
            await it.rows("UPDATE jobs.tb_job_run SET run_at = now()")
            await it.claim("w1", 20)
            await it.store.rescue()
            sql = "SELECT max(run_at) - min(run_at) AS apart, max(run_at) - now() AS last FROM jobs.tb_job_run"
            (row,) = await it.rows(sql)
            spread.append(row)
    assert spread[0]["apart"].total_seconds() == 0
    assert 0 < spread[1]["apart"].total_seconds() < 10
    assert spread[1]["last"].total_seconds() < 10


async def test_cancel_while_running_wins_over_the_retry(dsn: str) -> None:
    """A job that fails retryably after somebody cancelled it ends as cancelled, not as another attempt."""
    async with queue(dsn) as it:
        id_ = await it.add()
        job = await _claim(it)
        await it.store.cancel([id_], "", "test")
        await _settle(it, job, OUTCOMES[Event.FAIL_RETRYABLE])
        row = await it.job(id_)
    assert row["status"] == "cancelled"


async def test_changes_are_in_the_ledger(dsn: str) -> None:
    """Who retried or cancelled what, why, and what came of each is kept; unknown ids are answered, not ignored."""
    async with queue(dsn) as it:
        id_, unknown = await it.add(), uuid4()
        outcomes = await it.store.cancel([id_, unknown], "INC-1", "ann@host")
        await it.store.retry([id_], "INC-2", "bob@host")
        rows = await it.rows(
            "SELECT c.kind, c.actor, c.reason, m.outcome FROM jobs.tb_change c JOIN jobs.tb_change_job m "
            "ON m.change_id = c.id WHERE m.job_id = %s ORDER BY c.id",
            id_,
        )
    assert {(each.id, each.outcome) for each in outcomes} == {(id_, "cancelled"), (unknown, "not_found")}
    assert [tuple(row.values()) for row in rows] == [
        ("cancel", "ann@host", "INC-1", "cancelled"),
        ("retry", "bob@host", "INC-2", "retried"),
    ]


async def test_a_live_worker_is_never_declared_lost(dsn: str) -> None:
    """A fresh heartbeat, or one under 15 s old with the lock held, proves life; beyond 15 s no lock helps."""
    async with queue(dsn) as it:
        await it.store.register(_row("alive", 1))
        assert await it.store.lose_workers("me") == []
        await it.rows("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '10 s'")
        await it.store.hold_lock(1)
        assert await it.store.lose_workers("me") == []
        await it.rows("UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '16 s'")
        assert await it.store.lose_workers("me") == ["alive"]
        assert await it.store.heartbeat("alive", 0, draining=False) is None
        assert await it.store.register(_row("alive", 1)) is False


def _row(worker_id: str, lock_key: int) -> dict[str, Any]:
    return {
        "worker_id": worker_id,
        "host": "h",
        "pid": 1,
        "version": "0",
        "lock_key": lock_key,
        "types": [],
        "services": None,
        "concurrency": 1,
        "digest": "",
    }


def test_job_ids_are_version_7_and_sort_by_time() -> None:
    """RFC 9562: version 7, variant 10, later milliseconds sort later."""
    ids = new_job_ids(100)
    assert {(id_.version, id_.variant) for id_ in ids} == {(7, "specified in RFC 4122")}
    assert len(set(ids)) == 100
    assert ids[0].int >> 80 <= ids[-1].int >> 80
