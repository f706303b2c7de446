"""The audit trail: an event for every execution and refusal, append-only, and a check that finds tampering."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import psycopg
import pytest
from support.queue import Queue, queue, registry

from specql_jobs.core.job import NewJob
from specql_jobs.core.policy import Policy
from specql_jobs.core.store import audit

#: What a superuser does who wants to rewrite history.
UNLOCK = """
ALTER TABLE jobs.tb_audit_event DISABLE TRIGGER USER;
ALTER TABLE jobs.tb_audit_link DISABLE TRIGGER USER;
ALTER TABLE jobs.tb_audit_chain DISABLE TRIGGER USER;
"""


async def _events(it: Queue) -> list[dict[str, Any]]:
    return (await audit.list_events(it.connection, audit.EventSelector(), None)).rows


async def _breaks(it: Queue, *known: str) -> list[tuple[int | None, str]]:
    return [(each.seq, each.reason) for each in (await audit.verify(it.connection, known)).breaks]


async def _worked(it: Queue, *batches: int) -> str:
    """Let one worker settle so many batches of jobs, one after the other; return its chain."""
    async with it.working() as worker:
        for size in batches:
            before = worker.settler.settled
            await it.add_many(size)

            async def settled(wanted: int = before + size) -> bool:
                return worker.settler.settled == wanted

            await it.until(settled, "the batch is settled")
    return worker.identity.worker_id


async def test_every_attempt_leaves_one_event(dsn: str) -> None:
    """Success, each failed try and the last one are told with job, attempt, outcome, registry and policy."""
    async with queue(dsn) as it:
        done = await it.add()
        failing = await it.add('{"fail": "target_unavailable", "retryable": true}', max_attempts=2)
        worker = await it.drain()
        found = {(each["job_id"], each["attempt"]): each for each in await _events(it)}
    assert {key: each["outcome"] for key, each in found.items()} == {
        (done, 1): "succeeded",
        (failing, 1): "failed",
        (failing, 2): "failed",
    }
    assert [found[failing, n]["status"] for n in (1, 2)] == ["pending", "failed"]
    event = found[done, 1]
    assert (event["worker_id"], event["runner_version"]) == (worker.identity.worker_id, "puppet/1")
    assert (event["registry_digest"], event["policy_digest"]) == ("d" * 64, Policy().digest())
    assert event["duration_ms"] >= 0


async def test_a_refusal_says_why_and_holds_no_input(dsn: str) -> None:
    """A row that asks for more than the policy is told with the violations; what the job was given is nowhere."""
    async with queue(dsn) as it:
        id_ = await it.add('{"card": "4242-4242"}')
        asked = json.dumps({"network_access": "all"})
        await it.rows("UPDATE jobs.tb_job_run SET security_context = %s::jsonb WHERE id = %s", asked, id_)
        await it.drain()
        (event,) = await _events(it)
    assert (event["outcome"], event["error_category"], event["status"]) == ("refused", "policy_violation", "failed")
    assert [each["field"] for each in event["violations"]] == ["network_access"]
    assert "4242-4242" not in json.dumps(event, default=str)
    assert it.puppet.ran == []


async def test_a_narrowed_job_is_told_with_its_own_policy(dsn: str) -> None:
    """The policy digest is that of the policy in force, so a row that took something away shows."""
    async with queue(dsn) as it:
        id_ = await it.add()
        asked = json.dumps({"max_execution_time": 5})
        await it.rows("UPDATE jobs.tb_job_run SET security_context = %s::jsonb WHERE id = %s", asked, id_)
        await it.drain()
        (event,) = await _events(it)
    assert event["outcome"] == "succeeded"
    assert event["policy_digest"] == Policy(max_execution_time=5.0).digest() != Policy().digest()


async def test_a_lost_workers_jobs_are_told(dsn: str) -> None:
    """A rescue is an event of its own: nobody knows how far the lost worker came, but it had the job."""
    async with queue(dsn) as it:
        id_ = await it.add()
        await it.rows(
            "UPDATE jobs.tb_job_run SET status = 'running', worker_id = 'gone', started_at = now(), attempts = 1, "
            "lease_seq = 1 WHERE id = %s",
            id_,
        )
        await it.store.rescue()
        (event,) = await _events(it)
        assert await _breaks(it) == []
    assert (event["outcome"], event["worker_id"], event["chain"]) == ("worker_lost", "gone", "rescue")


async def test_a_lost_settlement_leaves_no_event(dsn: str) -> None:
    """What the fence refuses was not applied, and the trail does not say that it was."""
    async with queue(dsn) as it:
        await it.add('{"wait": 30}')
        async with it.working() as worker:

            async def running() -> bool:
                return len(it.puppet.ran) == 1

            await it.until(running, "the job runs")
            await it.rows("UPDATE jobs.tb_job_run SET lease_seq = lease_seq + 1")
            worker.stop()
            worker.stop()
        assert [each for each in await _events(it) if each["outcome"] != "interrupted"] == []
        assert await _breaks(it) == []


async def test_two_workers_keep_a_chain_each(dsn: str) -> None:
    """Each worker has a chain of its own, and a check of all of them finds them whole."""
    async with queue(dsn) as it:
        await it.add_many(400)
        workers = [it.worker(until_empty=True, concurrency=40) for _ in range(2)]
        await asyncio.gather(*(worker.run() for worker in workers))
        verdict = await audit.verify(it.connection)
    assert {chain.name for chain in verdict.chains} <= {worker.identity.worker_id for worker in workers}
    assert sum(chain.events for chain in verdict.chains) == 400
    assert verdict.breaks == ()


@pytest.mark.parametrize("table", ["tb_audit_event", "tb_audit_link", "tb_audit_chain"])
@pytest.mark.parametrize(
    "statement", ["UPDATE jobs.{} SET chain = 'x'", "DELETE FROM jobs.{}", "TRUNCATE jobs.{} CASCADE"]
)
@pytest.mark.parametrize("role", ["origin", "replica"])
async def test_nobody_changes_what_is_written(dsn: str, table: str, statement: str, role: str) -> None:
    """UPDATE, DELETE and TRUNCATE are refused even to a superuser, whatever session_replication_role says."""
    async with queue(dsn) as it:
        await _worked(it, 1)
        await it.rows(f"SET session_replication_role = {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await it.rows(statement.format(table))
        assert await _breaks(it) == []


COPIED = "SELECT {}, outcome, job_id, 9, 9, 's', 'o', 'failed' FROM jobs.tb_audit_event ORDER BY id LIMIT 1"
COLUMNS = "outcome, job_id, lease_seq, attempt, service_name, operation, status"
REHASHED = "jobs.audit_link_hash(chain, seq, batch, first_id, last_id, anchors, previous_hash)"
CUT_OUT = ("DELETE FROM jobs.tb_audit_event WHERE id = 3", "DELETE FROM jobs.tb_audit_link WHERE seq = 2")

#: How -> statements, then the first link that does not hold any more and why. Event 2 is in link 1, 3 in 2, 4 in 3.
TAMPERING: dict[str, tuple[tuple[str, ...], tuple[int | None, str]]] = {
    "an event is changed": (
        ("UPDATE jobs.tb_audit_event SET outcome = 'failed' WHERE id = 3",),
        (2, "event_changed"),
    ),
    "a name is moved over": (
        ("UPDATE jobs.tb_audit_event SET service_name = 's', operation = E'vc\x1fop' WHERE id = 3",),
        (2, "event_changed"),
    ),
    "an event is deleted": (("DELETE FROM jobs.tb_audit_event WHERE id = 3",), (2, "event_missing")),
    "an event is slipped in": (
        (
            f"INSERT INTO jobs.tb_audit_event (id, chain, batch, {COLUMNS}) OVERRIDING SYSTEM VALUE "
            + COPIED.format("1, chain, batch"),
            "UPDATE jobs.tb_audit_link SET first_id = 1 WHERE seq = 1",
        ),
        (1, "event_added"),
    ),
    "an event is written past the trigger": (
        (f"INSERT INTO jobs.tb_audit_event (chain, {COLUMNS}) " + COPIED.format("chain"),),
        (None, "event_unlinked"),
    ),
    "a link is deleted with its events": (CUT_OUT, (3, "link_missing")),
    "the links after it are renumbered too": (
        (
            *CUT_OUT,
            "UPDATE jobs.tb_audit_link SET seq = 2 WHERE seq = 3",
            "UPDATE jobs.tb_audit_chain SET seq = 2",
        ),
        (2, "link_changed"),
    ),
    "a hash is made to fit": (
        (
            "UPDATE jobs.tb_audit_event SET outcome = 'failed' WHERE id = 3",
            f"UPDATE jobs.tb_audit_link SET hash = {REHASHED} WHERE seq = 2",
        ),
        (3, "link_changed"),
    ),
    "the tail is cut": (
        ("DELETE FROM jobs.tb_audit_event WHERE id = 4", "DELETE FROM jobs.tb_audit_link WHERE seq = 3"),
        (2, "head_moved"),
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_tampering_is_found(dsn: str, how: str) -> None:
    """Whoever owns the database can switch the triggers off; the check names the first link that does not hold."""
    statements, found = TAMPERING[how]
    async with queue(dsn) as it:
        await it.rows("SELECT nextval(pg_get_serial_sequence('jobs.tb_audit_event', 'id'))")  # leaves id 1 free
        await _worked(it, 1, 1, 1)
        assert await _breaks(it) == []
        await it.rows(UNLOCK)
        for each in statements:
            await it.rows(each)
        assert (await _breaks(it))[0] == found


async def test_a_whole_chain_cannot_vanish(dsn: str) -> None:
    """A later chain has seen the head of the one before it; so has whoever kept a hash from a worker's log."""
    async with queue(dsn) as it:
        gone = await _worked(it, 2)
        (head,) = [chain.head for chain in (await audit.verify(it.connection)).chains]
        await _worked(it, 1)
        assert head is not None
        assert await _breaks(it, head) == []
        await it.rows(UNLOCK)
        for table in ("event", "link", "chain"):
            await it.rows(f"DELETE FROM jobs.tb_audit_{table} WHERE chain = %s", gone)
        assert await _breaks(it, head) == [(1, "chain_missing"), (None, "head_unknown")]


async def test_the_check_does_not_depend_on_the_session(dsn: str) -> None:
    """Another time zone, date style or client finds the same hashes."""
    async with queue(dsn) as it:
        await _worked(it, 3)
        await it.rows("SET timezone = 'Asia/Tokyo'")
        await it.rows("SET datestyle = 'German'")
        assert await _breaks(it) == []


async def test_a_rolled_back_settlement_leaves_no_link(dsn: str) -> None:
    """Event, link and head are written in the settling transaction: all or none."""
    async with queue(dsn) as it:
        await _worked(it, 1)
        async with it.connection.transaction(force_rollback=True):
            await it.rows(f"INSERT INTO jobs.tb_audit_event (chain, {COLUMNS}) " + COPIED.format("chain"))
            assert len(await _events(it)) == 2
        assert await _breaks(it) == []
        assert len(await _events(it)) == 1


async def test_events_are_selected(dsn: str) -> None:
    """By job, service, outcome, worker and time; different fields AND together."""
    async with queue(dsn) as it:
        ((one,), (other,)) = [
            [made.id for made in await it.store.enqueue([NewJob(service, "op", orders)])]
            for service, orders in (("svc", "{}"), ("other", '{"fail": "target_error"}'))
        ]
        worker = it.worker(registry("svc", "other"), until_empty=True)
        await worker.run()

        async def chosen(**fields: Any) -> set[Any]:
            page = await audit.list_events(it.connection, audit.EventSelector(**fields), None)
            return {row["job_id"] for row in page.rows}

        words = audit.Words
        assert await chosen() == {one, other}
        assert await chosen(ids=(one,)) == {one}
        assert await chosen(service=words(("SVC",))) == {one}
        assert await chosen(outcome=words((), ("succeeded",))) == {other}
        assert await chosen(operation=words(("other.op",)), worker=words((worker.identity.worker_id,))) == {other}
        assert await chosen(since=audit.Moment(ago_seconds=3600.0)) == {one, other}
        assert await chosen(until=audit.Moment(ago_seconds=3600.0)) == set()
