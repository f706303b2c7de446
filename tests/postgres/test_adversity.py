"""What may go wrong around a job without anybody's crash: bad runners, bad results, locks, timeouts, lost answers."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from support.postgres import PostgresAbsent, serve_private
from support.puppet import PuppetPlan, PuppetRunner
from support.queue import Queue, queue
from support.require import require
from support.waiting import PATIENCE

from specql_jobs.core.contract import Call, ExecutionContext, JobResult, LogChunk, Succeeded
from specql_jobs.core.errors import DatabaseUnavailable
from specql_jobs.core.lifecycle import RetryPolicy, settle
from specql_jobs.core.store import db, migrate
from specql_jobs.core.store.store import Store
from specql_jobs.core.worker.link import Link
from specql_jobs.core.worker.settler import Settler
from specql_jobs.core.worker.worker import End, Worker, run_worker


class Saboteur(PuppetRunner):
    """A puppet with a bug: in planning, in what it reports, or in sweeping."""

    def __init__(self, *, plan_bug: bool = False, sweep_bug: bool = False, result: JobResult | None = None) -> None:
        super().__init__()
        self._plan_bug, self._sweep_bug, self._result = plan_bug, sweep_bug, result

    def plan(self, spec: None, call: Call) -> PuppetPlan:
        """Raise for a job that asks for it."""
        if self._plan_bug and call.input.get("bad"):
            raise KeyError("a bug in planning")
        return super().plan(spec, call)

    async def execute(self, plan: PuppetPlan, context: ExecutionContext) -> JobResult:
        """Report the bad result for a job that asks for it."""
        obeyed = await super().execute(plan, context)
        return self._result if self._result and plan.orders.get("bad") else obeyed

    async def sweep(self, alive: frozenset[str]) -> list[str]:
        """Fail as a runner whose daemon is down would."""
        if self._sweep_bug:
            raise OSError("no daemon")
        return []


async def _is(it: Queue, id_: UUID, status: str) -> bool:
    return bool((await it.job(id_))["status"] == status)


async def _becomes(it: Queue, id_: UUID, status: str) -> None:
    await it.until(lambda: _is(it, id_, status), f"the job is {status}")


@asynccontextmanager
async def _another(dsn: str) -> AsyncIterator[db.Connection]:
    async with await db.connect(dsn, "another program") as connection:
        yield connection


# ---- runners ------------------------------------------------------------------------------------------------------


async def test_a_bug_in_planning_ends_the_job_and_not_more(dsn: str) -> None:
    """A runner that raises while it plans fails its job as `internal`; the row does not stay in `running`."""
    async with queue(dsn) as it:
        it.puppet = Saboteur(plan_bug=True)
        bad, sound = await it.add('{"bad": true}', max_attempts=1), await it.add()
        await it.drain()
        rows = [await it.job(bad), await it.job(sound)]
    assert [(row["status"], row["error_category"]) for row in rows] == [("failed", "internal"), ("completed", None)]


async def test_a_deaf_runner_that_is_given_up_leaves_no_running_row(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled job whose runner has to be cancelled from outside is recorded while the worker goes on."""
    monkeypatch.setattr("specql_jobs.core.worker.slots.GRACE", 0.2)
    async with queue(dsn) as it, it.working() as worker:
        id_ = await it.add('{"deaf": 600}')
        await _becomes(it, id_, "running")
        await it.store.cancel([id_], "", "test")
        await _becomes(it, id_, "cancelled")
        assert len(worker.slots) == 0


async def test_a_runner_that_cannot_sweep_does_not_end_the_worker(dsn: str) -> None:
    """An error while sweeping leftovers is logged; jobs go on."""
    async with queue(dsn) as it:
        it.puppet = Saboteur(sweep_bug=True)
        async with it.working() as worker:
            id_ = await it.add()
            await _becomes(it, id_, "completed")
            assert worker.ready


@pytest.mark.parametrize(
    "result",
    [
        JobResult(Succeeded({"ok": True}), usage={"cpu_seconds": math.nan}),
        JobResult(Succeeded({"ok": True}), usage={"cpu_seconds": object()}),
        JobResult(Succeeded({"ok": True}), logs=(LogChunk("stdout", "a\0b"),)),
        JobResult(Succeeded({"ok": True}), logs=(LogChunk("stdout", "half \ud800"),)),
        JobResult(Succeeded({"ok": True}), logs=(LogChunk("no such stream", "text"),)),
    ],
    ids=["usage-nan", "usage-object", "log-nul", "log-surrogate", "log-stream"],
)
async def test_side_information_that_cannot_be_stored_costs_no_result(dsn: str, result: JobResult) -> None:
    """Usage or output that Postgres refuses is dropped; the job is completed with its result, and so is its batch."""
    async with queue(dsn) as it:
        it.puppet = Saboteur(result=result)
        bad, sound = await it.add('{"bad": true}'), await it.add()
        await it.drain()
        rows = [await it.job(bad), await it.job(sound)]
    assert [row["status"] for row in rows] == ["completed", "completed"]
    assert rows[0]["output_data"] == {"ok": True}


async def test_a_trigger_that_refuses_a_result_fails_that_job_alone(dsn: str) -> None:
    """A row whose completion somebody's trigger refuses is failed with a sentence; the worker and the others go on."""
    async with queue(dsn) as it:
        bad, sound = await it.add(priority=-5), await it.add()
        await it.rows(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$"
        )
        await it.rows(
            "CREATE TRIGGER refuse BEFORE UPDATE ON jobs.tb_job_run FOR EACH ROW "
            "WHEN (NEW.status = 'completed' AND NEW.priority = -5) EXECUTE FUNCTION refuse()"
        )
        worker = await it.drain()
        rows = [await it.job(bad), await it.job(sound)]
    assert [row["status"] for row in rows] == ["failed", "completed"]
    assert "could not be stored" in rows[0]["error_message"]
    assert worker.settler.lost == 0


async def test_an_orphan_that_cannot_be_rescued_does_not_end_every_worker(dsn: str) -> None:
    """A row whose rescue somebody's trigger refuses is logged with every beat; heartbeats and other jobs go on."""
    async with queue(dsn) as it:
        orphan = await it.add(priority=-7)
        await it.claim("a ghost", 1)
        await it.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$")
        await it.rows(
            "CREATE TRIGGER refuse BEFORE UPDATE ON jobs.tb_job_run FOR EACH ROW "
            "WHEN (OLD.status = 'running' AND NEW.priority = -7) EXECUTE FUNCTION refuse()"
        )
        async with it.working() as worker:
            id_ = await it.add()
            await _becomes(it, id_, "completed")
            assert worker.ready
        assert (await it.job(orphan))["status"] == "running"


async def test_a_row_reset_by_hand_does_not_confuse_the_worker(dsn: str) -> None:
    """Two leases of one job in one worker, after somebody wrote `pending` into a running row, are kept apart."""
    async with queue(dsn) as it, it.working(drain_timeout=0.1) as worker:
        id_ = await it.add('{"wait": 600}')
        await _becomes(it, id_, "running")
        await it.until(lambda: _true(len(worker.slots) == 1), "the first attempt runs")
        await it.rows("UPDATE jobs.tb_job_run SET status = 'pending', worker_id = NULL")
        await it.until(lambda: _true(len(worker.slots) == 2), "both attempts are known")
        worker.slots.cancel([id_])
        await _becomes(it, id_, "cancelled")
        await it.until(lambda: _true(len(worker.slots) == 0), "no slot is left")


async def _true(value: object) -> object:
    return value


# ---- statements that fail without a lost connection ----------------------------------------------------------------


async def test_a_deadlock_costs_no_settlement(dsn: str) -> None:
    """A settling statement that Postgres chooses as the victim of a deadlock is written again."""
    async with queue(dsn) as it, _another(dsn) as other:
        first, second = sorted(await it.add_many(2))
        jobs = {job.id: job for job in await it.claim("w1", 2)}
        link = Link(dsn, "settle", patience=PATIENCE)
        settler = Settler(link, "w1")
        await other.execute("SET deadlock_timeout = '1h'")
        await other.execute("BEGIN")
        await other.execute("SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE", (second,))
        for id_ in (first, second):
            settler.add(settle(jobs[id_], JobResult(Succeeded()), RetryPolicy(), 3, 0.0))
        settling = asyncio.create_task(settler.run())
        await it.until(lambda: it.waits_for_a_lock("settle"), "the settler waits for a row")
        await other.execute("SELECT FROM jobs.tb_job_run WHERE id = %s FOR UPDATE", (first,))
        await other.execute("COMMIT")
        await asyncio.wait({settling, asyncio.ensure_future(settler.flushed())}, return_when=asyncio.FIRST_COMPLETED)
        settling.cancel()
        with suppress(asyncio.CancelledError):
            await settling
        await link.close()
        rows = [await it.job(id_) for id_ in (first, second)]
    assert [row["status"] for row in rows] == ["completed", "completed"]


async def test_a_cancelled_statement_does_not_end_the_worker(dsn: str) -> None:
    """An administrator's pg_cancel_backend, or a statement timeout, is waited out like a lost connection."""
    async with queue(dsn) as it, _another(dsn) as other, it.working() as worker:
        await it.until(lambda: _true(worker.ready), "the worker is ready")
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE jobs.tb_job_run IN ACCESS EXCLUSIVE MODE")
        await it.until(lambda: it.waits_for_a_lock("claim"), "the claim waits for the table")
        await it.rows(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%worker claim' "
            "AND datname = current_database()"
        )
        await other.execute("COMMIT")
        id_ = await it.add()
        await _becomes(it, id_, "completed")


async def test_an_index_built_on_the_table_interrupts_no_job(dsn: str) -> None:
    """While a lock keeps rescue and claims waiting, heartbeats go on: nothing is fenced, nobody is declared lost."""
    async with queue(dsn) as it, _another(dsn) as other, it.working() as worker:
        id_ = await it.add('{"wait": 6}')
        await _becomes(it, id_, "running")
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE jobs.tb_job_run IN SHARE MODE")
        await it.until(lambda: _has_passed(it, id_, 5), "the table is locked for 5 s")
        assert worker.pulse.alive.is_set()
        await other.execute("COMMIT")
        await _becomes(it, id_, "completed")
        row = await it.job(id_)
    assert (row["lease_seq"], row["attempts"], len(it.puppet.ran)) == (1, 1, 1)


async def _has_passed(it: Queue, id_: UUID, seconds: int) -> bool:
    sql = "SELECT clock_timestamp() > started_at + %s * interval '1 s' AS yes FROM jobs.tb_job_run WHERE id = %s"
    (row,) = await it.rows(sql, seconds, id_)
    return bool(row["yes"])


async def test_an_idle_worker_outlives_idle_session_timeout(dsn: str) -> None:
    """A database that closes idle sessions does not close a worker's, which are idle by trade."""
    async with queue(dsn) as it:
        await it.rows(f"ALTER DATABASE \"{it.connection.info.dbname}\" SET idle_session_timeout = '300ms'")
        async with it.working() as worker:
            for _ in range(2):
                id_ = await it.add()
                await _becomes(it, id_, "completed")
                await it.until(functools.partial(_has_passed, it, id_, 1), "a second has passed")
            assert worker.ready


async def test_the_databases_isolation_level_does_not_matter(dsn: str) -> None:
    """Where transactions are serializable by default, workers side by side still run each job exactly once."""
    async with queue(dsn) as it:
        await it.rows(f'ALTER DATABASE "{it.connection.info.dbname}" SET default_transaction_isolation = serializable')
        ids = await it.add_many(300)
        await asyncio.gather(*(it.worker(until_empty=True, concurrency=5).run() for _ in range(3)))
    assert sorted(job_id for job_id, _ in it.puppet.ran) == sorted(map(str, ids))


async def test_a_session_that_the_server_ends_is_opened_again(dsn: str) -> None:
    """Any fatal message of the server is a lost connection, whatever its reason, and ends no worker."""
    async with queue(dsn) as it, it.working() as worker:
        await it.until(lambda: _true(worker.ready), "the worker is ready")
        await worker._links["settle"].ask(_end_when_idle)
        id_ = await it.add()
        await _becomes(it, id_, "completed")


async def _end_when_idle(store: Store) -> None:
    await store.connection.execute("SET idle_session_timeout = '10ms'")


# ---- stopping -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [1.0, 3600.0])
async def test_a_worker_stops_although_its_database_is_gone(patience: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked to stop while Postgres is down, the worker ends with that error instead of waiting for ever."""
    monkeypatch.setattr("specql_jobs.core.worker.worker.LAST_PATIENCE", 1.0, raising=False)
    try:
        with serve_private() as server:
            async with await db.connect(server.dsn) as connection:
                await migrate.migrate(connection)
            async with queue(server.dsn) as it:
                id_ = await it.add('{"wait": 600}')
                worker = it.worker(drain_timeout=0.5, patience=patience)
                task = asyncio.create_task(worker.run())
                await _becomes(it, id_, "running")
                await it.until(lambda: _true(len(worker.slots) == 1), "the attempt runs")
            assert server.private is not None
            await asyncio.to_thread(server.private.leave)
            worker.stop()
            with pytest.raises(DatabaseUnavailable):
                await asyncio.wait_for(task, PATIENCE)
            assert len(worker.slots) == 0
    except PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))


async def test_a_worker_stops_although_its_claim_is_blocked(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that waits for somebody's table lock does not keep the drain from beginning."""
    monkeypatch.setattr("specql_jobs.core.worker.worker.LAST_PATIENCE", 1.0, raising=False)
    async with queue(dsn) as it, _another(dsn) as other:
        worker = it.worker(drain_timeout=0.1)
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _true(worker.ready), "the worker is ready")
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE jobs.tb_job_run IN ACCESS EXCLUSIVE MODE")
        await it.until(lambda: it.waits_for_a_lock("claim"), "the claim waits for the table")
        worker.stop()
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(task, PATIENCE)


async def test_a_stop_is_heard_while_a_lost_worker_cleans_up(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM between two identities ends the process; it is not forgotten with the old identity."""
    monkeypatch.setattr("specql_jobs.core.worker.slots.GRACE", 1.0)
    async with queue(dsn) as it:
        started: list[Worker] = []
        pattern = it.worker()
        running = run_worker(pattern.settings, pattern._around, [it.puppet], started.append)
        task = asyncio.create_task(running)
        id_ = await it.add('{"deaf": 600}')
        await _becomes(it, id_, "running")
        await it.rows("UPDATE jobs.tb_worker SET state = 'lost', stopped_at = now()")
        await it.until(lambda: _true(started[0].pulse.lost_for_good.is_set()), "the worker knows that it is lost")
        started[0].stop()
        assert await asyncio.wait_for(task, PATIENCE) is End.LOST
        assert len(started) == 1


async def test_max_jobs_lets_the_last_job_take_its_time(dsn: str) -> None:
    """A worker that has claimed its --max-jobs waits for them: the drain timeout is for a stop that was asked for."""
    async with queue(dsn) as it:
        id_ = await it.add('{"wait": 1}')
        await asyncio.wait_for(it.worker(max_jobs=1, drain_timeout=0.1).run(), PATIENCE)
        row = await it.job(id_)
    assert (row["status"], row["attempts"]) == ("completed", 1)


async def test_max_jobs_is_counted_over_all_identities(dsn: str) -> None:
    """A worker that was declared lost does not start its --max-jobs anew."""
    async with queue(dsn) as it:
        started: list[Worker] = []
        pattern = it.worker(max_jobs=2, concurrency=1)
        task = asyncio.create_task(run_worker(pattern.settings, pattern._around, [it.puppet], started.append))
        (id_,) = await it.add_many(1, '{"wait": 600}')
        await _becomes(it, id_, "running")
        await it.add_many(3)
        await it.rows("UPDATE jobs.tb_job_run SET input_data = '{}'")
        await it.rows("UPDATE jobs.tb_worker SET state = 'lost', stopped_at = now()")
        await asyncio.wait_for(task, PATIENCE)
    assert len(it.puppet.ran) == 2


async def test_until_empty_waits_for_the_jobs_of_a_dead_worker(dsn: str) -> None:
    """`--until-empty` does not leave a crashed worker's job in `running`: it rescues and finishes it."""
    async with queue(dsn) as it:
        id_ = await it.add()
        await it.store.register(_row("dead"))
        await it.claim("dead", 1)
        await it.drain()
        row = await it.job(id_)
    assert (row["status"], row["crash_count"]) == ("completed", 1)


def _row(worker_id: str) -> dict[str, Any]:
    given = {"worker_id": worker_id, "host": "h", "pid": 1, "version": "0", "lock_key": 77, "types": []}
    return {**given, "services": None, "concurrency": 1, "digest": ""}


# ---- liveness -----------------------------------------------------------------------------------------------------


async def test_a_lost_worker_claims_nothing(dsn: str) -> None:
    """A worker that was declared lost while it was frozen gets no job before it has noticed."""
    async with queue(dsn) as it:
        await it.add()
        await it.store.register(_row("frozen"))
        await it.rows("UPDATE jobs.tb_worker SET state = 'lost', stopped_at = now()")
        lost = await it.claim("frozen", 1)
        other = await it.claim("new", 1)
    assert (len(lost), len(other)) == (0, 1)


async def test_a_busy_session_lock_is_taken_as_soon_as_it_is_free(dsn: str) -> None:
    """A worker that reconnects while the server still has its old session gets its lock back later."""
    async with queue(dsn) as it, _another(dsn) as old_session:
        worker = it.worker()
        await old_session.execute("SELECT pg_advisory_lock(%s)", (worker.identity.lock_key,))
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _true(worker.ready), "the worker is ready")
        await old_session.execute("SELECT pg_advisory_unlock_all()")
        await it.until(lambda: _pulse_has_lock(it), "the pulse holds the lock")
        worker.stop()
        await asyncio.wait_for(task, PATIENCE)


async def _pulse_has_lock(it: Queue) -> bool:
    rows = await it.rows(
        "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted "
        "AND a.application_name LIKE '%worker pulse' AND a.datname = current_database()"
    )
    return bool(rows)


async def test_what_is_claimed_while_fenced_is_not_started(dsn: str) -> None:
    """A claim that is answered after the worker has fenced itself is given back: others may take its jobs."""
    async with queue(dsn) as it, _another(dsn) as other:
        name = it.connection.info.dbname
        worker = it.worker()
        task = asyncio.create_task(worker.run())
        await it.until(lambda: _true(worker.ready), "the worker is ready")
        id_ = await it.add()  # may be claimed at once; the next one is not
        await _becomes(it, id_, "completed")
        await it.add(delay_seconds=1.0)
        await other.execute("BEGIN")
        await other.execute("LOCK TABLE jobs.tb_job_run IN SHARE ROW EXCLUSIVE MODE")
        await it.until(lambda: it.waits_for_a_lock("claim"), "the claim waits for the table")
        async with _closed_to_new_connections(dsn, name):
            await it.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%worker pulse' "
                "AND datname = current_database()"
            )
            await it.until(lambda: _true(not worker.pulse.alive.is_set()), "the worker has fenced itself")
            (row,) = await it.rows(
                "SELECT clock_timestamp() - heartbeat_at < interval '8 s' AS early FROM jobs.tb_worker"
            )
            assert row["early"], "a server that lets others in is not down"
            await other.execute("COMMIT")
            await it.until(lambda: _no_claim_waits(it), "the claim is answered")
            ran_while_fenced = len(it.puppet.ran)
        await it.until(lambda: _all_completed(it), "the job runs after the fence is lifted")
        worker.stop()
        await asyncio.wait_for(task, PATIENCE)
        rows = await it.rows("SELECT attempts, crash_count FROM jobs.tb_job_run")
    assert (ran_while_fenced, len(it.puppet.ran)) == (1, 2)
    assert {(row["attempts"], row["crash_count"]) for row in rows} == {(1, 0)}


async def _no_claim_waits(it: Queue) -> bool:
    (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_job_run WHERE status = 'pending'")
    return not await it.waits_for_a_lock("claim") and row["n"] == 0


async def _all_completed(it: Queue) -> bool:
    rows = await it.rows("SELECT DISTINCT status FROM jobs.tb_job_run")
    return [row["status"] for row in rows] == ["completed"]


@asynccontextmanager
async def _closed_to_new_connections(dsn: str, name: str) -> AsyncIterator[None]:
    """Refuse new connections to the database, as a full server would; those that are open stay."""
    async with await db.connect(f"{dsn} dbname=postgres") as admin:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        try:
            yield
        finally:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
