"""Schedules over a real Postgres: each tick makes one job, whoever asks for it and whatever happens meanwhile."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.queue import Queue, queue, registry

from specql_jobs.core.registry.model import OnMissed, Operation, Registry, Schedule
from specql_jobs.core.store.store import Scope

EVERY_SECOND = Schedule(name="often", cron="* * * * * *")
HOURLY = Schedule(name="hourly", cron="0 * * * *")


def scheduled(*schedules: Schedule, digest: str = "d" * 64, name: str = "svc") -> Registry:
    """Return a registry whose one operation has schedules."""
    plain = registry(name, digest=digest)
    operation = Operation(name="op", service=name, input_schema={"type": "object"}, schedules=schedules)
    return replace(plain, services={name: replace(plain.services[name], operations={"op": operation})})


async def ticks(it: Queue) -> list[str]:
    """Return the keys of all jobs that schedules made, in their order."""
    rows = await it.rows(
        "SELECT idempotency_key AS key FROM jobs.tb_job_run WHERE idempotency_key LIKE %s", "schedule:%"
    )
    return sorted(row["key"] for row in rows)


async def has_ticks(it: Queue, count: int) -> None:
    await it.until(lambda: _at_least(it, count), f"{count} ticks")


async def _at_least(it: Queue, count: int) -> bool:
    return len(await ticks(it)) >= count


async def lags(it: Queue, interval: str, where: str = "true") -> None:
    """Make it as if the last tick had been done a while ago."""
    await it.rows(f"UPDATE jobs.tb_schedule SET last_tick = last_tick - interval '{interval}' WHERE {where}")


async def known(it: Queue) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in await it.rows("SELECT * FROM jobs.tb_schedule")}


async def is_known(it: Queue, *names: str) -> None:
    await it.until(lambda: _has(it, names), f"schedules {names}")


async def _has(it: Queue, names: tuple[str, ...]) -> bool:
    return set(names) <= set(await known(it))


async def one_round(it: Queue, services: Registry, *, jobs: int = 0) -> None:
    """Have a worker load a registry, see that nothing else is due, and stop."""
    async with it.working(services=services) as worker:
        await it.until(lambda: _rests(worker), "the schedules were looked at")
        assert len(await ticks(it)) == jobs


async def _rests(worker: Any) -> bool:
    return bool(worker._scheduler.looked)


async def test_four_workers_make_one_job_of_each_tick(dsn: str) -> None:
    """No tick is missing between the first and the last, and none is there twice."""
    async with queue(dsn) as it, AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(it.working(services=scheduled(EVERY_SECOND)))
        await has_ticks(it, 4)
    async with queue(dsn) as it:
        found = await ticks(it)
        (row,) = await it.rows(
            "SELECT extract(epoch FROM max(at) - min(at))::int AS seconds, count(DISTINCT at) AS distinct FROM "
            "(SELECT split_part(idempotency_key, ':often:', 2)::timestamptz AS at FROM jobs.tb_job_run) AS t"
        )
    assert len(found) == len(set(found)) == row["distinct"] == row["seconds"] + 1


async def test_the_database_clock_decides(dsn: str) -> None:
    """A worker whose clock is 37 minutes behind the database's makes ticks of the database's time."""
    async with queue(dsn) as it:
        await it.rows("CREATE SCHEMA skew")
        await it.rows(
            "CREATE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS "
            "$$ SELECT pg_catalog.clock_timestamp() + interval '37 minutes' $$"
        )
        await it.rows(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = skew, pg_catalog, public', "
            "current_database()); END $$"
        )
        async with it.working(services=scheduled(EVERY_SECOND)):
            await has_ticks(it, 2)
        (row,) = await it.rows(
            "SELECT extract(epoch FROM max(split_part(idempotency_key, ':often:', 2)::timestamptz) - now()) AS ahead "
            "FROM jobs.tb_job_run"
        )
    assert 36 * 60 < row["ahead"] < 38 * 60


async def test_a_new_schedule_does_not_replay_the_past(dsn: str) -> None:
    """A schedule counts from the moment that a worker has loaded it."""
    async with queue(dsn) as it:
        await one_round(it, scheduled(HOURLY))


async def test_missed_ticks_make_one_job_for_the_latest(dsn: str) -> None:
    """After three days without a worker an hourly schedule makes one job, not 72."""
    async with queue(dsn) as it:
        await one_round(it, scheduled(HOURLY))
        await lags(it, "3 days")
        async with it.working(services=scheduled(HOURLY)):
            await has_ticks(it, 1)
        await one_round(it, scheduled(HOURLY), jobs=1)
        (row,) = await it.rows(
            "SELECT last_tick = date_trunc('hour', last_tick) AS whole, now() - last_tick AS old FROM jobs.tb_schedule"
        )
    assert row["whole"]
    assert row["old"] < timedelta(hours=1, minutes=1)


async def test_missed_ticks_can_be_left_out(dsn: str) -> None:
    """on_missed: skip makes no job of what passed while nobody was there."""
    daily = Schedule(name="rare", cron="0 0 1 1 *", on_missed=OnMissed.SKIP)
    async with queue(dsn) as it:
        await one_round(it, scheduled(daily))
        await lags(it, "3 years")
        await one_round(it, scheduled(daily))


async def test_a_changed_expression_does_not_replay_the_past(dsn: str) -> None:
    """Ticks that the new expression would have had before it was loaded are not made up for."""
    async with queue(dsn) as it:
        await one_round(it, scheduled(HOURLY))
        await lags(it, "3 days")
        await one_round(it, scheduled(replace(HOURLY, cron="0 */2 * * *")))


async def test_a_changed_input_keeps_what_was_missed(dsn: str) -> None:
    """Another input is no reason to forget the tick of last night: its job has the new one."""
    async with queue(dsn) as it:
        await one_round(it, scheduled(HOURLY))
        await lags(it, "3 days")
        async with it.working(services=scheduled(replace(HOURLY, input={"output": 7}))):
            await has_ticks(it, 1)
        (row,) = await it.rows("SELECT input_data FROM jobs.tb_job_run")
    assert row["input_data"] == {"output": 7}


@pytest.mark.parametrize("without", [(), (replace(HOURLY, enabled=False),)], ids=["removed", "disabled"])
async def test_what_is_removed_or_disabled_starts_anew(dsn: str, without: tuple[Schedule, ...]) -> None:
    """It makes no job; back again, it does not make up for the time in between."""
    async with queue(dsn) as it:
        await one_round(it, scheduled(HOURLY))
        await lags(it, "3 days")
        await one_round(it, scheduled(*without))
        assert (await known(it))["hourly"]["digest"] == ""
        await one_round(it, scheduled(HOURLY))


async def test_during_a_rollout_one_registry_decides(dsn: str) -> None:
    """The worker that loaded last decides; one with the old expression makes no job, until the other is gone."""
    old, new = (
        scheduled(EVERY_SECOND, digest="a" * 64),
        scheduled(replace(EVERY_SECOND, cron="0 0 1 1 *"), digest="b" * 64),
    )
    async with queue(dsn) as it, it.working(services=old):
        await has_ticks(it, 1)
        async with it.working(services=new):
            await it.until(lambda: _expression(it, "0 0 1 1 * UTC"), "the new one decides")
            before = await ticks(it)
            await it.until(lambda: _superseded(it), "the old one asks in vain")
            assert await ticks(it) == before
        await has_ticks(it, len(before) + 1)
        assert await _expression(it, "* * * * * * UTC")


async def _expression(it: Queue, text: str) -> bool:
    return (await known(it))["often"]["expression"] == text


async def _superseded(it: Queue) -> bool:
    """Three seconds have passed in the database since the new one took over: the old one has had its ticks."""
    (row,) = await it.rows("SELECT clock_timestamp() - updated_at > interval '3 seconds' AS over FROM jobs.tb_schedule")
    return bool(row["over"])


async def test_only_workers_that_serve_the_service_make_its_jobs(dsn: str) -> None:
    """A worker of other services leaves the schedule alone."""
    async with queue(dsn) as it:
        async with it.working(services=scheduled(EVERY_SECOND), scope=Scope(only=("other",))) as worker:
            await it.until(lambda: _rests(worker), "it has looked")
            assert await known(it) == {}
        async with it.working(services=scheduled(EVERY_SECOND), scope=Scope(excluded=("other",))):
            await has_ticks(it, 1)


async def test_a_tick_passes_while_the_job_before_is_open(dsn: str) -> None:
    """overlap: skip lets ticks pass until the last job has ended, and the row says when one was skipped."""
    slow = replace(EVERY_SECOND, skip_overlap=True, input={"wait": 60})
    async with queue(dsn) as it, it.working(services=scheduled(slow), drain_timeout=0.1):
        await it.until(lambda: _skipped(it), "a tick was skipped")
        assert len(await ticks(it)) == 1
        (job,) = await it.rows("SELECT id FROM jobs.tb_job_run")
        await it.rows("SELECT jobs.cancel(%s)", job["id"])
        await has_ticks(it, 2)


async def _skipped(it: Queue) -> bool:
    return any(row["last_skipped"] for row in (await known(it)).values())


async def test_a_reload_swaps_the_schedules(dsn: str) -> None:
    """What SIGHUP loads takes the place of what was there: the old schedule stops, the new one goes."""
    async with queue(dsn) as it, it.working(services=scheduled(EVERY_SECOND)) as worker:
        await has_ticks(it, 1)
        other = it.worker(scheduled(replace(EVERY_SECOND, name="other"), digest="b" * 64))
        worker.reload(other._around)
        await it.until(lambda: _named(it, "other"), "the new schedule ticks")
        found = await known(it)
        assert found["often"]["digest"] == ""
        (row,) = await it.rows("SELECT registry_digest AS digest FROM jobs.tb_worker WHERE state = 'running'")
        assert row["digest"] == "b" * 64


async def _named(it: Queue, name: str) -> bool:
    return any(f":{name}:" in key for key in await ticks(it))


async def test_a_schedule_survives_lost_connections(dsn: str) -> None:
    """Its connection cut, the scheduler comes back and misses no tick."""
    async with queue(dsn) as it, it.working(services=scheduled(EVERY_SECOND)):
        await has_ticks(it, 1)
        await it.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE %s AND datname = current_database()",
            "%worker schedule",
        )
        await has_ticks(it, 3)
        found = [key.rpartition("T")[2] for key in await ticks(it)]
    assert len(found) == len(set(found))


async def test_a_job_that_the_database_refuses_stops_no_other_schedule(dsn: str) -> None:
    """A trigger of somebody's that refuses one schedule's jobs leaves the other's alone."""
    both = scheduled(replace(EVERY_SECOND, input={"no": 1}), replace(EVERY_SECOND, name="other"))
    async with queue(dsn) as it:
        await it.rows(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.input_data ? 'no' THEN RAISE check_violation; END IF; RETURN NEW; END $$"
        )
        await it.rows("CREATE TRIGGER no BEFORE INSERT ON jobs.tb_job_run FOR EACH ROW EXECUTE FUNCTION refuse()")
        async with it.working(services=both):
            await has_ticks(it, 2)
        assert not await _named(it, "often")


async def test_what_is_a_few_seconds_late_is_not_missed(dsn: str) -> None:
    """Each tick of the last minute makes its job, even where missed ones are left out."""
    five = scheduled(replace(EVERY_SECOND, cron="*/5 * * * * *", on_missed=OnMissed.SKIP))
    async with queue(dsn) as it, it.working(services=five):
        await has_ticks(it, 1)
    async with queue(dsn) as it:
        before = await ticks(it)
        await it.rows("DELETE FROM jobs.tb_job_run")
        await lags(it, "20 seconds")
        async with it.working(services=five):
            await has_ticks(it, 4)
        assert before[-1] in await ticks(it)
