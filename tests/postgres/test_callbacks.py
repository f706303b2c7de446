"""Callbacks in the settling transaction: which are called, with what, and what a bad one can and cannot do."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from support.callbacks import DONE, Shop, failed, shop
from support.queue import queue

from specql_jobs.core.contract import Cancelled, Interrupted, JobResult, LogChunk, Outcome, Refused, Violation
from specql_jobs.core.lifecycle import RetryPolicy, settle
from specql_jobs.core.store.callbacks import Caller
from specql_jobs.core.worker.calling import CallingSettler, Settlers, SharedLink
from specql_jobs.core.worker.settler import Settler
from specql_jobs.core.worker.tasks import cancelled


async def test_a_success_is_called_with_the_output_and_a_failure_with_its_message(dsn: str) -> None:
    """The functions get the job's id and its output, or its error message, in the transaction that settles the job."""
    async with shop(dsn) as it:
        await it.notes()
        await it.notes("failure")
        good, bad = await it.order(), await it.order()
        assert await it.ended(DONE, failed("card declined")) == {good, bad}
        assert set(await it.ledger()) == {(good, '{"ok": true}'), (bad, "card declined")}
        rows = await it.rows(
            "SELECT DISTINCT l.xid = e.batch AS same FROM app.ledger l JOIN jobs.tb_audit_event e ON e.job_id = l.job"
        )
        assert (rows, await it.runs()) == ([{"same": True}], [])


async def test_names_match_in_any_case(dsn: str) -> None:
    """Rows write entity, service and operation in whatever case their author likes."""
    async with shop(dsn) as it:
        await it.notes()
        (row,) = await it.rows("SELECT jobs.enqueue('SVC', 'Op', entity_type => 'oRDER') AS id")
        await it.ended(DONE)
        assert [job for job, _ in await it.ledger()] == [row["id"]]


@pytest.mark.parametrize(
    ("outcome", "called"),
    [
        (failed(retryable=True), 0),
        (Interrupted(), 0),
        (Cancelled(), 0),
        (Refused((Violation("x", "not allowed", "y"),)), 1),
        (failed(), 1),
    ],
    ids=["retried", "given back", "cancelled", "refused", "failed"],
)
async def test_only_an_end_that_nobody_chose_is_called(dsn: str, outcome: Outcome, called: int) -> None:
    """Not a retry, not an attempt that is given back, not a cancellation; a refusal is a failure."""
    async with shop(dsn) as it:
        await it.notes()
        await it.notes("failure")
        await it.order()
        await it.ended(outcome, attempts=3)
        assert len(await it.ledger()) == called


async def test_a_job_without_entity_or_registration_calls_nothing(dsn: str) -> None:
    """Other entities, operations and outcomes, and rows without an entity, leave the function alone."""
    async with shop(dsn) as it:
        await it.notes()
        for operation, entity in (("op", None), ("op", "Invoice"), ("other", "Order")):
            await it.order(operation, entity)
        await it.ended(DONE, DONE, DONE)
        await it.order()
        await it.ended(failed())
        assert (await it.ledger(), await it.runs()) == ([], [])


async def test_a_superseded_lease_calls_nothing(dsn: str) -> None:
    """A late result is refused, and its callback with it."""
    async with shop(dsn) as it:
        await it.notes()
        await it.order()
        late = await it.claimed()
        await it.store.rescue()
        assert await it.settled(late, (DONE,)) == set()
        assert await it.ledger() == []


async def test_a_registration_before_the_claim_counts_at_once(dsn: str) -> None:
    """No worker has to be told: what is registered is looked up in the claim itself."""
    async with shop(dsn) as it, it.working():
        id_ = await it.order(entity="Other")
        await it.until(lambda: _are(it, "completed", id_), "a job from before the registration is completed")
        await it.notes()
        later = await it.order()
        await it.until(lambda: _noted(it, later), "the callback of the job after it is called")


# ---- what a bad one can do -------------------------------------------------------------------------------------------

BAD = {
    "raises": ("RAISE EXCEPTION 'no such order'", "no such order"),
    "asserts": ("ASSERT false, 'impossible'", "impossible"),
    "divides": ("PERFORM 1 / 0", "division by zero"),
    "breaks a deferred constraint": ("INSERT INTO app.child VALUES (7)", "child_id_fkey"),
    "deadlock": ("RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'", "deadlock detected"),
    "serialisation": ("RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'", "could not serialize"),
    "commits": ("COMMIT", "invalid transaction termination"),
    "hangs": ("PERFORM pg_sleep(3600)", "statement timeout"),
    "no message": ("RAISE EXCEPTION USING MESSAGE = ''", "without a message"),
}


@pytest.mark.parametrize("body", BAD)
async def test_a_bad_callback_costs_neither_its_result_nor_its_neighbours(dsn: str, body: str) -> None:
    """The job is completed, what the callback wrote is undone, its error is kept, and the others are called."""
    code, says = BAD[body]
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 300)")
        await it.callback(f"INSERT INTO app.ledger (job) VALUES (job); {code}", operation="bad")
        await it.notes()
        bad, good = await it.order("bad"), await it.order()
        assert await it.ended(DONE, DONE) == {bad, good}
        assert {(await it.job(id_))["status"] for id_ in (bad, good)} == {"completed"}
        while await Caller(it.connection).rerun():  # a neighbour that was put off, when the timeout was used up
            pass
        assert [job for job, _ in await it.ledger()] == [good]
        (run,) = [each for each in await it.runs() if each["job_id"] == bad]
    assert (run["state"], run["attempts"]) == ("waiting", 1)
    assert says in run["error"]


async def test_constraints_stay_as_deferred_as_they_were(dsn: str) -> None:
    """A callback that inserts child before parent works behind another one, though each is checked at its end."""
    async with shop(dsn) as it:
        await it.callback(
            "INSERT INTO app.child VALUES (said->>'n' IS NULL OR true)::int; INSERT INTO app.parent VALUES (1) "
            "ON CONFLICT DO NOTHING".replace("(said->>'n' IS NULL OR true)::int", "(1)")
        )
        for _ in range(3):
            await it.order()
        await it.ended(DONE, DONE, DONE)
        assert await it.runs() == []
        assert len(await it.rows("SELECT * FROM app.child")) == 3


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("DELETE FROM jobs.tb_job_run j WHERE j.id = job", None),
        ("UPDATE jobs.tb_job_run j SET output_data = '{\"mine\": 1}' WHERE j.id = job", "completed"),
        ("UPDATE jobs.tb_job_run j SET status = 'failed' WHERE j.id = job", "failed"),
        ("PERFORM jobs.cancel(job)", "completed"),
        ("PERFORM jobs.retry(job)", "completed"),
    ],
)
async def test_a_callback_may_touch_its_own_row(dsn: str, body: str, left: str | None) -> None:
    """Deleted, changed, cancelled or retried from inside: whatever SQL allows happens, and nothing is stuck."""
    async with shop(dsn) as it:
        await it.callback(body)
        id_ = await it.order()
        assert await it.ended(DONE) == {id_}
        rows = await it.rows("SELECT status FROM jobs.tb_job_run")
        assert ([row["status"] for row in rows], await it.runs()) == ([left] if left else [], [])


async def test_a_callback_may_enqueue_the_next_job(dsn: str) -> None:
    """A pipeline of jobs: the next one is there when the first is settled, and its own callback is called in turn."""
    async with shop(dsn) as it:
        await it.callback("PERFORM jobs.enqueue('svc', 'next', entity_type => 'Order')")
        await it.notes(operation="next")
        await it.order()
        await it.ended(DONE)
        await it.ended(DONE)
        assert len(await it.ledger()) == 1


async def test_what_a_callback_leaves_in_its_session_is_gone(dsn: str) -> None:
    """search_path, role, settings, temporary tables and channels do not reach the next callback nor the next settle."""
    async with shop(dsn) as it:
        await it.rows("CREATE SCHEMA evil")
        await it.rows(
            "CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'epoch'::timestamptz $$"
        )
        await it.callback(
            "PERFORM set_config('search_path', 'evil, pg_catalog', false); SET statement_timeout = '77s'; "
            "CREATE TEMP TABLE leftover (); LISTEN elsewhere",
            operation="first",
        )
        await it.callback("INSERT INTO app.ledger (said) VALUES (current_setting('search_path'))")
        (before,) = await it.rows(
            "SELECT current_setting('search_path') AS p, current_setting('statement_timeout') AS t"
        )
        await it.order("first"), await it.order()
        await it.ended(DONE, DONE)
        assert await it.runs() == []
        assert [said for _, said in await it.ledger()] == [before["p"]]
        (after,) = await it.rows(
            "SELECT current_setting('search_path') AS p, current_setting('statement_timeout') AS t"
        )
        (left,) = await it.rows(
            "SELECT to_regclass('pg_temp.leftover') AS t, (SELECT count(*) FROM pg_listening_channels()) AS n"
        )
    assert after == before
    assert left == {"t": None, "n": 0}


async def test_a_hung_callback_holds_a_batch_for_one_timeout(dsn: str) -> None:
    """After one that used up the time the others are put off, not waited for one by one, and called afterwards."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 300)")
        await it.callback("PERFORM pg_sleep(3600)", operation="hang")
        await it.notes()
        await it.order("hang")
        ids = {await it.order() for _ in range(5)}
        await it.ended(*[DONE] * 6)
        assert [(run["state"], run["attempts"]) for run in await it.runs() if run["job_id"] in ids] == [
            ("waiting", 0)
        ] * 5
        while await Caller(it.connection).rerun():
            pass
        assert {job for job, _ in await it.ledger()} == ids


async def test_logs_and_failures_are_kept_beside_callbacks(dsn: str) -> None:
    """A settlement with captured output and one with a callback that deletes its row share a batch."""
    async with shop(dsn) as it:
        await it.callback("DELETE FROM jobs.tb_job_run j WHERE j.id = job", "failure")
        gone, kept = await it.order(), await it.order("other")
        jobs = await it.claimed(2)
        chunks = (LogChunk("stdout", "said"),)
        ended = [settle(job, JobResult(failed()), RetryPolicy(), 1, 0.0) for job in jobs]
        logged = [each._replace(logs=chunks) for each in ended]
        assert await it.store.settle(logged, "w1", "d") == {gone, kept}
        rows = await it.rows("SELECT job_id FROM jobs.tb_job_log")
    assert [row["job_id"] for row in rows] == [kept]


# ---- again -----------------------------------------------------------------------------------------------------------


async def test_a_failed_callback_is_called_again_until_it_succeeds(dsn: str) -> None:
    """Its row waits for its time, counts, and ends as done; then nothing is due any more."""
    async with shop(dsn) as it:
        name = await it.callback("RAISE EXCEPTION 'table is locked'")
        id_ = await it.order()
        await it.ended(DONE)
        assert await Caller(it.connection).rerun() is False  # not due yet
        await it.rerun()
        (run,) = await it.runs()
        assert (run["state"], run["attempts"], run["error"], run["function_name"]) == (
            "waiting",
            2,
            "table is locked",
            f"{name}(uuid, jsonb)",
        )
        await it.notes()
        await it.rerun()
        assert [job for job, _ in await it.ledger()] == [id_]
        (run,) = await it.runs()
        assert (run["state"], run["attempts"], run["error"]) == ("done", 3, None)
        assert await it.rerun() is False


async def test_a_callback_that_never_succeeds_is_given_up_and_stays_visible(dsn: str) -> None:
    """After max_attempts its row is failed, with the error; retry_callback gives it all its tries again."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(max_attempts => 3)")
        await it.callback("RAISE EXCEPTION 'never'")
        id_ = await it.order()
        await it.ended(DONE)
        while await it.rerun():
            pass
        (run,) = await it.runs()
        assert (run["state"], run["attempts"], run["error"]) == ("failed", 3, "never")
        assert await it.rows("SELECT jobs.retry_callback(%s) AS o", id_) == [{"o": "retried"}]
        await it.notes()
        assert await it.rerun()
        assert await it.rows("SELECT jobs.retry_callback(%s) AS o", id_) == [{"o": "already_done"}]
        assert await it.rows("SELECT jobs.retry_callback(gen_random_uuid()) AS o") == [{"o": "not_found"}]


async def test_a_stale_failure_is_not_reported_over_a_later_success(dsn: str) -> None:
    """A job that was run again by hand: the callback of its earlier end is dropped."""
    async with shop(dsn) as it:
        await it.callback("RAISE EXCEPTION 'busy'", "failure")
        await it.notes()
        id_ = await it.order()
        await it.ended(failed())
        await it.store.retry([id_], "", "test")
        await it.notes("failure")
        await it.rerun()
        await it.ended(DONE)
        assert [said for _, said in await it.ledger()] == ['{"ok": true}']
        (run,) = await it.runs()
    assert (run["state"], run["error"]) == ("dropped", "the job was run again meanwhile")


async def test_two_workers_call_one_callback_once(dsn: str) -> None:
    """Many connections that look at once share what is due between them."""
    async with shop(dsn) as it:
        await it.callback("RAISE EXCEPTION 'not yet'")
        ids = {await it.order() for _ in range(20)}
        await it.ended(*[DONE] * 20)
        await it.notes()
        await it.rows("UPDATE jobs.tb_callback_run SET next_at = now()")
        await asyncio.gather(*(_rerun_all(dsn) for _ in range(6)))
        jobs = [job for job, _ in await it.ledger()]
    assert (len(jobs), set(jobs)) == (20, ids)


async def _rerun_all(dsn: str) -> None:
    async with queue(dsn) as it:
        while await Caller(it.connection).rerun():
            pass


async def test_a_rescue_that_fails_a_job_has_its_callback_called(dsn: str) -> None:
    """A crash loop ends as a failure like others; its callback is called by the next worker that looks."""
    async with shop(dsn) as it:
        await it.notes("failure")
        id_ = await it.order()
        await it.rows("UPDATE jobs.tb_job_run SET crash_count = 99")
        await it.claimed()
        assert [status for _, status, _ in await it.store.rescue()] == ["failed"]
        assert await Caller(it.connection).rerun()
        ((job, said),) = await it.ledger()
    assert (job, "took its worker down" in said) == (id_, True)


# ---- through a worker ------------------------------------------------------------------------------------------------


async def test_a_callback_that_ends_its_connection_costs_no_result(dsn: str) -> None:
    """pg_terminate_backend from inside: the batch is settled without callbacks, which are then tried one by one."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(max_attempts => 2)")
        await it.callback("PERFORM pg_terminate_backend(pg_backend_pid())", "failure")
        await it.notes()
        killer, good = await it.order(fail="target_error"), await it.order()
        async with it.working():
            await it.until(lambda: _are(it, "completed", good), "the good job is completed")
            await it.until(lambda: _are(it, "failed", killer), "the failed job is settled as failed")
            await it.until(lambda: _noted(it, good), "the neighbour's callback is called")
            await it.rows("UPDATE jobs.tb_callback_run SET next_at = now()")
            await it.until(lambda: _given_up(it, killer), "the killer is given up")
        (run,) = [each for each in await it.runs() if each["job_id"] == killer]
    assert "connection was lost" in run["error"]


async def _are(it: Shop, status: str, *ids: UUID) -> bool:
    return {(await it.job(id_))["status"] for id_ in ids} == {status}


async def _noted(it: Shop, id_: UUID) -> bool:
    return [job for job, _ in await it.ledger()] == [id_]


async def _given_up(it: Shop, id_: UUID) -> bool:
    await it.rows("UPDATE jobs.tb_callback_run SET next_at = now() WHERE state = 'waiting'")
    return any(run["job_id"] == id_ and run["state"] == "failed" for run in await it.runs())


async def test_a_constraint_that_breaks_the_commit_itself_costs_no_result(dsn: str) -> None:
    """A trigger that defers its own check past the savepoint: the result is written whole, the callback is put off."""
    async with shop(dsn) as it:
        await it.rows(
            "CREATE FUNCTION app.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET CONSTRAINTS ALL DEFERRED; "
            "INSERT INTO app.child VALUES (9); RETURN NULL; END $$"
        )
        await it.rows(
            "CREATE CONSTRAINT TRIGGER again AFTER INSERT ON app.ledger DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION app.again()"
        )
        await it.notes()
        id_ = await it.order(output={"n": 1})
        await it.drain()
        row = await it.job(id_)
        assert (row["status"], row["output_data"]) == ("completed", {"n": 1})
        assert (await it.runs())[0]["state"] == "waiting"


async def test_jobs_of_one_worker_settle_beside_a_hung_callback(dsn: str) -> None:
    """Jobs without an entity are settled over another connection: they do not wait for anybody's callback."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 60000)")
        await it.callback("PERFORM pg_advisory_lock(4711); INSERT INTO app.ledger (job) VALUES (job)")
        await it.rows("SELECT pg_advisory_lock(4711)")
        slow = await it.order()
        async with it.working():
            await it.until(lambda: it.waits_for_a_lock("callbacks"), "the callback hangs")
            plain = await it.add()
            await it.until(lambda: _are(it, "completed", plain), "the job without an entity is completed")
            assert (await it.job(slow))["status"] == "running"
            await it.rows("SELECT pg_advisory_unlock(4711)")
            await it.until(lambda: _are(it, "completed", slow), "the other one is completed too")


async def test_a_worker_that_stops_leaves_callbacks_to_others(dsn: str) -> None:
    """Results that are still to be written then are written, and their callbacks are due for whoever looks next."""
    async with shop(dsn) as it:
        await it.notes()
        id_ = await it.order()
        (job,) = await it.claimed()
        link = SharedLink(dsn, "callbacks", patience=60)
        settlers = Settlers(Settler(link, "w1"), CallingSettler(link, "w1"))
        settlers.hurry()
        settlers.add(settle(job, JobResult(DONE), RetryPolicy(), 1, 0.0))
        settling = asyncio.create_task(settlers.run())
        await settlers.flushed()
        await cancelled(settling)
        await link.close()
        assert (settlers.settled, await it.ledger()) == (1, [])
        assert await Caller(it.connection).rerun()
        assert [job for job, _ in await it.ledger()] == [id_]


async def test_a_callback_that_catches_its_cancellation_is_ended_from_outside(dsn: str) -> None:
    """Its session is terminated, which nothing can catch; the job's result is then written without it."""
    async with shop(dsn) as it:
        await it.rows("SELECT jobs.limit_callbacks(timeout_ms => 100)")
        await it.callback("LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP")
        id_ = await it.order()
        (job,) = await it.claimed()
        link = SharedLink(dsn, "callbacks", patience=60, watch_after=0.1)
        settler = CallingSettler(link, "w1")
        settling = asyncio.create_task(settler.run())
        settler.add(settle(job, JobResult(DONE), RetryPolicy(), 1, 0.0))
        await it.until(lambda: _are(it, "completed", id_), "the job is completed")
        await settler.flushed()
        await cancelled(settling)
        await link.close()
        (run,) = await it.runs()
    assert (run["state"], run["attempts"], settler.settled) == ("waiting", 0, 1)


async def test_deadlocking_callbacks_are_called_again(dsn: str) -> None:
    """Two batches whose callbacks lock the same rows crosswise: one callback is the victim, and both jobs end."""
    async with shop(dsn) as it:
        await it.rows("INSERT INTO app.parent VALUES (1), (2)")
        lock = "PERFORM FROM app.parent p WHERE p.id = {} FOR UPDATE"
        wait = "; PERFORM pg_sleep(0.3); "
        await it.callback(lock.format(1) + wait + lock.format(2), operation="up")
        await it.callback(lock.format(2) + wait + lock.format(1), operation="down")
        ids = {await it.order("up"), await it.order("down")}
        one, other = await it.claimed(2)
        async with queue(dsn) as second:
            there = Shop(dsn, second.connection)
            applied = await asyncio.gather(it.settled((one,), (DONE,)), there.settled((other,), (DONE,), worker="w2"))
        assert applied[0] | applied[1] == ids
        victims = [run["sql_state"] for run in await it.runs()]
    assert victims == ["40P01"]
