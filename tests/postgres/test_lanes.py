"""The queue's order: priorities, fair shares between tenants and services, and claims that read what they take."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.queue import Queue, claim, queue, registry
from support.waiting import PATIENCE

from specql_jobs.core.job import NewJob
from specql_jobs.core.lanes import NO_TENANT, Claimed, Lane
from specql_jobs.core.store.claims import BEGINNING
from specql_jobs.core.store.store import Scope
from specql_jobs.core.worker.claimer import Claimer, pin_plans
from specql_jobs.core.worker.link import Link
from specql_jobs.core.worker.surveys import Surveys


async def _bulk(it: Queue, count: int, service: str = "svc", tenant: UUID | None = None, **columns: Any) -> None:
    """Enqueue many jobs by one INSERT, as a producer with a backlog would."""
    await it.rows(
        "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id, priority) "
        "SELECT %s, 'op', %s, %s FROM generate_series(1, %s)",
        *(service, tenant, columns.get("priority", 0), count),
    )


async def _order(it: Queue, column: str) -> list[Any]:
    """Return a column's value of each job in the order in which they ran."""
    rows = {str(row["id"]): row[column] for row in await it.rows(f"SELECT id, {column} FROM jobs.tb_job_run")}
    return [rows[id_] for id_, _ in it.puppet.ran]


async def test_a_backlog_of_one_tenant_does_not_starve_another(dsn: str) -> None:
    """5,000 jobs of one tenant wait when another's ten come: the ten are done among the next few."""
    crowd, few = uuid4(), uuid4()
    async with queue(dsn) as it:
        await _bulk(it, 5000, tenant=crowd)
        await _bulk(it, 10, tenant=few)
        await it.drain(concurrency=4, max_jobs=300, until_empty=False)
        order = await _order(it, "tenant_id")
    assert [n for n, tenant in enumerate(order) if tenant == few][-1] < 150
    assert order.count(few) == 10


async def test_services_share_the_slots(dsn: str) -> None:
    """Of three services with backlogs each gets about a third of what one worker does."""
    async with queue(dsn) as it:
        for service in ("a", "b", "c"):
            await _bulk(it, 1000, service)
        await it.drain(services=registry("a", "b", "c"), concurrency=5, max_jobs=600, until_empty=False)
        order = await _order(it, "service_name")
    assert all(order[:300].count(service) > 60 for service in ("a", "b", "c"))


async def test_a_higher_priority_goes_first_whatever_its_service(dsn: str) -> None:
    """Priority comes before every share: a late job of high priority runs before the backlog of others."""
    async with queue(dsn) as it:
        await _bulk(it, 50, "a")
        await _bulk(it, 3, "b", priority=5)
        await _bulk(it, 2, "a", priority=9)
        await it.drain(services=registry("a", "b"), concurrency=1)
        order = await _order(it, "priority")
    assert order == [9, 9, 5, 5, 5, *[0] * 50]


@asynccontextmanager
async def _claimer(dsn: str) -> AsyncIterator[Claimer]:
    """A worker's claims without the worker: what it claims stays running."""
    link = Link(dsn, "claim", patience=5, prepare=pin_plans)
    try:
        yield Claimer(link, "idle", Scope(), set)
    finally:
        await link.close()


async def _taken(claimer: Claimer, count: int, free: int = 8) -> list[Claimed]:
    """Claim until so many jobs have come."""
    found: list[Claimed] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await claimer.claim(free - len(found))
    return found


async def _woken(claimer: Claimer) -> None:
    """Have the claimer see that there is nothing more, sleep, and be woken."""
    while await claimer.claim(8):
        pass
    await claimer.rest()  # announces
    claimer.wake.set()
    await claimer.rest()


async def test_a_woken_worker_leaves_slots_to_what_it_does_not_know(dsn: str) -> None:
    """Jobs of an unknown lane of high priority, committed with as many of the known one, get half of the slots."""
    async with queue(dsn) as it, _claimer(dsn) as claimer:
        await _bulk(it, 1, "low")
        await _taken(claimer, 1)
        await _woken(claimer)
        async with it.connection.transaction():
            await _bulk(it, 20, "low")
            await _bulk(it, 20, "urgent", priority=100)
        first = await claimer.claim(8)
        rest = await _taken(claimer, 4, 8 - len(first))
    assert [job.lane.service for job in first] == ["low"] * 4, "in one round trip, and no more than half"
    assert [job.lane.service for job in rest] == ["urgent"] * 4


async def test_a_woken_worker_asks_the_highest_priority_first(dsn: str) -> None:
    """Of the lanes that gave jobs lately the highest goes first, whichever gave first."""
    async with queue(dsn) as it, _claimer(dsn) as claimer:
        for service, priority in (("low", 0), ("urgent", 100)):
            await _bulk(it, 1, service, priority=priority)
            await _taken(claimer, 1)
        await _woken(claimer)
        async with it.connection.transaction():
            await _bulk(it, 20, "low")
            await _bulk(it, 20, "urgent", priority=100)
        first = await claimer.claim(8)
        rest = await _taken(claimer, 4, 8 - len(first))
    assert [job.lane.service for job in (*first, *rest)] == ["urgent"] * 8


async def test_a_woken_worker_shares_its_slots_between_tenants(dsn: str) -> None:
    """The first look, too, gives each of the tenants that it knows as many slots."""
    crowd, few = uuid4(), uuid4()
    async with queue(dsn) as it, _claimer(dsn) as claimer:
        for tenant in (crowd, few):
            await _bulk(it, 1, tenant=tenant)
            await _taken(claimer, 1)
        await _woken(claimer)
        async with it.connection.transaction():
            await _bulk(it, 20, tenant=crowd)
            await _bulk(it, 20, tenant=few)
        first = await claimer.claim(8)
    assert Counter(job.job.tenant_id for job in first) == {crowd: 2, few: 2}


async def test_a_backlog_of_scheduled_jobs_hides_nothing(dsn: str) -> None:
    """Jobs of high priority that are due tomorrow keep no due job of low priority waiting."""
    async with queue(dsn) as it:
        await _bulk(it, 2000, priority=9)
        await it.rows("UPDATE jobs.tb_job_run SET run_at = now() + interval '1 day'")
        await _bulk(it, 5)
        await it.drain(max_jobs=5, until_empty=False)
        assert len(it.puppet.ran) == 5


async def test_jobs_of_one_lane_run_in_the_order_of_their_times(dsn: str) -> None:
    """Within a lane the job that is due first is claimed first."""
    async with queue(dsn) as it:
        ids = await it.add_many(20)
        for n, id_ in enumerate(reversed(ids)):
            await it.rows("UPDATE jobs.tb_job_run SET run_at = now() - %s WHERE id = %s", timedelta(seconds=n + 1), id_)
        await it.drain(concurrency=1)
    assert [id_ for id_, _ in it.puppet.ran] == [str(id_) for id_ in ids]


async def test_thousands_of_lanes_are_all_served(dsn: str) -> None:
    """More tenants than a claim has portions and a survey has lanes: every one's job runs."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id) "
            "SELECT 'svc', 'op', gen_random_uuid() FROM generate_series(1, 2500)"
        )
        await it.drain(concurrency=100)
        assert len({id_ for id_, _ in it.puppet.ran}) == 2500


async def _tenants(it: Queue, count: int, priority: int = 0) -> None:
    await it.rows(
        "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id, priority) "
        "SELECT 'svc', 'op', lpad(to_hex(n), 32, '0')::uuid, %s FROM generate_series(1, %s) n",
        *(priority, count),
    )


async def test_steady_work_of_the_first_thousand_tenants_starves_no_other(dsn: str) -> None:
    """With jobs always waiting in 1,005 lanes, five more than a survey's page, each lane gives some."""
    async with queue(dsn) as it, _claimer(dsn) as claimer:
        await _tenants(it, 1005)
        seen: set[UUID | None] = set()
        async with asyncio.timeout(PATIENCE):
            while len(seen) < 1005:
                seen |= {each.job.tenant_id for each in await claimer.claim(64)}
                await it.rows(
                    "UPDATE jobs.tb_job_run SET status = 'pending', worker_id = NULL, started_at = NULL "
                    "WHERE status = 'running'"
                )
    assert {tenant.int for tenant in seen if tenant} == set(range(1, 1006))


@pytest.mark.parametrize("idle", [False, True])
async def test_every_lane_is_seen_in_its_turn(dsn: str, idle: bool) -> None:
    """Two surveys a page, and two more, see all lanes; each sees those of the higher priority, and none twice."""
    async with queue(dsn) as it:
        for priority, count in ((5, 3), (0, 41), (-5, 17)):
            await _tenants(it, count, priority)
        surveys = Surveys(page=10)
        for _ in range(10):
            looks = [[each.lane for each in await surveys.look(it.store, idle=idle)] for _ in range(14)]
            assert len({lane for look in looks for lane in look}) == 61
            assert all(Counter(lane.place for lane in set(look))[-5] == 3 for look in looks)
            assert all(len(look) == len(set(look)) for look in looks)


async def test_a_lower_priority_is_not_seen_without_the_higher_one(dsn: str) -> None:
    """A survey that goes on into lower priorities sees the first lanes of the higher one too."""
    async with queue(dsn) as it:
        for priority, count in ((0, 25), (-5, 25)):
            await _tenants(it, count, priority)
        surveys = Surveys(page=10)
        looks = [[each.lane.place for each in await surveys.look(it.store, idle=False)] for _ in range(30)]
    assert any(5 in look for look in looks)
    assert all(0 in look for look in looks)


async def test_an_idle_worker_knows_when_it_has_seen_all(dsn: str) -> None:
    """`unseen` holds until the last page, whatever the survey began with; of less than a page all is seen at once."""
    async with queue(dsn) as it:
        await _tenants(it, 35)
        surveys = Surveys(page=10)
        await surveys.look(it.store, idle=False)
        await surveys.look(it.store, idle=False)
        seen: set[Lane] = set()
        while surveys.unseen:
            seen |= {each.lane for each in await surveys.look(it.store, idle=True)}
        assert len(seen) == 35
        await it.rows("DELETE FROM jobs.tb_job_run WHERE tenant_id > '00000000-0000-0000-0000-000000000009'")
        assert (len(await surveys.look(it.store, idle=False)), surveys.unseen) == (9, False)


async def test_two_workers_divide_a_lane(dsn: str) -> None:
    """Workers that claim from the same lane at the same time take different jobs."""
    async with queue(dsn) as it:
        await _bulk(it, 2000)
        await asyncio.wait_for(asyncio.gather(it.drain(), it.drain()), PATIENCE)
    assert len(it.puppet.ran) == len(set(it.puppet.ran)) == 2000


async def test_a_survey_names_each_lane_once_in_the_queues_order(dsn: str) -> None:
    """Priority first, then service, operation, tenant; names folded; from behind a lane on, for the next page."""
    tenant = uuid4()
    async with queue(dsn) as it:
        await it.store.enqueue(
            [
                *[NewJob("b", "op")] * 2,
                NewJob("A", "Op"),
                NewJob("a", "op"),
                NewJob("a", "op", tenant_id=tenant),
                NewJob("z", "op", priority=3),
                NewJob("z", "later", delay_seconds=60),
            ]
        )
        seen = await it.store.survey()
        page = await it.store.survey(BEGINNING, 2)
        rest = await it.store.survey(page[-1].lane)
    wanted = [(-3, "z", "op"), (0, "a", "op"), (0, "a", "op"), (0, "b", "op"), (0, "z", "later")]
    assert [sighting.lane[:3] for sighting in seen] == wanted
    assert seen[1].lane == Lane(0, "a", "op", NO_TENANT)
    assert 50 < seen[-1].due_in <= 60
    assert [sighting.lane for sighting in (*page, *rest)] == [sighting.lane for sighting in seen]


# ---- what a claim reads ---------------------------------------------------------------------------------------------


async def _cost(it: Queue, sql: str) -> dict[str, Any]:
    """Return the buffers that a statement touched and the whole scans of the table that it made."""
    scans = "SELECT pg_stat_force_next_flush(), seq_scan AS n FROM pg_stat_user_tables WHERE relname = 'tb_job_run'"
    await it.rows("SELECT pg_stat_clear_snapshot()")
    (before,) = await it.rows(scans)
    (row,) = await it.rows(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    await it.rows("SELECT pg_stat_clear_snapshot()")
    (after,) = await it.rows(scans)
    plan = row["QUERY PLAN"] if isinstance(row["QUERY PLAN"], list) else json.loads(row["QUERY PLAN"])
    top = plan[0]["Plan"]
    buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    return {"buffers": buffers, "rows": top["Actual Rows"], "scans": after["n"] - before["n"]}


CLAIM = (
    "SELECT * FROM jobs.claim('w', ARRAY[0], ARRAY['svc'], ARRAY['op'], "
    "ARRAY['00000000-0000-0000-0000-000000000000'::uuid], ARRAY['http'], "
    "ARRAY['-infinity'::timestamptz], ARRAY[100], 100)"
)


async def test_a_claim_reads_in_proportion_to_what_it_takes(dsn: str) -> None:
    """Among 20,000 pending and 20,000 finished rows, however they were analysed, 100 jobs cost a bounded look."""
    async with queue(dsn) as it:
        await pin_plans(it.store)
        await it.rows("ANALYZE jobs.tb_job_run")  # of an empty queue: what misleads the planner most
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, status, completed_at, started_at) "
            "SELECT 'svc', 'op', 'completed', now(), now() FROM generate_series(1, 20000)"
        )
        await _bulk(it, 20000)
        costs = [await _cost(it, CLAIM) for _ in range(8)]  # the plan of a function is fixed after five
        await it.rows("ANALYZE jobs.tb_job_run")
        costs += [await _cost(it, CLAIM) for _ in range(2)]
    assert all(cost["rows"] == 100 and cost["scans"] == 0 for cost in costs)
    # 100 rows: a visit, a new version in the heap and an entry in two indexes each, about 13 pages by measurement.
    assert max(cost["buffers"] for cost in costs) < 4000


async def test_a_survey_reads_in_proportion_to_the_lanes(dsn: str) -> None:
    """Three lanes of 10,000 jobs each cost three descents of the index."""
    async with queue(dsn) as it:
        await pin_plans(it.store)
        for service in ("a", "b", "c"):
            await _bulk(it, 10000, service)
        await it.rows("VACUUM ANALYZE jobs.tb_job_run")
        sql = it.store._sql["survey"]
        parameters = {"after_place": "-9", "after_service": "''", "after_operation": "''", "page": "10"}
        for name, value in {**parameters, "after_tenant": f"'{NO_TENANT}'"}.items():
            sql = sql.replace(f"%({name})s", value)
        cost = await _cost(it, sql)
    assert (cost["rows"], cost["scans"]) == (3, 0)
    assert cost["buffers"] < 100


async def test_claims_in_two_sessions_never_take_the_same_job(dsn: str) -> None:
    """SKIP LOCKED: of two claims of everything each job goes to one."""
    async with queue(dsn) as it, queue(dsn) as other:
        await _bulk(it, 300)
        taken = await asyncio.gather(claim(it.store, "w1", 200), claim(other.store, "w2", 200))
    ids = [job.id for part in taken for job in part]
    assert len(ids) == len(set(ids))
    assert len(ids) >= 200
