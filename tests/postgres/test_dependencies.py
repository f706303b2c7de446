"""Jobs that wait for other jobs: what releases them, what a failure makes of them, and that no end goes unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from support.queue import Queue, queue
from support.waiting import until_async

from specql_jobs.core.errors import InvalidInput, NotFound
from specql_jobs.core.job import DependencyFailure, NewJob
from specql_jobs.core.lifecycle import CRASH_BUDGET
from specql_jobs.core.store import db
from specql_jobs.core.store.store import new_job_id

FAILS = '{"fail": "target_error"}'
ENDED = ("completed", "failed", "cancelled")


def _job(*depends_on: UUID, orders: str = "{}", choice: str = "fail", **more: Any) -> NewJob:
    chosen = DependencyFailure(choice)
    return NewJob("svc", "op", orders, depends_on=depends_on, on_dependency_failure=chosen, **more)


async def _add(it: Queue, *depends_on: UUID, **more: Any) -> UUID:
    (made,) = await it.store.enqueue([_job(*depends_on, **more)])
    return made.id


async def _state(it: Queue, id_: UUID) -> dict[str, Any]:
    (row,) = await it.rows("SELECT * FROM jobs.tb_job_run WHERE id = %s", id_)
    return row


async def _states(it: Queue, *ids: UUID) -> list[tuple[str, int]]:
    return [(row["status"], row["blocked_by"]) for row in [await _state(it, id_) for id_ in ids]]


# ---- waiting ---------------------------------------------------------------------------------------------------------


async def test_a_job_is_not_claimed_before_all_that_it_waits_for_has_completed(dsn: str) -> None:
    """Of two dependencies the first to complete releases nothing; the second does, and the job is due at once."""
    async with queue(dsn) as it:
        first, second = await it.add(), await it.add()
        child = await _add(it, first, second)
        assert await _states(it, child) == [("pending", 2)]
        await it.rows(
            "SELECT jobs.mark_job_started(id), jobs.complete_job_successfully(id, '{}') "
            "FROM unnest(%s::uuid[]) AS t (id)",
            [first],
        )
        (claim,) = await it.claim("w", 9)
        assert (claim.id, await _states(it, child)) == (second, [("pending", 1)])
        await it.rows("UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now() WHERE id = %s", second)
        (claim,) = await it.claim("w", 9)
    assert claim.id == child


async def test_a_chain_and_a_diamond_run_in_their_order(dsn: str) -> None:
    """A worker runs each job after all that it waits for, whatever the order of their ids and priorities."""
    async with queue(dsn) as it:
        top = await it.add()
        left, right = await _add(it, top, priority=9), await _add(it, top)
        bottom = await _add(it, left, right, priority=99)
        last = await _add(it, bottom, priority=999)
        await it.drain()
        order = [UUID(id_) for id_, _ in it.puppet.ran]
    assert order[0] == top
    assert set(order[1:3]) == {left, right}
    assert order[3:] == [bottom, last]


async def test_what_is_released_wakes_an_idle_worker(dsn: str) -> None:
    """A worker that waits hears of a job that another program's ending has released."""
    async with queue(dsn) as it, await db.connect(dsn) as listener:
        parent = await it.add()
        child = await _add(it, parent)
        await it.rows("SELECT jobs.mark_job_started(%s)", parent)
        await it.rows(
            "INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, waiting) "
            "VALUES ('idle', 'h', 1, '0', 1, 1, true)"
        )
        await listener.execute("LISTEN specql_jobs_ready")
        await it.rows("SELECT jobs.complete_job_successfully(%s, '{}')", parent)
        heard = [note.channel async for note in listener.notifies(timeout=20, stop_after=1)]
        assert await _states(it, child) == [("pending", 0)]
    assert heard == ["specql_jobs_ready"]


async def test_an_external_program_cannot_start_a_blocked_job(dsn: str) -> None:
    """jobs.mark_job_started leaves a job alone that waits for another one."""
    async with queue(dsn) as it:
        child = await _add(it, await it.add())
        await it.rows("SELECT jobs.mark_job_started(%s)", child)
        assert await _states(it, child) == [("pending", 1)]


async def test_until_empty_does_not_wait_for_what_is_blocked_by_a_later_job(dsn: str) -> None:
    """A worker with --until-empty ends although a job waits for one that is scheduled for tomorrow."""
    async with queue(dsn) as it:
        child = await _add(it, await it.add(delay_seconds=86_400))
        await it.drain()
        assert await _states(it, child) == [("pending", 1)]


# ---- a dependency that does not complete -----------------------------------------------------------------------------


async def _by_settle(it: Queue, parent: UUID) -> None:
    await it.drain()


async def _by_crash_loop(it: Queue, parent: UUID) -> None:
    await it.claim("gone")
    await it.rows("UPDATE jobs.tb_job_run SET crash_count = %s WHERE id = %s", CRASH_BUDGET, parent)
    await it.store.rescue()


async def _by_cancel(it: Queue, parent: UUID) -> None:
    await it.store.cancel([parent], "", "test")


async def _by_specql(it: Queue, parent: UUID) -> None:
    await it.rows("SELECT jobs.mark_job_started(%s), jobs.fail_job(%s, 'no')", parent, parent)


async def _by_hand(it: Queue, parent: UUID) -> None:
    await it.rows("UPDATE jobs.tb_job_run SET status = 'failed' WHERE id = %s", parent)


async def _by_deletion(it: Queue, parent: UUID) -> None:
    await it.rows("DELETE FROM jobs.tb_job_run WHERE id = %s", parent)


ENDINGS = [_by_settle, _by_crash_loop, _by_cancel, _by_specql, _by_hand, _by_deletion]


@pytest.mark.parametrize("end", ENDINGS, ids=lambda end: end.__name__[1:])
async def test_whatever_ends_a_job_without_success_ends_those_that_wait_for_it(
    dsn: str, end: Callable[[Queue, UUID], Awaitable[None]]
) -> None:
    """Each by its own choice: one fails, one is skipped, one runs; no path that ends a job leaves them waiting."""
    async with queue(dsn) as it:
        parent = await it.add(FAILS)
        ids = [await _add(it, parent, choice=choice, delay_seconds=86_400) for choice in ("fail", "skip", "run")]
        await end(it, parent)
        rows = [await _state(it, id_) for id_ in ids]
        attempts = await it.rows("SELECT * FROM jobs.tb_job_attempt WHERE job_id = ANY (%s)", ids)
    assert [row["status"] for row in rows] == ["failed", "cancelled", "pending"]
    assert [row["error_category"] for row in rows] == ["dependency_failed", "dependency_failed", None]
    assert all(f"dependency {parent}" in row["error_message"] for row in rows[:2])
    assert (rows[2]["blocked_by"], attempts) == (0, [])
    assert all(row["completed_at"] and row["attempts"] == 0 for row in rows[:2])


async def test_a_failure_goes_down_a_long_chain_and_names_its_root(dsn: str) -> None:
    """A chain longer than a stack is deep ends with its head, in one transaction; the last message names the head."""
    async with queue(dsn) as it:
        ids = [new_job_id() for _ in range(1500)]
        links = [_job(before, id=id_) for before, id_ in pairwise(ids)]
        await it.store.enqueue([_job(id=ids[0], orders=FAILS), *links])
        await it.drain()
        counted = await it.rows("SELECT status, count(*) AS n FROM jobs.tb_job_run GROUP BY 1")
        last = await _state(it, ids[-1])
    assert [(row["status"], row["n"]) for row in counted] == [("failed", 1500)]
    assert last["error_message"] == f"dependency {ids[-2]} (svc.op) failed: dependency {ids[0]} (svc.op) failed"


async def test_a_result_and_what_it_releases_are_one_transaction(dsn: str) -> None:
    """Where the parent's end is rolled back, its dependents still wait."""
    async with queue(dsn) as it:
        parent = await it.add()
        child = await _add(it, parent)
        async with it.connection.transaction(force_rollback=True):
            await it.store.cancel([parent], "", "test")
            assert await _states(it, child) == [("failed", 0)]
        assert await _states(it, parent, child) == [("pending", 0), ("pending", 1)]


async def test_a_running_job_does_not_fail_with_a_dependency_that_is_retried_and_cancelled(dsn: str) -> None:
    """What has begun goes on, whatever becomes of a dependency later."""
    async with queue(dsn) as it:
        parent = await it.add()
        await it.store.cancel([parent], "", "test")
        child = await _add(it, parent, choice="run")
        await it.claim("w")
        await it.store.retry([parent], "", "test")
        await it.store.cancel([parent], "", "test")
        assert await _states(it, child) == [("running", 0)]


# ---- what may be waited for ------------------------------------------------------------------------------------------


async def test_a_completed_dependency_blocks_nothing_and_a_failed_one_decides_at_once(dsn: str) -> None:
    """A job made after its dependency has ended is ready, failed, skipped or ready by its choice."""
    async with queue(dsn) as it:
        good, bad = await it.add(), await it.add(FAILS)
        await it.drain()
        made = await it.store.enqueue([_job(good), _job(bad), _job(bad, choice="skip"), _job(bad, good, choice="run")])
        states = await _states(it, *(each.id for each in made))
    assert [each.status for each in made] == ["pending", "failed", "cancelled", "pending"]
    assert states == [("pending", 0), ("failed", 0), ("cancelled", 0), ("pending", 0)]


async def test_an_unknown_dependency_enqueues_nothing(dsn: str) -> None:
    """One id that no job has: an error that names it, and no job of the batch is there; in SQL too."""
    async with queue(dsn) as it:
        stranger = uuid4()
        with pytest.raises(NotFound, match=str(stranger)):
            await it.store.enqueue([_job(), _job(stranger)])
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match=str(stranger)):
            await it.rows("SELECT jobs.enqueue('svc', 'op', depends_on => ARRAY[%s::uuid])", stranger)
        assert await it.rows("SELECT id FROM jobs.tb_job_run") == []


async def test_no_ring_of_waiting_can_be_made(dsn: str) -> None:
    """A job of a batch that names itself or a later one is refused, and nothing is enqueued."""
    async with queue(dsn) as it:
        one, two = new_job_id(), new_job_id()
        for batch in ([_job(one, id=one)], [_job(two, id=one), _job(one, id=two)]):
            with pytest.raises(InvalidInput, match="later one"):
                await it.store.enqueue(batch)
        assert await it.rows("SELECT id FROM jobs.tb_job_run") == []


async def test_sql_enqueues_a_pipeline_in_one_transaction(dsn: str) -> None:
    """jobs.enqueue takes ids that jobs.enqueue returned, the same one twice if need be; unknown words are refused."""
    async with queue(dsn) as it:
        (row,) = await it.rows(
            "WITH a AS MATERIALIZED (SELECT jobs.enqueue('svc', 'op') AS id) "
            "SELECT a.id AS a, jobs.enqueue('svc', 'op', depends_on => ARRAY[a.id, a.id]) AS b FROM a"
        )
        assert await _states(it, row["a"], row["b"]) == [("pending", 0), ("pending", 1)]
        for words in ("on_dependency_failure => 'explode'", "depends_on => ARRAY[NULL::uuid]", "deadline => '-1 s'"):
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                await it.rows(f"SELECT jobs.enqueue('svc', 'op', {words})")


async def test_a_duplicate_key_in_a_batch_is_waited_for_as_the_job_that_has_it(dsn: str) -> None:
    """A line that names an earlier line whose key was taken waits for the job that took it."""
    async with queue(dsn) as it:
        before = await it.add(idempotency_key="k")
        id_ = new_job_id()
        known, child = await it.store.enqueue([_job(id=id_, idempotency_key="k"), _job(id_)])
        edges = await it.rows("SELECT depends_on FROM jobs.tb_job_dependency WHERE job_id = %s", child.id)
    assert (known.duplicate, known.id, edges) == (True, before, [{"depends_on": before}])


# ---- races -----------------------------------------------------------------------------------------------------------


async def test_a_dependency_that_ends_while_a_job_is_enqueued_releases_it(dsn: str) -> None:
    """The end waits for the enqueuing transaction, then finds the edge: no wake-up is lost between them."""
    async with queue(dsn) as it, queue(dsn) as watcher, await db.connect(dsn, "settler") as other:
        parent = await it.add()
        await it.rows("SELECT jobs.mark_job_started(%s)", parent)
        async with it.connection.transaction():
            child = await _add(it, parent)
            call = "SELECT jobs.complete_job_successfully(%s, '{}')"
            ending = asyncio.create_task(other.execute(call.encode(), (parent,)))
            await until_async(lambda: _waits(watcher, "settler"), "the end waits for a lock")
            assert not ending.done()
        await ending
        assert await _states(it, parent, child) == [("completed", 0), ("pending", 0)]


async def test_two_dependencies_that_end_at_once_release_the_job_once_both_have(dsn: str) -> None:
    """Each transaction sees one end of two; whichever commits last counts both."""
    async with queue(dsn) as it, queue(dsn) as watcher, await db.connect(dsn, "settler") as other:
        first, second = await it.add(), await it.add()
        child = await _add(it, first, second)
        await it.rows("SELECT jobs.mark_job_started(id) FROM unnest(%s::uuid[]) AS t (id)", [first, second])
        async with it.connection.transaction():
            await it.rows("SELECT jobs.complete_job_successfully(%s, '{}')", first)
            call = "SELECT jobs.complete_job_successfully(%s, '{}')"
            ending = asyncio.create_task(other.execute(call.encode(), (second,)))
            await until_async(lambda: _waits(watcher, "settler"), "the second end waits for the job's row")
        await ending
        assert await _states(it, child) == [("pending", 0)]


async def _waits(it: Queue, name: str) -> bool:
    # Asked outside of any transaction: inside one, the answer stays what it was at first.
    return bool(
        await it.rows(
            "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = %s "
            "AND datname = current_database()",
            name,
        )
    )


async def test_many_jobs_that_share_dependents_end_on_two_workers(dsn: str) -> None:
    """Every job of one layer waits for every job of the layer before: two workers settle them and nothing is stuck."""
    async with queue(dsn) as it:
        layers = [[new_job_id() for _ in range(12)] for _ in range(4)]
        jobs = [_job(*(layers[n - 1] if n else ()), id=id_) for n, layer in enumerate(layers) for id_ in layer]
        await it.store.enqueue(jobs)
        workers = [it.worker(concurrency=5, until_empty=True) for _ in range(2)]
        await asyncio.wait_for(asyncio.gather(*(worker.run() for worker in workers)), 60)
        await it.drain()
        order = [UUID(id_) for id_, _ in it.puppet.ran]
    assert [set(order[n * 12 : n * 12 + 12]) for n in range(4)] == [set(layer) for layer in layers]


# ---- retry and prune -------------------------------------------------------------------------------------------------


async def test_a_retried_job_brings_back_what_had_failed_because_of_it(dsn: str) -> None:
    """The whole tail waits again, failed or skipped alike; with the retry completed, all of it completes."""
    async with queue(dsn) as it:
        head = await it.add('{"fail": "target_error", "succeed_on": 1}')
        await it.rows("UPDATE jobs.tb_job_run SET status = 'failed', completed_at = now() WHERE id = %s", head)
        child = await _add(it, head)
        skipped, grandchild = await _add(it, head, choice="skip"), await _add(it, child)
        assert [status for status, _ in await _states(it, child, skipped, grandchild)] == [
            "failed",
            "cancelled",
            "failed",
        ]
        (changed,) = await it.store.retry([head], "mended", "mo")
        waiting = await _states(it, child, skipped, grandchild)
        ledger = await it.rows("SELECT job_id, outcome FROM jobs.tb_change_job")
        await it.drain()
        ended = await _states(it, head, child, skipped, grandchild)
    assert (changed.id, changed.outcome) == (head, "retried")
    assert waiting == [("pending", 1)] * 3
    assert {(row["job_id"], row["outcome"]) for row in ledger} == {
        (id_, "retried") for id_ in (head, child, skipped, grandchild)
    }
    assert ended == [("completed", 0)] * 4


async def test_a_job_stays_failed_while_what_it_depends_on_is(dsn: str) -> None:
    """Retrying only the job that waited changes nothing and says why; with its dependency in the same call both go."""
    async with queue(dsn) as it:
        head = await it.add(FAILS)
        child = await _add(it, head)
        await it.drain()
        (alone,) = await it.store.retry([child], "", "mo")
        assert await _states(it, child) == [("failed", 0)]
        both = await it.store.retry([child, head], "", "mo")
        states = await _states(it, head, child)
    assert alone.outcome == "dependency_failed"
    assert {each.outcome for each in both} == {"retried"}
    assert states == [("pending", 0), ("pending", 1)]


async def test_a_job_with_two_failed_dependencies_waits_for_both_retries(dsn: str) -> None:
    """The retry of one leaves it failed, because the other one still is; the retry of the second brings it back."""
    async with queue(dsn) as it:
        one, two = await it.add(FAILS), await it.add(FAILS)
        child = await _add(it, one, two)
        await it.drain()
        await it.store.retry([one], "", "mo")
        after_one = await _states(it, child)
        await it.store.retry([two], "", "mo")
        after_two = await _states(it, child)
    assert (after_one[0][0], after_two) == ("failed", [("pending", 2)])


async def test_a_cancelled_job_is_not_brought_back_by_its_dependency(dsn: str) -> None:
    """What a person cancelled stays cancelled; a job that runs all the same and has not begun waits again."""
    async with queue(dsn) as it:
        head = await it.add(FAILS)
        given_up, stubborn = await _add(it, head), await _add(it, head, choice="run", delay_seconds=86_400)
        await it.store.cancel([given_up], "", "mo")
        await it.drain()
        assert await _states(it, stubborn) == [("pending", 0)]
        await it.store.retry([head], "", "mo")
        states = await _states(it, given_up, stubborn)
    assert (states[0][0], states[1]) == ("cancelled", ("pending", 1))


async def test_pruning_a_dependency_leaves_its_dependents_as_they_are(dsn: str) -> None:
    """A pruned dependency still counts as it ended, for a job that waits for another one and for a later retry."""
    async with queue(dsn) as it:
        done, open_one = await it.add(), await it.add(delay_seconds=86_400)
        child = await _add(it, done, open_one)
        await it.drain()
        await it.rows("DELETE FROM jobs.tb_job_run WHERE id = %s", done)
        waiting = await _states(it, child)
        await it.store.cancel([open_one], "", "mo")
        await it.store.retry([open_one], "", "mo")
        again = await _states(it, child)
        await it.rows("DELETE FROM jobs.tb_job_run WHERE id = %s", child)
        edges = await it.rows("SELECT * FROM jobs.tb_job_dependency")
    assert (waiting, again, edges) == ([("pending", 1)], [("pending", 1)], [])


# ---- whose right it is -----------------------------------------------------------------------------------------------


@pytest.fixture
def role(dsn: str) -> Iterator[str]:
    """A role that may use the schema and nothing in it, dropped with its grants afterwards."""
    name = f"sqj_dependents_{uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name}; GRANT USAGE ON SCHEMA jobs TO {name}".encode())
        yield name
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


@pytest.mark.parametrize("call", ["note_ended", "judge_dependents"])
async def test_only_the_triggers_judge(dsn: str, role: str, call: str) -> None:
    """A role that may use the schema cannot judge other people's jobs: they stay as they are, due when they were."""
    async with queue(dsn) as it:
        first = await it.add()
        child = await _add(it, first)
        await it.rows("UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now() WHERE id = %s", first)
        before = await _state(it, child)
        await it.rows(f"SET ROLE {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await it.rows(f"SELECT jobs.{call}(%s)", [child])
        await it.rows("RESET ROLE")
        assert await _state(it, child) == before


@pytest.mark.parametrize("function", ["judge_ended", "judge_new_dependents", "collect_ended"])
async def test_nobody_else_makes_triggers_of_them(dsn: str, role: str, function: str) -> None:
    """The triggers' functions work as their owner, so a role cannot put them on a table of its own."""
    async with queue(dsn) as it:
        await it.rows(f"SET ROLE {role}")
        await it.rows("CREATE TEMPORARY TABLE bait (id uuid, status text)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await it.rows(
                f"CREATE TRIGGER hook AFTER UPDATE ON bait FOR EACH STATEMENT EXECUTE FUNCTION jobs.{function}()"
            )


@pytest.mark.parametrize(("end", "becomes"), [("completed", "pending"), ("failed", "failed")])
async def test_a_role_that_may_write_the_tables_needs_no_more(dsn: str, role: str, end: str, becomes: str) -> None:
    """Who may insert and update rows makes dependents, before and after the end, and ends what they wait for."""
    async with queue(dsn) as it:
        await it.rows(f"GRANT SELECT, INSERT, UPDATE ON jobs.tb_job_run, jobs.tb_job_dependency TO {role}")
        await it.rows(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO {role}")
        await it.rows(f"SET ROLE {role}")
        first = await it.add()
        child = await _add(it, first)
        await it.rows("UPDATE jobs.tb_job_run SET status = %s, completed_at = now() WHERE id = %s", end, first)
        late = await _add(it, first)
        assert await _states(it, child, late) == [(becomes, 0), (becomes, 0)]
