"""Connections that nobody closed and that carry nothing any more: their way lost its other end, or the host is gone."""

from __future__ import annotations

import asyncio
from typing import Any

from support.queue import Queue, queue
from support.relay import Relay
from support.waiting import until_async

from specql_jobs.core.worker.worker import End

#: A silent connection is given up after 10 s, a silent worker after 15 s; a noisy machine gets more.
LONG = 60.0


async def _is(value: object) -> object:
    return value


async def _status_is(it: Queue, id_: Any, status: str) -> bool:
    return bool((await it.job(id_))["status"] == status)


async def test_a_worker_leaves_connections_that_never_answer(dsn: str) -> None:
    """Whoever keeps the connection open without answering is not waited for: the worker goes on over another one."""
    async with Relay(dsn) as relay, queue(dsn) as near, queue(dsn) as far:
        far.dsn = relay.dsn
        async with far.working() as worker:
            first = await near.add()
            await until_async(lambda: _status_is(near, first, "completed"), "the worker works")
            relay.swallow()
            second = await near.add()
            await until_async(lambda: _status_is(near, second, "completed"), "it works again", LONG)
            assert worker.ready
    assert [id_ for id_, _ in far.puppet.ran] == [str(first), str(second)]


async def test_a_vanished_workers_job_has_stopped_when_another_takes_it(dsn: str) -> None:
    """Its connections stay open and silent: it stops its job by itself before another takes it, and comes back lost."""
    async with Relay(dsn) as relay, queue(dsn) as near, queue(dsn) as far:
        far.dsn = relay.dsn
        vanished = far.worker()
        running = asyncio.create_task(vanished.run())
        id_ = await near.add('{"wait": 600, "output": {"n": 1}}')
        await near.until(lambda: _is(len(vanished.slots) == 1), "the far worker runs the job")
        relay.freeze()
        async with near.working(drain_timeout=0.1):
            await until_async(lambda: _is(near.puppet.ran or len(vanished.slots) == 0), "it stops", LONG)
            assert not near.puppet.ran
            await until_async(lambda: _is(near.puppet.ran), "another worker has taken the job", LONG)
            before = await near.job(id_)
            relay.let_go()
            assert await asyncio.wait_for(running, LONG) is End.LOST
            assert await near.job(id_) == before
    assert (before["crash_count"], before["lease_seq"], len(far.puppet.ran), len(near.puppet.ran)) == (1, 3, 1, 1)
