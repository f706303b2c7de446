"""The container engine is restarted while container jobs run: each is executed to its end, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from support import dockerd
from support.dockerd import BUSYBOX, EngineAbsent, TestEngine
from support.processes import Started
from support.queue import Queue, queue
from support.require import require
from support.waiting import until, until_async

Spawn = Callable[..., Started]

JOBS: Final = 4
PATIENCE: Final = 120.0
REGISTRY: Final = """
services:
  crate:
    execution_type: docker
    runner_config: {{image: "{image}"}}
    security_policy: {{allowed_images: ["{image}"]}}
    operations:
      go:
        max_retries: 20
        timeout: 60
        command: [/bin/sh, -c, "sleep 2; echo done"]
"""


@pytest.fixture
def own_engine() -> Iterator[TestEngine]:
    """An engine of this test's own, which it may stop."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(dockerd.serve_private())
        except EngineAbsent as error:
            require("docker", available=False, reason=str(error))
            raise
        dockerd.make_image(made.client, BUSYBOX, [])
        yield made


async def _count(it: Queue, condition: str) -> int:
    (row,) = await it.rows(f"SELECT count(*) AS n FROM jobs.tb_job_run WHERE {condition}")
    return int(row["n"])


async def test_container_jobs_outlive_a_restart_of_their_engine(
    own_engine: TestEngine, dsn: str, spawn: Spawn, tmp_path: Path
) -> None:
    """Jobs whose containers fell with the engine are tried again once it is back, and the fallen ones are swept."""
    file = tmp_path / "services.yaml"
    file.write_text(REGISTRY.format(image=BUSYBOX))
    async with queue(dsn) as it:
        for _ in range(JOBS):
            await it.rows("SELECT jobs.enqueue('crate', 'go')")
        words = ("--registry", str(file), "--concurrency", "2", "--dsn", dsn)
        worker = spawn("worker", *words, env={"DOCKER_HOST": own_engine.url})

        async def has_run() -> bool:
            return bool(own_engine.client.containers(filters={"label": "specql-jobs.owner"}))

        await until_async(has_run, "a container runs", PATIENCE)
        with ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, dockerd.restarted(own_engine))

            async def all_ended() -> bool:
                return await _count(it, "completed_at IS NOT NULL") == JOBS

            await until_async(all_ended, "every job has ended", PATIENCE)
            assert await _count(it, "status = 'completed' AND output_data->>'stdout' = E'done\\n'") == JOBS
            assert await _count(it, "attempts > 1") > 0
            worker.terminate()
            assert await asyncio.to_thread(worker.finish) == 0
            # What fell with the engine could not be removed then: a sweep does it, at each start and every minute.
            spawn("worker", *words, env={"DOCKER_HOST": own_engine.url})
            await asyncio.to_thread(until, lambda: not own_engine.ours(), "the fallen containers are swept", PATIENCE)
