"""A real worker over a real Postgres, with a runner that follows orders."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from support.queue import Queue, queue, registry

from specql_jobs.core.errors import DatabaseUnavailable, SchemaAbsent
from specql_jobs.core.policy import Policy
from specql_jobs.core.store.store import Scope
from specql_jobs.core.worker.worker import End, Worker


async def test_a_job_is_executed_once_and_its_row_says_how(dsn: str) -> None:
    """Output, usage, runner version, registry digest and attempts are in the row of a completed job."""
    async with queue(dsn) as it:
        id_ = await it.add('{"output": {"answer": 42}}')
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["output_data"], row["attempts"]) == ("completed", {"answer": 42}, 1)
    assert (row["runner_version"], row["registry_digest"], row["execution_type"]) == ("puppet/1", "d" * 64, "http")
    assert row["resource_usage"] == {"duration_seconds": 0.0}
    assert row["completed_at"] >= row["started_at"] >= row["created_at"]


async def test_a_thousand_jobs_are_each_executed_exactly_once(dsn: str) -> None:
    """Two workers at once neither lose a job nor run one twice."""
    async with queue(dsn) as it:
        ids = await it.add_many(1000)
        first, second = it.worker(until_empty=True, concurrency=40), it.worker(until_empty=True, concurrency=40)
        await asyncio.gather(first.run(), second.run())
        (counted,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run WHERE status = 'completed'")
    assert counted["n"] == 1000
    assert sorted(job_id for job_id, _ in it.puppet.ran) == sorted(map(str, ids))
    assert first.settler.settled + second.settler.settled == 1000


async def test_a_failure_is_retried_and_every_failed_attempt_is_kept(dsn: str) -> None:
    """A retryable failure goes back to pending until it succeeds; tb_job_attempt has each failed try."""
    async with queue(dsn) as it:
        id_ = await it.add('{"fail": "target_unavailable", "retryable": true, "succeed_on": 3}', max_attempts=5)
        await it.drain()
        row = await it.job(id_)
        attempts = await it.rows("SELECT * FROM jobs.tb_job_attempt WHERE job_id = %s ORDER BY lease_seq", id_)
    assert (row["status"], row["attempts"], row["error_category"]) == ("completed", 3, None)
    assert [attempt["attempt"] for attempt in attempts] == [1, 2]
    assert {attempt["error_category"] for attempt in attempts} == {"target_unavailable"}


async def test_retries_end_at_max_attempts(dsn: str) -> None:
    """After max_attempts the job is failed: the dead-letter queue, with category, message and fingerprint."""
    async with queue(dsn) as it:
        id_ = await it.add('{"fail": "target_unavailable", "retryable": true}', max_attempts=2)
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["attempts"], row["error_category"]) == ("failed", 2, "target_unavailable")
    assert row["error_message"] == "failed as ordered"
    assert len(row["fingerprint"]) == 12


async def test_what_cannot_get_better_is_not_retried(dsn: str) -> None:
    """A failure that is not retryable is final at the first attempt."""
    async with queue(dsn) as it:
        id_ = await it.add('{"fail": "target_error"}', max_attempts=9)
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["attempts"]) == ("failed", 1)


async def test_a_bug_in_a_runner_is_an_outcome(dsn: str) -> None:
    """A runner that raises fails its job as `internal`; the worker goes on with the others."""
    async with queue(dsn) as it:
        broken, sound = await it.add('{"bug": true}', max_attempts=1), await it.add()
        await it.drain()
        rows = [await it.job(broken), await it.job(sound)]
    assert [(row["status"], row["error_category"]) for row in rows] == [("failed", "internal"), ("completed", None)]


@pytest.mark.parametrize(("service", "operation", "word"), [("nobody", "op", "nobody"), ("svc", "nothing", "nothing")])
async def test_an_operation_that_the_registry_lacks_fails_with_a_sentence(
    dsn: str, service: str, operation: str, word: str
) -> None:
    """A job for an unknown service or operation is dead at once, and says which name is unknown."""
    async with queue(dsn) as it:
        (row,) = await it.rows("SELECT jobs.enqueue(%s, %s) AS id", service, operation)
        await it.drain()
        job = await it.job(row["id"])
    assert (job["status"], job["error_category"]) == ("failed", "invalid_input")
    assert word in job["error_message"]


async def test_a_refused_plan_is_not_executed(dsn: str) -> None:
    """What policy does not allow never reaches the runner, and the row says which rule decided."""
    async with queue(dsn) as it:
        id_ = await it.add(timeout_seconds=60)
        await it.drain(services=registry(policy=Policy(max_execution_time=5.0)))
        row = await it.job(id_)
    assert (row["status"], row["error_category"], it.puppet.ran) == ("failed", "policy_violation", [])
    assert "max_execution_time" in row["error_message"]


async def test_a_row_that_asks_for_more_than_policy_is_refused(dsn: str) -> None:
    """security_context in a row can narrow the policy and never widen it."""
    async with queue(dsn) as it:
        more, less = await it.add(), await it.add()
        for id_, seconds in ((more, 999_999), (less, 10)):
            context = json.dumps({"max_execution_time": seconds})
            await it.rows("UPDATE jobs.tb_job_run SET security_context = %s WHERE id = %s RETURNING id", context, id_)
        await it.rows("UPDATE jobs.tb_job_run SET timeout_seconds = 5 RETURNING id")
        await it.drain()
        rows = [await it.job(more), await it.job(less)]
    assert [row["status"] for row in rows] == ["failed", "completed"]
    assert rows[0]["error_category"] == "policy_violation"


async def test_run_at_and_priority_order_the_claims(dsn: str) -> None:
    """Higher priority first, then longest due; what is scheduled for later is left alone."""
    async with queue(dsn) as it:
        later = await it.add(run_at=datetime.now(UTC) + timedelta(hours=1), priority=9)
        low, high, low_too = await it.add(priority=-1), await it.add(priority=5), await it.add(priority=-1)
        await it.drain(concurrency=1)
        row = await it.job(later)
    assert [job_id for job_id, _ in it.puppet.ran] == [str(high), str(low), str(low_too)]
    assert row["status"] == "pending"


async def test_an_idle_worker_is_woken_by_an_insert(dsn: str) -> None:
    """A job inserted while the worker waits is picked up by notification, well before the poll interval."""
    async with queue(dsn) as it, it.working() as worker:

        async def waits() -> bool:
            (row,) = await it.rows("SELECT coalesce(bool_or(waiting), false) AS yes FROM jobs.tb_worker")
            return bool(row["yes"])

        await it.until(waits, "the worker waits")
        ids = [await it.add() for _ in range(5)]
        await it.until(lambda: _all(it, ids, "completed"), "all are completed")
        assert worker.ready


async def _all(it: Queue, ids: list[UUID], status: str) -> bool:
    return {(await it.job(id_))["status"] for id_ in ids} == {status}


async def test_a_pending_job_is_cancelled_at_once(dsn: str) -> None:
    """Cancel turns a pending job into cancelled; no worker runs it afterwards."""
    async with queue(dsn) as it:
        id_ = await it.add()
        (changed,) = await it.store.cancel([id_], "not needed", "tester")
        await it.drain()
        row = await it.job(id_)
    assert (changed.outcome, row["status"], it.puppet.ran) == ("cancelled", "cancelled", [])


async def test_a_running_job_is_cancelled_after_its_runner_has_stopped(dsn: str) -> None:
    """Cancel of a running job reaches the runner; the row becomes cancelled when the runner has returned."""
    async with queue(dsn) as it, it.working():
        id_ = await it.add('{"wait": 600}')
        await it.until(lambda: _all(it, [id_], "running"), "the job runs")
        (changed,) = await it.store.cancel([id_], "enough", "tester")
        await it.until(lambda: _all(it, [id_], "cancelled"), "the job is cancelled")
        assert changed.outcome == "requested"


async def test_a_timeout_ends_the_attempt(dsn: str) -> None:
    """An attempt that outlives its timeout fails as `timeout`."""
    async with queue(dsn) as it:
        id_ = await it.add('{"wait": 600}', timeout_seconds=1, max_attempts=1)
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["error_category"]) == ("failed", "timeout")


async def test_a_drained_worker_finishes_what_runs(dsn: str) -> None:
    """Stop lets running jobs finish and claims nothing more."""
    async with queue(dsn) as it:
        async with it.working(concurrency=1) as worker:
            first, second = await it.add('{"wait": 0.5}'), await it.add('{"wait": 0.5}')
            await it.until(lambda: _all(it, [first], "running"), "the first runs")
            worker.stop()
        rows = [await it.job(first), await it.job(second)]
        (left,) = await it.rows("SELECT state FROM jobs.tb_worker")
    assert [row["status"] for row in rows] == ["completed", "pending"]
    assert left["state"] == "stopped"


async def test_what_outlives_the_drain_is_given_back_at_no_cost(dsn: str) -> None:
    """After the drain timeout running jobs are interrupted: pending again, the attempt given back, the lease risen."""
    async with queue(dsn) as it:
        id_ = await it.add('{"wait": 600}')
        worker = it.worker(drain_timeout=0.1)
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _all(it, [id_], "running"), "the job runs")
        worker.stop()
        end = await task
        row = await it.job(id_)
    assert end is End.GAVE_BACK
    assert (row["status"], row["attempts"], row["worker_id"], row["lease_seq"] > 1) == ("pending", 0, None, True)


async def test_a_worker_that_fails_starts_nothing_more(dsn: str) -> None:
    """What it holds ready when a part of it breaks is given back, not started in the slots of what is interrupted."""
    async with queue(dsn) as it:
        await it.add_many(3000, '{"wait": 0.01}')
        worker = it.worker(concurrency=4)
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _settles(worker, 50), "jobs go through quickly, so that some are held ready")
        await it.rows("DROP FUNCTION jobs.take_callback()")
        with pytest.raises(SchemaAbsent):
            await task
        rows = await it.rows("SELECT status, attempts FROM jobs.tb_job_run WHERE status NOT IN ('completed')")
    assert len(worker.slots) == 0
    assert {(row["status"], row["attempts"]) for row in rows} == {("pending", 0)}


async def _settles(worker: Worker, count: int) -> bool:
    return worker.settler.settled >= count


async def test_a_second_stop_does_not_wait(dsn: str) -> None:
    """Asked to stop twice, the worker interrupts its jobs without waiting for the drain timeout."""
    async with queue(dsn) as it:
        id_ = await it.add('{"wait": 600}')
        worker = it.worker(drain_timeout=3600)
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _all(it, [id_], "running"), "the job runs")
        worker.stop()
        worker.stop()
        assert await asyncio.wait_for(task, 30) is End.GAVE_BACK


async def test_one_unreadable_input_does_not_stop_its_batch(dsn: str) -> None:
    """A document that Postgres itself cannot print fails its own job as invalid_input, and only that."""
    async with queue(dsn) as it:
        sound = await it.add_many(20)
        (poison,) = await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, input_data) SELECT 'svc', 'op', "
            "jsonb_build_object('n', (SELECT jsonb_agg(('1e' || (131000 + i % 70))::numeric) "
            "FROM generate_series(1, 9000) i)) RETURNING id"
        )
        await it.drain()
        row = await it.job(poison["id"])
        assert await _all(it, sound, "completed")
    assert (row["status"], row["error_category"]) == ("failed", "invalid_input")


@pytest.mark.parametrize("document", ['{"a": ' + "[" * 3000 + "]" * 3000 + "}", '{"n": 1e5000}', "[1]", '"text"', "7"])
async def test_hostile_documents_fail_their_job_alone(dsn: str, document: str) -> None:
    """Deep nesting, numbers beyond float, and input that is no object are the job's failure, not the worker's."""
    async with queue(dsn) as it:
        sql = "INSERT INTO jobs.tb_job_run (service_name, operation, input_data) VALUES ('svc', 'op', %s) RETURNING id"
        (bad,) = await it.rows(sql, document)
        sound = await it.add()
        await it.drain()
        rows = [await it.job(bad["id"]), await it.job(sound)]
    assert [row["status"] for row in rows] == ["failed", "completed"]
    assert rows[0]["error_category"] == "invalid_input"


async def test_output_with_nul_is_stored_without_it(dsn: str) -> None:
    """jsonb refuses NUL; a job whose output has one is finished all the same."""
    async with queue(dsn) as it:
        it.puppet.says = {"text": "a\0b", "half": "\ud800"}
        id_ = await it.add()
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["output_data"]["text"]) == ("completed", "a\ufffdb")


async def test_output_over_the_cap_is_a_failure(dsn: str) -> None:
    """Output larger than max_output_bytes is refused, with the sizes."""
    async with queue(dsn) as it:
        it.puppet.says = "x" * 5000
        id_ = await it.add()
        await it.drain(services=registry(policy=Policy(max_output_bytes=1000)))
        row = await it.job(id_)
    assert (row["status"], row["error_category"]) == ("failed", "invalid_output")
    assert "max_output_bytes" in row["error_message"]


async def test_a_worker_claims_only_its_scope(dsn: str) -> None:
    """Services outside the scope stay pending for other workers."""
    async with queue(dsn) as it:
        mine = await it.add()
        (other,) = await it.rows("SELECT jobs.enqueue('other', 'op') AS id")
        await it.drain(scope=Scope(only=("svc",)))
        rows = [await it.job(mine), await it.job(other["id"])]
        assert [row["status"] for row in rows] == ["completed", "pending"]
        await it.drain(services=registry("svc", "other"), scope=Scope(excluded=("other",)))
        assert (await it.job(other["id"]))["status"] == "pending"


async def test_concurrency_and_max_jobs_are_bounds(dsn: str) -> None:
    """Never more jobs at once than --concurrency, never more in all than --max-jobs."""
    async with queue(dsn) as it:
        await it.add_many(30, '{"wait": 0.01}')
        await it.drain(concurrency=3, max_jobs=10)
        (left,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run WHERE status = 'pending'")
    assert (left["n"], len(it.puppet.ran)) == (20, 10)
    assert it.puppet.most_at_once <= 3


async def test_a_deaf_runner_is_cancelled_from_outside(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that ignores its stop signal is cancelled after the grace time; its job ends as it was asked to."""
    monkeypatch.setattr("specql_jobs.core.worker.slots.GRACE", 0.2)
    async with queue(dsn) as it:
        id_ = await it.add('{"deaf": 600}')
        worker = it.worker(drain_timeout=0.1)
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _all(it, [id_], "running"), "the job runs")
        await it.until(lambda: _true(id_ in worker.slots.ids()), "the worker has it")
        worker.slots.cancel([id_])
        worker.stop()
        assert await asyncio.wait_for(task, 30) is End.GAVE_BACK
        assert (await it.job(id_))["status"] == "cancelled"


async def test_a_runner_that_forgets_its_timeout_is_ended_all_the_same(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is the runner's to keep; one that does not is cancelled after the grace time, as a timeout."""
    monkeypatch.setattr("specql_jobs.core.worker.slots.GRACE", 0.2)
    async with queue(dsn) as it:
        id_ = await it.add('{"deaf": 600}', timeout_seconds=1, max_attempts=1)
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["error_category"]) == ("failed", "timeout")
    assert "1 s" in row["error_message"]


async def test_a_worker_without_schema_or_database_says_so(empty_dsn: str) -> None:
    """No schema and no server are errors at start, not endless retries."""
    async with queue(empty_dsn) as it:
        with pytest.raises(SchemaAbsent):
            await it.worker().run()
        it.dsn = "postgresql://nobody@127.0.0.1:1/none"
        with pytest.raises(DatabaseUnavailable):
            await it.worker().run()


async def test_the_stop_signal_keeps_its_first_reason(dsn: str) -> None:
    """A job that was cancelled and then interrupted ends as cancelled."""
    async with queue(dsn) as it, it.working() as worker:
        id_ = await it.add('{"wait": 600}')
        await it.until(lambda: _all(it, [id_], "running"), "the job runs")
        await it.until(lambda: _true(id_ in worker.slots.ids()), "the worker has it")
        worker.slots.cancel([id_])
        worker.slots.interrupt("test")
        await it.until(lambda: _all(it, [id_], "cancelled"), "it is cancelled")
        assert worker.ready


async def _true(value: object) -> object:
    return value
