"""After hundreds of jobs and random kills of their workers, nothing of them is left on the host."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from support.answering import answering_http
from support.dockerd import BUSYBOX, TestEngine
from support.processes import Started
from support.queue import Queue, queue
from support.require import require
from support.shelljobs import folder
from support.waiting import until, until_async

from specql_jobs.core.store import audit

__all__ = ["folder"]

Spawn = Callable[..., Started]

JOBS = 500
KILLS = 8
WORKERS = 2
#: A rescue waits until Postgres is up for 15 s, and up to 20 s longer for jobs that were lost before.
PATIENCE = 180.0

REGISTRY = """\
services:
  boxed:
    execution_type: shell
    security_policy: {{allowed_commands: [/bin/sh], resource_limits: {{memory_mb: 64, disk_mb: 8}}}}
    operations:
      go: &shell
        input_schema: {{n: integer}}
        max_retries: 20
        timeout: 60
        argv: [/bin/sh, -c, "(setsid sleep 0.4; : {mark}) & sleep 0.{{n}}", "{{n}}"]
  bare:
    execution_type: shell
    security_policy: {{allowed_commands: [/bin/sh], sandbox: none, resource_limits: {{memory_mb: 64}}}}
    operations: {{go: *shell}}
  web:
    execution_type: http
    runner_config: {{base_url: "{url}"}}
    security_policy: {{allowed_domains: ["127.0.0.1"], allow_private_networks: true}}
    operations:
      go: {{input_schema: {{n: integer}}, max_retries: 20, request: {{method: POST, path: /ok, body: json}}}}
"""
#: Where there is an engine, some jobs are containers: one costs 200 ms, so 60 of the 500.
CRATE = """\
  crate:
    execution_type: docker
    runner_config: {{image: "{image}", volumes: [{{host_path: "{volume}", container_path: /data}}]}}
    security_policy:
      allowed_images: ["{image}"]
      volume_restrictions: {{allowed_host_paths: ["{volume}"]}}
      resource_limits: {{memory: 64MB, pids: 10}}
    operations:
      go:
        input_schema: {{n: integer}}
        max_retries: 20
        timeout: 60
        command: [/bin/sh, -c, "(setsid sleep 0.4; : {mark}) & sleep 0.{{n}}", "{{n}}"]
"""


@dataclass(frozen=True, slots=True)
class Crates:
    """The container jobs of this test: where they run, and what the registry says of them; empty without Docker."""

    engine: TestEngine | None = None
    text: str = ""

    def left(self) -> list[str]:
        """Return the containers and volumes that the engine still has of workers."""
        if self.engine is None:
            return []
        volumes = self.engine.client.volumes()["Volumes"] or []
        return [*self.engine.ours(), *(each["Name"] for each in volumes)]


@pytest.fixture
def crates(request: pytest.FixtureRequest, mark: str, volume: Path) -> Crates:
    """Container jobs on the run's engine; none where there is no engine and none was promised."""
    try:
        engine: TestEngine = request.getfixturevalue("engine")
    except pytest.skip.Exception:
        return Crates()
    return Crates(engine, CRATE.format(image=BUSYBOX, volume=volume, mark=mark))


@pytest.fixture
def mark() -> str:
    """A word that stands on the command line of every process of these jobs."""
    root = os.geteuid() == 0
    require("sandbox", root and Path("/usr/bin/bwrap").exists(), "bubblewrap is not installed, or this is not root")
    return uuid4().hex


def _processes(mark: str) -> list[str]:
    return [line for pid in os.listdir("/proc") if pid.isdigit() if mark in (line := _command_line(pid))]


def _command_line(pid: str) -> str:
    try:
        return f"{pid} " + Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _groups(workers: list[str]) -> list[str]:
    """The control groups of these workers: their names hold the worker's id, with odd characters replaced."""
    names = ["".join(c if c.isalnum() or c in "_-" else "_" for c in worker)[:60] for worker in workers]
    found = Path("/sys/fs/cgroup").glob("**/specql/w-*")
    return [str(path) for path in found if any(path.name.startswith(f"w-{name}-") for name in names)]


def _container_groups(pids: list[int]) -> list[str]:
    """The control groups that these processes made for containers: their names hold the process's number."""
    owners = {str(path): path.name.split(".") for path in Path("/sys/fs/cgroup").glob("**/specql-docker-*")}
    return [path for path, parts in owners.items() if parts[2] in map(str, pids)]


def _mounts() -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "specql" in line]


@dataclass(frozen=True, slots=True)
class Crew:
    """How this test's workers are started: with a temporary folder of their own."""

    spawn: Spawn
    queue: Queue
    file: Path
    scratch: Path
    crates: Crates
    pids: list[int] = field(default_factory=list)

    async def worker(self, *more: str) -> Started:
        """Start a worker and wait until it is there."""
        words = ("--registry", str(self.file), "--concurrency", "8", "--allow-unsandboxed", "--dsn", self.queue.dsn)
        env = {"TMPDIR": str(self.scratch), **({"DOCKER_HOST": self.crates.engine.url} if self.crates.engine else {})}
        process = self.spawn("worker", *words, *more, env=env)
        self.pids.append(process.pid)
        await asyncio.to_thread(process.wait_for, "worker_started")
        return process


async def _count(it: Queue, condition: str) -> int:
    (row,) = await it.rows(f"SELECT count(*) AS n FROM jobs.tb_job_run WHERE {condition}")
    return int(row["n"])


async def _all_noticed(it: Queue) -> bool:
    """Whether the queue knows of each kill: a sweep leaves alone what belongs to a worker it takes for alive."""
    (row,) = await it.rows("SELECT count(*) AS n FROM jobs.tb_worker WHERE state = 'lost'")
    return int(row["n"]) == KILLS


async def _killed_and_replaced(crew: Crew) -> list[Started]:
    """Kill a worker each time that some more jobs have ended, and start another; return those that live."""
    workers = [await crew.worker() for _ in range(WORKERS)]
    for kill in range(1, KILLS + 1):
        wanted = kill * JOBS // (KILLS + 2)

        async def ended(wanted: int = wanted) -> bool:
            return await _count(crew.queue, "completed_at IS NOT NULL") >= wanted

        await until_async(ended, f"{wanted} jobs have ended", PATIENCE)
        victim = workers.pop(random.randrange(len(workers)))
        await asyncio.to_thread(victim.kill)
        workers.append(await crew.worker())
    return workers


async def _enqueued(it: Queue, crates: Crates) -> None:
    for n in range(JOBS):
        service = "crate" if crates.engine and n % 25 in (0, 8, 16) else ("boxed", "boxed", "bare", "web")[n % 4]
        await it.rows("SELECT jobs.enqueue(%s, 'go', jsonb_build_object('n', %s::int))", service, n % 4)


async def test_nothing_is_left_after_random_kills(
    dsn: str, spawn: Spawn, folder: Path, mark: str, crates: Crates
) -> None:
    """Each job ends exactly once; no process, container, control group, mount or folder of any worker remains."""
    async with queue(dsn) as it:
        with answering_http() as target:
            file = folder / "services.yaml"
            (folder / "scratch").mkdir()
            file.write_text(REGISTRY.format(url=target.url, mark=mark) + crates.text)
            await _enqueued(it, crates)
            crew = Crew(spawn, it, file, folder / "scratch", crates)
            workers = await _killed_and_replaced(crew)

            async def all_ended() -> bool:
                return await _count(it, "completed_at IS NULL") == 0

            await until_async(all_ended, "every job has ended", PATIENCE)
            await until_async(lambda: _all_noticed(it), "each killed worker is known to be lost", PATIENCE)
            for worker in workers:
                worker.terminate()
                assert await asyncio.to_thread(worker.finish) == 0
            last = await crew.worker("--until-empty")
            await asyncio.to_thread(last.finish)
        ids = [row["worker_id"] for row in await it.rows("SELECT worker_id FROM jobs.tb_worker")]
        rows = await it.rows(
            "SELECT job_id, count(*) FILTER (WHERE status IN ('completed', 'failed')) AS ends FROM jobs.tb_audit_event "
            "GROUP BY job_id"
        )
        assert (await audit.verify(it.connection)).breaks == ()
        lost = await _count(it, "crash_count > 0")
        carried = await _count(it, "service_name = 'crate' AND status = 'completed'")
    assert len(ids) >= KILLS + WORKERS
    assert lost > 0
    assert [row["ends"] for row in rows] == [1] * JOBS
    until(lambda: not _processes(mark), f"the jobs' processes have ended: {_processes(mark)}")
    assert _groups(ids) == []
    assert _container_groups(crew.pids) == []
    assert crates.left() == []
    assert carried == 0 if crates.engine is None else carried > 0
    assert list((folder / "scratch").iterdir()) == []
    assert _mounts() == []
