"""What a runner costs over the bare tool: plan, judge and execute beside the tool alone, taking turns in one run."""

from __future__ import annotations

import asyncio
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from specql_jobs.core.contract import ExecutionContext, Footprint, JobRunner, Succeeded, Violation
from specql_jobs.core.job import ExecutionType, JobRecord
from specql_jobs.core.policy import Policy, judge
from specql_jobs.core.registry.model import Operation, Registry, Service
from specql_jobs.core.secrets import Secrets
from specql_jobs.core.worker.planner import Planner
from specql_jobs.runners import RunnerRegistry
from specql_jobs.runners.http import HTTPRunner
from specql_jobs.runners.shell import DEFAULT_JOB_UID, ShellScriptRunner

HERE = Path(__file__).parent
SHELL_JOBS = 150
HTTP_JOBS = 1000
#: Each turn of a side is this long, so that noise hits both.
TURN = 10

Once = Callable[[], Awaitable[None]]


class Ours:
    """One operation, executed as a worker does: validated, planned, judged, executed."""

    def __init__(self, runner: JobRunner[Any, Any], service: Service, given: dict[str, Any]) -> None:
        self.runner = runner
        self._planner = Planner(Registry(services={service.name: service}, digest="0" * 64), RunnerRegistry([runner]))
        self._prepared = self._planner.prepared(service.name, "go")
        self._given = given
        self._secrets = Secrets()

    def draft(self) -> Any:
        """Return a judged plan."""
        self._prepared.check(self._given)
        return self._planner.draft(self._prepared, JobRecord(uuid4(), "bench", "go", 1, 1), self._given)

    async def once(self) -> None:
        """Execute one job."""
        draft = self.draft()
        policy = draft.call.policy

        def again(footprint: Footprint) -> tuple[Violation, ...]:
            return judge(footprint, policy)

        context = ExecutionContext(
            job_id=draft.call.job_id, timeout_seconds=30.0, secrets=self._secrets, worker_id="bench", judge=again
        )
        result = await self.runner.execute(draft.plan, context)
        if draft.violations or not isinstance(result.outcome, Succeeded):
            raise SystemExit(f"the benchmark's job did not succeed: {draft.violations or result.outcome}")


async def taking_turns(jobs: int, sides: dict[str, Once]) -> dict[str, list[float]]:
    """Run each side `jobs` times, in turns; return milliseconds."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for once in sides.values():
        await once()  # connections, caches
    for _ in range(jobs // TURN):
        for name, once in sides.items():
            for _ in range(TURN):
                before = time.perf_counter()
                await once()
                found[name].append((time.perf_counter() - before) * 1000)
    return found


def report(title: str, found: dict[str, list[float]], goal: float) -> None:
    """Print medians, the ratio, and what is added."""
    (ours, mine), (bare, theirs) = ((name, statistics.median(times)) for name, times in found.items())
    print(f"\n{title}, milliseconds (median of {len(found[ours])}, taking turns)")
    ratio, added = mine / theirs, mine - theirs
    print(f"  {ours} {mine:.2f}   {bare} {theirs:.2f}   ratio {ratio:.2f} (goal {goal})   added {added:.2f}")


# ---- shell ----------------------------------------------------------------------------------------------------------


def shell() -> None:
    """One process that does nothing, and one that computes for a while; beside bubblewrap with the same options."""
    if os.geteuid() != 0 or not Path("/usr/bin/bwrap").exists():
        print("\nshell: left out, it needs root and bubblewrap")
        return
    for title, argv in (
        ("shell: /usr/bin/true", ["/usr/bin/true"]),
        ("shell: python3 that computes", ["/usr/bin/python3", "-c", "print(sum(range(2_000_000)))"]),
    ):
        found = asyncio.run(_shell(argv))
        report(title, found, 1.3)


async def _shell(argv: list[str]) -> dict[str, list[float]]:
    operation = Operation(name="go", service="bench", input_schema={"type": "object"}, mapping={"argv": argv})
    policy = Policy(allowed_commands=(argv[0],))
    service = Service(
        name="bench", execution_type=ExecutionType.SHELL, policy=policy, runner_config={}, operations={"go": operation}
    )
    ours = Ours(ShellScriptRunner(), service, {})
    words = shlex.split(ours.draft().plan.sandbox_line())

    async def bare() -> None:
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/bwrap",
            *words[1:],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            user=DEFAULT_JOB_UID,
            group=DEFAULT_JOB_UID,
            extra_groups=[],
        )
        await process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"bubblewrap ended with {process.returncode}")

    try:
        return await taking_turns(SHELL_JOBS, {"specql-jobs": ours.once, "bwrap": bare})
    finally:
        await ours.runner.aclose()


# ---- http -----------------------------------------------------------------------------------------------------------


def http() -> None:
    """One small POST to a server on this machine over a kept connection; beside httpx's own client."""
    with _answering() as port:
        report("http: POST of a small JSON document", asyncio.run(_http(port)), 1.3)


@contextmanager
def _answering() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(HERE / "answer.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


async def _http(port: int) -> dict[str, list[float]]:
    operation = Operation(
        name="go",
        service="bench",
        input_schema={"type": "object"},
        mapping={"request": {"method": "POST", "path": "/go", "body": "json"}},
    )
    service = Service(
        name="bench",
        execution_type=ExecutionType.HTTP,
        policy=Policy(allowed_domains=("127.0.0.1",), allow_private_networks=True),
        runner_config={"base_url": f"http://127.0.0.1:{port}"},
        operations={"go": operation},
    )
    given = {"amount": 1200, "currency": "eur"}
    ours = Ours(HTTPRunner(), service, given)
    async with httpx.AsyncClient() as client:

        async def bare() -> None:
            answer = await client.post(f"http://127.0.0.1:{port}/go", json=given)
            answer.raise_for_status().json()

        try:
            return await taking_turns(HTTP_JOBS, {"specql-jobs": ours.once, "httpx": bare})
        finally:
            await ours.runner.aclose()
