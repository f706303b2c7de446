"""Workers that are killed while AWS Batch runs their job: the job runs once, and its result is found."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from support.batch_calls import FarEnd, far_end
from support.board import Board
from support.dockerd import BUSYBOX, TestEngine
from support.processes import Started
from support.serverless_calls import ENVIRONMENT
from support.waiting import until

Spawn = Callable[..., Started]

REGISTRY = """
services:
  score:
    category: science
    execution_type: docker
    runner_config:
      {{engine: aws_batch, image: "{image}", job_queue: scoring, region: eu-west-1, endpoint_url: "{url}"}}
    security_policy:
      allowed_images: ["{image}"]
      allowed_regions: [eu-west-1]
      allow_private_networks: true
      network_isolation: false
    operations:
      row:
        output_schema: {{lease: integer}}
        command: [/bin/sh, "-c", 'sleep 5; echo "{{{{\\"lease\\": $SPECQL_JOB_LEASE}}}}"']
        timeout: 120
"""

#: Rescue needs about 4 s once Postgres is up for 15 s; a noisy machine gets more.
RESCUE_PATIENCE = 60.0


@pytest.fixture
def batch(engine: TestEngine) -> Iterator[FarEnd]:
    """A Batch whose containers the run's engine starts."""
    with far_end(engine) as served:
        yield served


def test_a_killed_workers_batch_job_is_adopted(batch: FarEnd, dsn: str, spawn: Spawn, tmp_path: Path) -> None:
    """After SIGKILL another worker, on a host without an engine, completes the job with the one Batch job's result."""
    board, file = Board(dsn), tmp_path / "services.yaml"
    file.write_text(REGISTRY.format(image=BUSYBOX, url=batch.url))
    env = {**ENVIRONMENT, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    job = board.add("score", "row")
    first = spawn("worker", "--registry", str(file), "--dsn", dsn, env=env)
    until(lambda: [each["status"] for each in batch.jobs(UUID(job))] == ["RUNNING"], "the Batch job runs")
    first.send(signal.SIGKILL)
    first.finish()
    spawn("worker", "--registry", str(file), "--dsn", dsn, env=env)
    until(lambda: board.status(job) == "completed", "another worker completes the job", RESCUE_PATIENCE)
    assert board.sql("SELECT output_data FROM jobs.tb_job_run WHERE id = %s", job) == [({"lease": 1},)]
    assert len(batch.jobs(UUID(job))) == 1
