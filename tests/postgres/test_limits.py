"""Limits over all workers, counted at claim time: concurrency, rate, tenants, pauses, circuit breakers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from support.queue import Queue, claim, queue, registry

from specql_jobs.core.contract import JobResult, Succeeded
from specql_jobs.core.errors import SpecqlJobsError
from specql_jobs.core.job import NewJob
from specql_jobs.core.lanes import Breaker, Claimed, Lane, Limits, News, Portion
from specql_jobs.core.lifecycle import RetryPolicy, settle
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Registry
from specql_jobs.core.store import db
from specql_jobs.core.store.store import Store

SECONDS_BACK = "UPDATE jobs.tb_service_second SET second = second - interval '62 seconds'"


@asynccontextmanager
async def working(it: Queue, services: Registry, count: int = 4, **settings: Any) -> AsyncIterator[None]:
    """Have several workers run beside the block."""
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(it.working(services=services, **settings))
        yield


async def _count(it: Queue, where: str) -> int:
    (row,) = await it.rows(f"SELECT count(*) AS n FROM jobs.tb_job_run WHERE {where}")
    return int(row["n"])


async def _become(it: Queue, where: str, count: int) -> None:
    async def enough() -> bool:
        return await _count(it, where) == count

    await it.until(enough, f"{count} jobs with {where}")


# ---- concurrency ----------------------------------------------------------------------------------------------------


async def test_no_more_jobs_run_at_once_than_the_policy_allows(dsn: str) -> None:
    """max_concurrency 5 holds over four workers of 20 slots each, and is used: five did run at once."""
    async with queue(dsn) as it:
        await it.add_many(80, '{"wait": 0.02}')
        async with working(it, registry(policy=Policy(max_concurrency=5)), concurrency=20):
            await _become(it, "status = 'completed'", 80)
    assert it.puppet.most_at_once == 5


async def test_concurrency_counts_a_service_written_in_any_case(dsn: str) -> None:
    """`SVC` and `svc` are one service, with one limit."""
    async with queue(dsn) as it:
        await it.store.enqueue([NewJob(name, "op", '{"wait": 0.05}') for name in ("svc", "SVC", "Svc") * 5])
        async with working(it, registry(policy=Policy(max_concurrency=2)), 2):
            await _become(it, "status = 'completed'", 15)
    assert it.puppet.most_at_once <= 2


async def test_a_limited_service_leaves_the_slots_to_the_others(dsn: str) -> None:
    """While one service waits for its limit, another one's jobs run at once in the free slots."""
    services = registry("svc", "other")
    limited = registry("svc", policy=Policy(max_concurrency=1))
    both = Registry(services={**services.services, "svc": limited.services["svc"]}, digest="d" * 64)
    async with queue(dsn) as it:
        await it.add_many(3, '{"wait": 30}')
        async with working(it, both, 1, drain_timeout=0.1):
            await _become(it, "status = 'running'", 1)
            await it.store.enqueue([NewJob("other", "op")] * 20)
            await _become(it, "service_name = 'other' AND status = 'completed'", 20)
            assert await _count(it, "service_name = 'svc' AND status = 'running'") == 1


async def test_a_tenant_has_its_own_bound(dsn: str) -> None:
    """tenant_limits.max_concurrency: one tenant's jobs never fill the service, another's run beside them."""
    one, two = uuid4(), uuid4()
    async with queue(dsn) as it:
        await it.store.enqueue([NewJob("svc", "op", '{"wait": 30}', tenant_id=one)] * 6)
        await it.store.enqueue([NewJob("svc", "op", '{"wait": 30}', tenant_id=two)] * 1)
        async with working(it, registry(policy=Policy(tenant_concurrency=2)), 2, drain_timeout=0.1):
            await _become(it, "status = 'running'", 3)
            assert await _count(it, f"tenant_id = '{one}' AND status = 'running'") == 2


@pytest.mark.parametrize("settings", [{}, {"until_empty": True}])
async def test_short_jobs_use_their_limit(dsn: str, settings: dict[str, Any]) -> None:
    """Each settled job makes room at once: a service of five at a time is claimed by ends of jobs, not by the clock."""
    async with queue(dsn) as it:
        await it.add_many(300, '{"wait": 0.001}')
        async with working(it, registry(policy=Policy(max_concurrency=5)), 1, **settings):
            await _become(it, "status = 'completed'", 300)
        (row,) = await it.rows(
            "SELECT count(DISTINCT started_at) AS claims, "
            "extract(epoch FROM max(completed_at) - min(started_at)) AS took FROM jobs.tb_job_run"
        )
    assert row["claims"] >= 60  # each takes five at most
    assert row["took"] < row["claims"] * 0.15, "by the clock alone there is a claim each 0.2 s"
    assert it.puppet.most_at_once == 5


async def test_tenants_at_their_bound_keep_no_other_waiting(dsn: str) -> None:
    """Of 150 tenants each gets its one job running, though a claim asks 64 lanes."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id, input_data) "
            "SELECT 'svc', 'op', md5(n::text)::uuid, '{\"wait\": 60}' "
            "FROM generate_series(1, 150) n, generate_series(1, 3)"
        )
        async with working(it, registry(policy=Policy(tenant_concurrency=1)), 1, concurrency=200, drain_timeout=0.1):
            await _become(it, "status = 'running'", 150)
            (row,) = await it.rows(
                "SELECT count(DISTINCT tenant_id) AS n FROM jobs.tb_job_run WHERE status = 'running'"
            )
    assert row["n"] == 150


# ---- rate -----------------------------------------------------------------------------------------------------------


async def test_a_minute_has_no_more_claims_than_the_rate(dsn: str) -> None:
    """rate_limit_per_minute 20: of 50 jobs four workers run 20; when those are a minute old, 20 more."""
    async with queue(dsn) as it:
        await it.add_many(50)
        async with working(it, registry(policy=Policy(rate_limit_per_minute=20))):
            await _become(it, "status = 'completed'", 20)
            (state,) = await it.rows("SELECT limited_until > now() AS later FROM jobs.tb_service_state")
            assert state["later"]
            assert await _count(it, "status = 'pending' AND attempts = 0") == 30
            await it.rows(SECONDS_BACK)
            await it.rows("UPDATE jobs.tb_service_state SET limited_until = now()")
            await _become(it, "status = 'completed'", 40)
            assert await _count(it, "status = 'pending'") == 10


async def test_many_claims_at_the_same_time_share_one_rate(dsn: str) -> None:
    """Eight connections that claim at once, again and again, get together what the minute allows."""
    limits = Limits(rate_per_minute=100)
    async with queue(dsn) as it, AsyncExitStack() as stack:
        await it.add_many(300)
        stores = [Store(await stack.enter_async_context(await db.connect(dsn, "test"))) for _ in range(8)]
        (seen,) = await it.store.survey()
        asked = [Portion(seen.lane, 7, seen.first)]
        for _ in range(4):
            await asyncio.gather(*(each.claim_limited(f"w{n}", asked, 7, limits) for n, each in enumerate(stores)))
        (row,) = await it.rows("SELECT sum(claims) AS n FROM jobs.tb_service_second")
        assert (row["n"], await _count(it, "status = 'running'")) == (100, 100)


async def test_a_tenants_rate_is_counted_apart(dsn: str) -> None:
    """tenant_limits.rate_limit_per_minute: each tenant gets its own minute."""
    one, two = uuid4(), uuid4()
    limits = Limits(tenant_rate_per_minute=3)
    async with queue(dsn) as it:
        await it.store.enqueue([NewJob("svc", "op", tenant_id=one)] * 5 + [NewJob("svc", "op", tenant_id=two)] * 2)
        asked = [Portion(seen.lane, 10, seen.first) for seen in await it.store.survey()]
        first = await it.store.claim_limited("w", asked, 10, limits)
        second = await it.store.claim_limited("w", asked, 10, limits)
    assert sorted(str(each.job.tenant_id) for each in first) == sorted([str(one)] * 3 + [str(two)] * 2)
    assert second == []


async def test_a_reached_hourly_limit_is_not_claimed_and_given_back(dsn: str) -> None:
    """While limited_until lies ahead, a claim does not touch the service: no lease rises, no attempt is spent."""
    async with queue(dsn) as it:
        id_ = await it.add()
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, limited_until) VALUES ('svc', now() + interval '1 hour')"
        )
        async with it.working():
            other = (await it.store.enqueue([NewJob("other", "op")]))[0].id
            await _become(it, f"id = '{other}' AND status = 'failed'", 1)  # not in the registry: claimed all the same
        row = await it.job(id_)
    assert (row["status"], row["lease_seq"]) == ("pending", 0)


# ---- pauses ---------------------------------------------------------------------------------------------------------

PAUSES = {
    "service": "service => 'SVC'",
    "operation": "operation => 'svc.op'",
    "type": "execution_type => 'http'",
    "tenant": "tenant_id => '00000000-0000-4000-8000-000000000001'",
    "all": "everything => true",
}
TENANT = UUID("00000000-0000-4000-8000-000000000001")


@pytest.mark.parametrize("kind", PAUSES)
async def test_a_pause_stops_dispatch_until_it_is_lifted(dsn: str, kind: str) -> None:
    """Each kind of pause keeps the job pending, whoever works; resume lets it run at once."""
    async with queue(dsn) as it, working(it, registry(), 2):
        await it.rows(f"SELECT jobs.pause({PAUSES[kind]}, reason => 'INC-1')")
        id_ = await it.add(tenant_id=TENANT)
        outside = await it.add(priority=-1) if kind == "tenant" else None
        if outside:
            await _become(it, f"id = '{outside}' AND status = 'completed'", 1)
        await it.until(lambda: _looked(it), "both workers have looked and found nothing")
        assert (await it.job(id_))["lease_seq"] == 0
        (row,) = await it.rows(f"SELECT jobs.resume({PAUSES[kind]}) AS held")
        assert row["held"]
        await _become(it, f"id = '{id_}' AND status = 'completed'", 1)
        changes = await it.rows("SELECT kind, reason FROM jobs.tb_change ORDER BY id")
    assert [(row["kind"], row["reason"]) for row in changes] == [("pause", "INC-1"), ("resume", None)]


async def _looked(it: Queue) -> bool:
    """Both workers sleep after a look at the queue: they announced that they wait."""
    rows = await it.rows("SELECT worker_id FROM jobs.tb_worker WHERE waiting")
    return len(rows) == 2


async def test_paused_tenants_of_one_type_hide_no_other_type(dsn: str) -> None:
    """Hundreds of lanes that a pause of their type covers take no place of lanes that it does not cover."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_job_run (service_name, operation, tenant_id, priority) "
            "SELECT 'svc', 'op', gen_random_uuid(), 5 FROM generate_series(1, 300)"
        )
        await it.rows("SELECT jobs.pause(execution_type => 'http')")
        other = (await it.store.enqueue([NewJob("other", "op")]))[0].id  # of no type that the registry knows
        async with it.working():
            await _become(it, f"id = '{other}' AND status = 'failed'", 1)
        assert await _count(it, "lease_seq > 0") == 1


async def test_what_is_paused_is_not_waited_for(dsn: str) -> None:
    """`worker --until-empty` ends although paused jobs are pending."""
    async with queue(dsn) as it:
        await it.add()
        await it.rows("SELECT jobs.pause('svc')")
        await it.drain()
        assert await _count(it, "status = 'pending'") == 1


async def test_a_limited_service_goes_before_lower_priorities(dsn: str) -> None:
    """A limited service of middle priority is asked before an unlimited backlog of a lower one."""
    both = Registry(
        services={
            **registry("bulk").services,
            "svc": registry("svc", policy=Policy(max_concurrency=50)).services["svc"],
        },
        digest="d" * 64,
    )
    async with queue(dsn) as it:
        await it.store.enqueue([NewJob("bulk", "op", priority=9)] * 5)
        await it.rows("SELECT jobs.pause(operation => 'bulk.none')")
        await it.store.enqueue([NewJob("bulk", "op")] * 500 + [NewJob("svc", "op", priority=5)] * 20)
        await it.drain(services=both, concurrency=5)
        rows = {str(row["id"]): row["priority"] for row in await it.rows("SELECT id, priority FROM jobs.tb_job_run")}
    order = [rows[id_] for id_, _ in it.puppet.ran]
    assert order[:25] == [9] * 5 + [5] * 20


async def test_a_pause_ends_by_itself(dsn: str) -> None:
    """A pause with a duration is over when it is over; nobody has to resume."""
    async with queue(dsn) as it, it.working():
        await it.rows("SELECT jobs.pause('svc', duration => interval '1 second')")
        id_ = await it.add()
        await _become(it, f"id = '{id_}' AND status = 'completed'", 1)
        (row,) = await it.rows("SELECT jobs.resume('svc') AS held")
    assert not row["held"]


@pytest.mark.parametrize(
    "call", ["jobs.pause()", "jobs.pause('a', operation => 'a.b')", "jobs.pause('a', duration => interval '-1 s')"]
)
async def test_a_pause_of_nothing_in_particular_is_refused(dsn: str, call: str) -> None:
    """Exactly one scope, and a duration above zero; else nothing is paused."""
    async with queue(dsn) as it:
        with pytest.raises(Exception, match=r"exactly one|longer than nothing") as refused:
            await it.rows(f"SELECT {call}")
        assert not isinstance(refused.value, SpecqlJobsError)
        assert await it.rows("SELECT 1 AS n FROM jobs.tb_pause") == []


# ---- circuit breakers -----------------------------------------------------------------------------------------------

BREAKER = Policy(failure_threshold=3, recovery_timeout=60.0)
DOWN = '{"fail": "target_unavailable", "retryable": true}'


async def _state(it: Queue) -> dict[str, Any]:
    rows = await it.rows("SELECT failures, open_until > now() AS open, probe_job FROM jobs.tb_service_state")
    return rows[0] if rows else {}


async def _is_open(it: Queue) -> Any:
    return (await _state(it)).get("open")


async def test_an_open_breaker_burns_no_attempts(dsn: str) -> None:
    """After three failures in a row nothing of the service is claimed: the other jobs keep all their attempts."""
    async with queue(dsn) as it, working(it, registry(policy=BREAKER), 1, concurrency=3):
        await it.add_many(3, DOWN)
        await it.until(lambda: _is_open(it), "the breaker opens")
        later = await it.add()
        other = (await it.store.enqueue([NewJob("other", "op")]))[0].id
        await _become(it, f"id = '{other}' AND status = 'failed'", 1)
        assert (await it.job(later))["lease_seq"] == 0


async def test_a_half_open_breaker_sends_one_probe(dsn: str) -> None:
    """When the recovery time is over exactly one job is tried over all workers; its success lets the others go."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() - interval '1 second')"
        )
        await it.add_many(12, '{"wait": 0.4}')
        async with working(it, registry(policy=BREAKER), 4):
            await _become(it, "status = 'running'", 1)
            probe = (await _state(it))["probe_job"]
            assert await _count(it, f"status = 'running' AND id = '{probe}'") == 1
            await _become(it, "status = 'completed'", 12)
    assert it.puppet.most_at_once > 1
    assert await _first_ran_alone(it)


async def _first_ran_alone(it: Queue) -> bool:
    """No other job was started before the first to end had ended."""
    async with queue(it.dsn) as fresh:
        rows = await fresh.rows("SELECT started_at, completed_at FROM jobs.tb_job_run ORDER BY started_at")
    return all(row["started_at"] >= rows[0]["completed_at"] for row in rows[1:])


async def test_a_probe_that_fails_opens_the_breaker_again(dsn: str) -> None:
    """One failure of the probe is enough; the other jobs go on waiting."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() - interval '1 second')"
        )
        await it.add_many(5, DOWN)
        async with working(it, registry(policy=BREAKER), 3):
            await it.until(lambda: _is_open(it), "the breaker opens again")
        assert await _count(it, "lease_seq > 0") == 1


async def test_no_probe_is_sent_before_the_news_of_the_last_one(dsn: str) -> None:
    """A probe's result is written before the breaker hears of it; when nobody tells, another is sent after a moment."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() - interval '1 second')"
        )
        await it.add_many(2)
        asked = [Portion(Lane(0, "svc", "op"), 5, (await it.store.survey())[0].first)]
        first = await _probe(it, asked)
        settlement = settle(first.job, JobResult(Succeeded({})), RetryPolicy(), 3, 0.0)
        assert await it.store.settle([settlement], "w", "d") == {first.job.id}
        assert await it.store.claim_limited("w", asked, 5, Limits()) == []
        assert (await _probe(it, asked)).job.id != first.job.id


async def _probe(it: Queue, asked: list[Portion]) -> Claimed:
    """Claim until the breaker grants one job."""
    found: list[Claimed] = []

    async def granted() -> bool:
        found.extend(await it.store.claim_limited("w", asked, 5, Limits()))
        return bool(found)

    await it.until(granted, "the breaker sends a probe")
    (probe,) = found
    return probe


async def test_a_dead_probe_is_replaced(dsn: str) -> None:
    """A worker that dies with the probe does not keep the breaker half open for ever."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() - interval '1 second')"
        )
        await it.add_many(2)
        asked = [Portion(Lane(0, "svc", "op"), 5, (await it.store.survey())[0].first)]
        (first,) = await it.store.claim_limited("a ghost", asked, 5, Limits())
        assert await it.store.claim_limited("w", asked, 5, Limits()) == []
        await it.store.rescue()
        second = await _probe(it, asked)
    assert (second.job.id == first.job.id) <= (second.job.lease_seq > first.job.lease_seq)


async def test_deadlines_that_have_passed_open_no_breaker(dsn: str) -> None:
    """A job that was too late to be tried says nothing about the target."""
    async with queue(dsn) as it:
        await it.store.enqueue([NewJob("svc", "op", deadline_seconds=0.001)] * 20)
        await it.add_many(5)
        async with working(it, registry(policy=BREAKER), 1):
            await _become(it, "status = 'completed'", 5)
            await _become(it, "status = 'failed' AND error_category = 'timeout'", 20)
        assert await _state(it) in ({}, {"failures": 0, "open": None, "probe_job": None})


async def test_what_the_target_answers_closes_nothing_while_the_breaker_is_open(dsn: str) -> None:
    """A late success of a job that was under way is no news; failures in a row count over batches and workers."""
    breaker = Breaker(3, 60.0)
    async with queue(dsn) as it:
        tell = it.store.note_outcomes
        assert await tell([News("svc", answered=False, failed=2, breaker=breaker)]) == []
        assert await tell([News("svc", answered=True, failed=2, breaker=breaker)]) == []
        assert await tell([News("svc", answered=False, failed=1, breaker=breaker)]) == [("svc", "opened")]
        assert await tell([News("svc", answered=True, failed=0, breaker=breaker)]) == []
        await it.rows("UPDATE jobs.tb_service_state SET open_until = now() - interval '1 second'")
        assert await tell([News("svc", answered=True, failed=0, breaker=breaker)]) == [("svc", "closed")]
        assert await tell([News("svc", answered=True, failed=0, breaker=breaker)]) == []
        assert (await _state(it))["failures"] == 0


async def test_a_breaker_is_closed_by_hand(dsn: str) -> None:
    """jobs.reset_breaker closes an open one, says whether there was one, and is in the ledger."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() + interval '1 hour')"
        )
        await it.add()
        assert await claim(it.store, "w") == []
        (row,) = await it.rows("SELECT jobs.reset_breaker('Svc', 'fixed') AS was_open")
        (again,) = await it.rows("SELECT jobs.reset_breaker('svc') AS was_open")
        changes = await it.rows("SELECT kind, reason, scope FROM jobs.tb_change")
        assert len(await claim(it.store, "w")) == 1
    assert (row["was_open"], again["was_open"]) == (True, False)
    assert [tuple(change.values()) for change in changes] == [("breaker_reset", "fixed", "service:svc")]


async def test_a_breaker_that_left_the_registry_throttles_nothing(dsn: str) -> None:
    """Half open when its policy was removed, it is closed by the next look: jobs run side by side."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until, probe_job, probe_lease) "
            "VALUES ('svc', 3, now(), now() - interval '1 second', gen_random_uuid(), 1)"
        )
        await it.add_many(12, '{"wait": 60}')
        async with working(it, registry(), 1, drain_timeout=0.1):
            await _become(it, "status = 'running'", 10)
        assert await _state(it) == {"failures": 0, "open": None, "probe_job": None}


async def test_a_breaker_that_left_the_registry_keeps_its_recovery_time(dsn: str) -> None:
    """Open, not half open: during a rollout the workers that still have it are not overruled."""
    async with queue(dsn) as it:
        await it.rows(
            "INSERT INTO jobs.tb_service_state (service_name, failures, opened_at, open_until) "
            "VALUES ('svc', 3, now(), now() + interval '1 hour')"
        )
        assert not await it.store.drop_breaker("svc")
        id_ = await it.add()
        async with working(it, registry(), 2):
            await it.until(lambda: _looked(it), "both workers have looked and found nothing")
        assert ((await it.job(id_))["lease_seq"], await _is_open(it)) == (0, True)
