"""Run real container jobs through the real plan, judge and runner, and look from outside at what they left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from specql_jobs.core.contract import ExecutionContext, JobResult, Refused
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.permissions import DEFAULT_RESOURCES
from specql_jobs.core.policy import Policy, judge
from specql_jobs.runners import docker_sweep
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.docker_plan import DockerPlan

from .builders import make_call, make_context, make_operation, make_service
from .dockerd import BUSYBOX, TestEngine

SHELL: Final = "/bin/sh"

Meanwhile = Callable[[ExecutionContext], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One container job: an operation's command, or (command None) the default mapping."""

    command: Sequence[str] | None
    input: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)  # over the default resource limits
    config: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None
    narrowed: Mapping[str, Any] = field(default_factory=dict)  # what a row takes from the policy

    @property
    def stated(self) -> Policy:
        """The service's own policy; the test image is allowed unless the test says which are."""
        resources = replace(DEFAULT_RESOURCES, **self.limits)
        return Policy(**{"allowed_images": (BUSYBOX,), "resources": resources, **self.policy})

    @property
    def effective(self) -> Policy:
        """The policy of this job."""
        return replace(self.stated, **self.narrowed)

    def plan(self, runner: DockerRunner) -> DockerPlan:
        """Return the plan as a worker would make it."""
        mapping = {} if self.command is None else {"command": list(self.command)}
        operation = make_operation(mapping=mapping, output_schema=self.output_schema)
        service = make_service(
            ExecutionType.DOCKER,
            policy=self.stated,
            runner_config={"image": BUSYBOX, **self.config},
            operations={"op": operation},
        )
        return runner.plan(runner.validate_config(service), make_call(service, self.input, policy=self.effective))


def shell(code: str, **more: Any) -> Job:
    """Return a job that runs shell code; its braces are no placeholders."""
    return Job(command=(SHELL, "-c", code.replace("{", "{{").replace("}", "}}")), **more)


def run(job: Job, engine: TestEngine, *, meanwhile: Meanwhile | None = None, **more: Any) -> JobResult:
    """Judge and execute one job; `more` is for the context. Asserts that nothing of it is left."""
    return asyncio.run(execute(job, engine, meanwhile=meanwhile, **more))


async def execute(
    job: Job, engine: TestEngine, *, meanwhile: Meanwhile | None = None, alone: bool = True, **more: Any
) -> JobResult:
    """As `run`, inside a loop; not `alone`: another job of this process runs. A refused plan is returned as such."""
    runner = DockerRunner(url=engine.url)
    plan = job.plan(runner)
    violations = judge(plan.footprint, job.effective)
    if violations:
        return JobResult(Refused(violations))
    context = replace(make_context(policy=job.effective, **{"timeout_seconds": 30.0, **more}), job_id=uuid4())
    beside = asyncio.ensure_future(meanwhile(context)) if meanwhile else None
    try:
        result = await runner.execute(plan, context)
        if beside is not None:
            await beside
    finally:
        await runner.aclose()
    assert docker_sweep.name_of(context) not in engine.ours()
    assert not alone or groups() == []
    return result


def groups() -> list[str]:
    """Return the control groups that this test process's containers had and that still stand."""
    return [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/specql-docker-{docker_sweep.own_name()}")]


def running(mark: str) -> list[int]:
    """Return the living processes of this host, in containers too, whose command line has `mark` in it."""
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and _has(pid, mark)]


def _has(pid: str, mark: str) -> bool:
    try:
        return int(pid) != os.getpid() and mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it ended meanwhile
        return False
