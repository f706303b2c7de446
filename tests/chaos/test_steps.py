"""kill -9 at each step of a job's walk, placed exactly: the job ends once, and the far end saw what was executed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from support.http_target import HttpTarget, Seen, Wire, reply
from support.processes import Started
from support.queue import Queue, queue
from support.registries import far_end
from support.relay import Relay
from support.waiting import PATIENCE

Spawn = Callable[..., Started]

#: Words that only this statement has, as it is first sent to be prepared.
CLAIM: Final = b"FROM jobs.claim("
SETTLE: Final = b"s.output::jsonb"


class Holding:
    """A far end's answer: each request is held until `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        """Hold one request, then answer with the lease that it came under."""
        await self.go.wait()
        await reply(200, {"lease": int(seen.header("x-job-lease"))})(seen, wire)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one kill leaves: the leases that the far end saw, and the row when the job has ended."""

    executed: tuple[int, ...]
    lease_seq: int
    crashes: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One worker whose way to the database is a relay, one job, and a far end."""

    queue: Queue
    other: Queue  # a second session, for locks
    relay: Relay
    target: HttpTarget
    far: Holding
    job: UUID
    start: Callable[[], Started]

    async def held(self) -> None:
        """Wait until the relay keeps what it was told to."""
        await asyncio.wait_for(self.relay.held.wait(), PATIENCE)

    async def status(self) -> str:
        """Return the job's status."""
        return str((await self.queue.job(self.job))["status"])

    async def becomes(self, status: str) -> None:
        """Wait for the job's status."""

        async def is_it() -> bool:
            return await self.status() == status

        await self.queue.until(is_it, f"the job is {status}")


# ---- the steps: each returns the worker at the moment at which it is to be killed ------------------------------------


async def claim_not_sent(scene: Scene) -> Started:
    """The claim is on its way and does not arrive."""
    scene.relay.hold_at(CLAIM)
    worker = scene.start()
    await scene.held()
    assert await scene.status() == "pending"
    return worker


async def executing(scene: Scene) -> Started:
    """The far end has the request and does not answer."""
    worker = scene.start()
    await scene.target.asked()
    return worker


async def executed_not_settled(scene: Scene) -> Started:
    """The far end has answered; the settlement is on its way and does not arrive."""
    scene.far.go.set()
    scene.relay.hold_at(SETTLE)
    worker = scene.start()
    await scene.held()
    assert await scene.status() == "running"
    return worker


async def settlement_under_way(scene: Scene) -> Started:
    """The settlement waits in the server for a row that somebody holds."""
    await scene.other.rows("BEGIN")
    worker = scene.start()
    await scene.target.asked()
    await scene.other.rows("SELECT id FROM jobs.tb_job_run FOR UPDATE")
    scene.far.go.set()
    await scene.queue.until(lambda: scene.queue.waits_for_a_lock("settle"), "the settlement waits for the row")
    return worker


async def committed_not_heard(scene: Scene) -> Started:
    """The settlement is committed; the answer is lost."""
    worker = await settlement_under_way(scene)
    scene.relay.mute()
    await scene.other.rows("COMMIT")
    await scene.becomes("completed")
    return worker


STEPS: Final = {
    claim_not_sent: Expected(executed=(1,), lease_seq=1, crashes=0),
    executing: Expected(executed=(1, 3), lease_seq=3, crashes=1),
    executed_not_settled: Expected(executed=(1, 3), lease_seq=3, crashes=1),
    settlement_under_way: Expected(executed=(1,), lease_seq=1, crashes=0),  # one statement: the server ends it alone
    committed_not_heard: Expected(executed=(1,), lease_seq=1, crashes=0),
}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_a_worker_killed_at_this_step_loses_nothing(dsn: str, spawn: Spawn, tmp_path: Path, step: Any) -> None:
    """After SIGKILL the job ends once, under the lease that is recorded, and runs again only where it must."""
    expected = STEPS[step]
    async with _scene(dsn, spawn, tmp_path) as scene:
        worker = await step(scene)
        await asyncio.to_thread(worker.kill)
        await scene.relay.break_off()
        scene.far.go.set()
        await scene.other.rows("COMMIT")
        await _bury(scene.queue)
        last = spawn("worker", "--registry", str(tmp_path / "services.yaml"), "--dsn", dsn, "--until-empty")
        assert await asyncio.to_thread(last.finish) == 0
        row = await scene.queue.job(scene.job)
        ends = await scene.queue.rows("SELECT lease_seq, status FROM jobs.tb_audit_event WHERE outcome = 'succeeded'")
    executed = tuple(int(seen.header("x-job-lease")) for seen in scene.target.requests)
    assert (executed, row["lease_seq"], row["crash_count"]) == (expected.executed, expected.lease_seq, expected.crashes)
    assert (row["status"], row["output_data"]) == ("completed", {"lease": expected.lease_seq})
    assert [tuple(end.values()) for end in ends] == [(expected.lease_seq, "completed")]


@asynccontextmanager
async def _scene(dsn: str, spawn: Spawn, folder: Path) -> AsyncIterator[Scene]:
    async with Relay(dsn) as relay, HttpTarget() as target, queue(dsn) as it, queue(dsn) as other:
        far, file = Holding(), folder / "services.yaml"
        target.script("/note", far)
        file.write_text(far_end(target.url, "far", note={"timeout": 120}))
        (row,) = await it.rows("SELECT jobs.enqueue('far', 'note', '{\"n\": 1}') AS id")

        def start() -> Started:
            return spawn("worker", "--registry", str(file), "--dsn", relay.dsn)

        yield Scene(it, other, relay, target, far, row["id"], start)


async def _bury(it: Queue) -> None:
    """Make the dead worker's last heartbeat old, so that no test has to wait until it is."""
    await it.rows("UPDATE jobs.tb_worker SET heartbeat_at = heartbeat_at - interval '1 minute'")
