"""How each incident comes about: real jobs, a real worker and a real far end, until somebody would be called."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ...core.errors import RunnerUnavailable
from ...core.job import ExecutionType, NewJob
from ...core.store import workers
from ...core.store.db import Connection
from ...core.store.store import Store
from ...runners import RunnerRegistry
from . import engine_image
from .incidents import FLOODER, OTHERS, Incident
from .stage import Stage, until_true

#: Jobs are enqueued so many at a time.
BATCH = 5000

#: The flood: tens of thousands, of a priority that lets nobody else through.
FLOOD = 30_000
TICK_JOBS = 25  # of each tick of that tenant's cron, which goes on until it is switched off

_COUNTS = "SELECT status, count(*)::int AS jobs FROM jobs.tb_job_run GROUP BY 1"


@dataclass(frozen=True, slots=True)
class Unfolding:
    """One incident coming about on its migrated database."""

    incident: Incident
    stage: Stage
    connection: Connection
    docker_host: str

    def write_registry(self) -> None:
        """Write the registry that the worker begins with, and under another name what a deploy will bring."""
        first = self.incident.before or self.incident.registry
        self.stage.registry.write_text(self._filled(first), "utf-8")
        if self.incident.before:
            self.stage.before.write_text(self._filled(self.incident.before), "utf-8")

    def _filled(self, registry: str) -> str:
        words = {"name": self.incident.name, "service": self.incident.service, "url": self.stage.url}
        return registry.format(**words, image=engine_image.IMAGE)

    async def unfold(self) -> None:
        """Let it happen, and return when somebody would be called."""
        await _SCENES[self.incident.name](self)

    async def enqueue(self, operation: str, inputs: Iterable[Mapping[str, Any]], **about: Any) -> None:
        """Put jobs of an operation into the queue; `about` are fields of NewJob."""
        jobs = [NewJob(self.incident.service, operation, json.dumps(each), **about) for each in inputs]
        for start in range(0, len(jobs), BATCH):
            await Store(self.connection).enqueue(jobs[start : start + BATCH])

    async def counts(self) -> dict[str, int]:
        """Return the jobs by status."""
        found = await (await self.connection.execute(_COUNTS)).fetchall()
        return {row["status"]: row["jobs"] for row in found}

    async def until(self, status: str, jobs: int) -> None:
        """Return once so many jobs have a status."""

        async def there() -> bool:
            return (await self.counts()).get(status, 0) >= jobs

        await until_true(there, f"{jobs} jobs to be {status}")

    async def deploy(self, registry: str) -> None:
        """Write a registry and return once the worker has read it."""
        before = registries_read(self.stage)
        self.stage.registry.write_text(self._filled(registry), "utf-8")
        await self.stage.order("reload")

        async def read() -> bool:
            return registries_read(self.stage) > before

        await until_true(read, "the worker to read the registry")


def registries_read(stage: Stage) -> int:
    """Return how often a worker of the incident has read its registry, by the worker's own log."""
    return (stage.folder / "worker.log").read_text("utf-8", errors="replace").count("registry_loaded")


async def _api_down(story: Unfolding) -> None:
    await story.enqueue("charge", ({"amount": 100 + n, "currency": "EUR"} for n in range(300)))
    await story.enqueue("decline", ({"amount": n} for n in range(3)))
    await story.enqueue("refund", ({"charge_id": f"ch_{n}"} for n in range(40)))
    await story.stage.order("start")
    await story.until("failed", 303)


async def _worker_lost(story: Unfolding) -> None:
    await story.enqueue("build", ({"month": f"2026-{n:02}"} for n in range(1, 10)))
    await story.stage.order("start")
    await story.until("running", 6)
    await story.stage.order("kill")

    async def lost() -> bool:
        async with story.connection.transaction(force_rollback=True):
            return bool(await workers.lost_by_the_rules(story.connection))

    await until_true(lost, "the worker to be lost")


async def _poison(story: Unfolding) -> None:
    await story.enqueue("transcode", ({"clip": f"clip-{n}", "codec": "h264"} for n in range(20)), priority=1)
    await story.enqueue("transcode", ({"clip": "clip-66", "codec": "av1"},))
    later = ({"clip": f"clip-{n}", "codec": "av1"} for n in range(67, 72))
    await story.enqueue("transcode", later, delay_seconds=120.0)
    await story.stage.order("start")
    await story.until("failed", 1)


async def _bad_deploy(story: Unfolding) -> None:
    await story.enqueue("charge", ({"amount": n, "currency": "EUR"} for n in range(40)))
    await story.stage.order("start")
    await story.until("completed", 40)
    await story.deploy(story.incident.registry)
    await story.enqueue("charge", ({"amount": n, "currency": "EUR"} for n in range(120)))
    await story.enqueue("settle", ({"day": f"2026-11-{n:02}"} for n in range(1, 7)))
    await story.until("failed", 126)


async def _tenant_flood(story: Unfolding) -> None:
    await story.enqueue("render", ({"page": n} for n in range(FLOOD)), tenant_id=UUID(FLOODER), priority=10)
    (story.stage.folder / "cron.jsonl").write_text('{"page": 1}\n' * TICK_JOBS, "utf-8")
    for tenant in OTHERS:
        await story.enqueue("render", ({"page": n} for n in range(20)), tenant_id=UUID(tenant))
    await story.stage.order("start")
    await story.until("completed", 4)


async def _image_missing(story: Unfolding) -> None:
    await story.enqueue("resize", ({"width": 64 * n} for n in range(1, 10)))
    await story.stage.order("start")
    await story.until("failed", 9)


async def require_engine(docker_host: str) -> None:
    """Raise RunnerUnavailable unless containers can run here; the image is taken off the engine."""
    runners = RunnerRegistry(settings={ExecutionType.DOCKER: {"url": docker_host}})
    try:
        checks = await runners.runner(ExecutionType.DOCKER).check()
    finally:
        await runners.aclose()
    for check in checks:
        if check.status in ("fail", "skip"):
            raise RunnerUnavailable(f"no container can run here: {check.detail}", hint=check.fix)
    engine_image.require_means(docker_host)
    engine_image.remove(docker_host)


_SCENES: Mapping[str, Callable[[Unfolding], Awaitable[None]]] = {
    "api-down": _api_down,
    "worker-lost": _worker_lost,
    "poison": _poison,
    "bad-deploy": _bad_deploy,
    "tenant-flood": _tenant_flood,
    "image-missing": _image_missing,
}
