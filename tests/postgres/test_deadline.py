"""A deadline over all attempts of a job: from its row, from the registry, and what a retry by a person makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from uuid import UUID

from support.queue import Queue, queue, registry

from specql_jobs.core.job import NewJob
from specql_jobs.core.registry.model import Registry

DOWN = '{"fail": "target_unavailable", "retryable": true}'


def _with_deadlines(service: float | None, operation: float | None = None) -> Registry:
    """Return the puppet's registry, where service and operation state these deadlines."""
    plain = registry()
    known = plain.services["svc"]
    operations = {"op": replace(known.operations["op"], deadline=operation)}
    return replace(plain, services={"svc": replace(known, deadline=service, operations=operations)})


async def _row(it: Queue, id_: UUID) -> Mapping[str, Any]:
    sql = "SELECT *, date_part('epoch', deadline_at - now()) AS deadline_in FROM jobs.tb_job_run WHERE id = %s"
    (row,) = await it.rows(sql, id_)
    return MappingProxyType(row)


async def _age(it: Queue, id_: UUID, *columns: str, seconds: int = 3600) -> None:
    moved = ", ".join(f"{column} = {column} - {seconds} * interval '1 second'" for column in columns)
    await it.rows(f"UPDATE jobs.tb_job_run SET {moved} WHERE id = %s", id_)


# ---- the row's deadline ----------------------------------------------------------------------------------------------


async def test_a_job_that_is_claimed_after_its_deadline_is_not_executed(dsn: str) -> None:
    """It fails with `timeout` and a message that says so; its runner never hears of it."""
    async with queue(dsn) as it:
        id_ = await it.add(deadline_seconds=60)
        await _age(it, id_, "deadline_at")
        await it.drain()
        row = await _row(it, id_)
    assert (row["status"], row["error_category"], it.puppet.ran) == ("failed", "timeout", [])
    assert row["error_message"].startswith("the job's deadline had passed")


async def test_a_retry_that_could_start_only_after_the_deadline_is_not_scheduled(dsn: str) -> None:
    """The job fails at once with its last error, and says that the deadline is why it is not tried again."""
    async with queue(dsn) as it:
        id_ = await it.add(DOWN[:-1] + ', "retry_after": 200}', max_attempts=9, deadline_seconds=100)
        await it.drain()
        row = await _row(it, id_)
    assert (row["status"], row["attempts"], row["error_category"]) == ("failed", 1, "target_unavailable")
    assert row["error_message"].startswith("failed as ordered; not tried again: in 200 s")
    assert row["error_message"].endswith("its deadline is over")


async def test_the_deadline_shortens_the_last_attempt(dsn: str) -> None:
    """An attempt that would take longer than what is left is timed out at the deadline, and is the last one."""
    async with queue(dsn) as it:
        id_ = await it.add('{"wait": 300}', max_attempts=9, deadline_seconds=0.5)
        await it.drain()
        row = await _row(it, id_)
    assert (row["status"], row["attempts"], row["error_category"]) == ("failed", 1, "timeout")
    assert row["error_message"].endswith("not tried again: the job's deadline has passed")
    assert row["completed_at"] >= row["deadline_at"]


async def test_within_its_deadline_a_job_is_retried_as_ever(dsn: str) -> None:
    """Retries that fit go on, and the deadline stays the one that it was."""
    async with queue(dsn) as it:
        id_ = await it.add(DOWN[:-1] + ', "succeed_on": 3}', max_attempts=9, deadline_seconds=3600)
        before = (await _row(it, id_))["deadline_at"]
        await it.drain()
        row = await _row(it, id_)
    assert (row["status"], row["attempts"], row["deadline_at"]) == ("completed", 3, before)


async def test_sql_states_a_deadline_from_the_due_time_on(dsn: str) -> None:
    """jobs.enqueue takes an interval; it counts from run_at where that is in the future."""
    async with queue(dsn) as it:
        (row,) = await it.rows(
            "SELECT jobs.enqueue('svc', 'op', deadline => '2 hours') AS now, "
            "jobs.enqueue('svc', 'op', run_at => now() + interval '1 day', deadline => '2 hours') AS later"
        )
        soon, later = await _row(it, row["now"]), await _row(it, row["later"])
        (batched,) = await it.store.enqueue([NewJob("svc", "op", delay_seconds=86_400, deadline_seconds=7200)])
        in_batch = await _row(it, batched.id)
    assert (soon["deadline_at"] - soon["run_at"]).total_seconds() == 7200
    assert (later["deadline_at"] - later["run_at"]).total_seconds() == 7200
    assert (in_batch["deadline_at"] - in_batch["run_at"]).total_seconds() == 7200


# ---- the registry's --------------------------------------------------------------------------------------------------


async def test_the_registrys_deadline_counts_from_the_first_due_time(dsn: str) -> None:
    """A job due for longer is not executed; one that was scheduled long ago and is due only now is."""
    async with queue(dsn) as it:
        late, scheduled = await it.add(), await it.add()
        await _age(it, late, "run_at", "created_at")
        await _age(it, scheduled, "created_at")
        await it.drain(services=_with_deadlines(60))
        rows = [await _row(it, late), await _row(it, scheduled)]
    assert [(row["status"], row["error_category"]) for row in rows] == [("failed", "timeout"), ("completed", None)]


async def test_the_operations_deadline_goes_before_the_services_and_the_rows_before_both(dsn: str) -> None:
    """Of three deadlines the row's counts, then the operation's, then the service's."""
    async with queue(dsn) as it:
        own, plain = await it.add(deadline_seconds=86_400), await it.add()
        for id_ in (own, plain):
            await _age(it, id_, "run_at")
        await it.drain(services=_with_deadlines(86_400, 60))
        states = [(await _row(it, id_))["status"] for id_ in (own, plain)]
    assert states == ["completed", "failed"]


async def test_the_registrys_deadline_is_kept_for_the_attempts_that_follow(dsn: str) -> None:
    """The first failure writes it into the row, so that later due times do not move it."""
    async with queue(dsn) as it:
        id_ = await it.add(DOWN[:-1] + ', "retry_after": 200}', max_attempts=9)
        await it.drain(services=_with_deadlines(3600), until_empty=False, max_jobs=1)
        row = await _row(it, id_)
    assert row["status"] == "pending"
    assert 3000 < row["deadline_in"] <= 3600


async def test_waiting_for_another_job_does_not_use_up_the_registrys_deadline(dsn: str) -> None:
    """A job that was blocked for long is due from its release on."""
    async with queue(dsn) as it:
        parent = await it.add()
        (child,) = await it.store.enqueue([NewJob("svc", "op", depends_on=(parent,))])
        await _age(it, child.id, "run_at", "created_at")
        await it.rows("UPDATE jobs.tb_job_run SET status = 'completed', completed_at = now() WHERE id = %s", parent)
        await it.drain(services=_with_deadlines(60))
        row = await _row(it, child.id)
    assert row["status"] == "completed"


# ---- by hand ---------------------------------------------------------------------------------------------------------


async def test_a_retry_by_a_person_gives_the_deadline_up(dsn: str) -> None:
    """The row's own deadline is gone, and the registry's counts anew from now."""
    async with queue(dsn) as it:
        id_ = await it.add(deadline_seconds=60)
        await _age(it, id_, "deadline_at", "run_at")
        await it.drain()
        await it.store.retry([id_], "late is better than never", "mo")
        retried = await _row(it, id_)
        await it.drain(services=_with_deadlines(60))
        row = await _row(it, id_)
    assert (retried["deadline_at"], row["status"]) == (None, "completed")
