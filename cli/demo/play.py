"""The demo itself: a private Postgres, a server, a worker and the jobs of the scene, from nothing to nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core import log
from ...core.clock import monotonic
from ...core.errors import StillPending, UsageError
from ...core.registry.load import require
from ...core.secrets import Secrets
from ...core.store.db import connect, reachable
from ...core.store.migrate import migrate
from ...core.store.store import Scope, Store
from ...core.version import VERSION
from ...core.worker.attempt import Surroundings
from ...core.worker.planner import Planner
from ...core.worker.worker import Worker, WorkerSettings, run_worker
from ...runners import RunnerRegistry
from ..output.demo_view import DemoView, Row
from .scene import ACTS, REGISTRY, Act
from .target import payment_server

#: The demo takes about 10 s; a very slow machine gets more before it is given up.
LONGEST = 120.0  # seconds

_PROGRESS = """
SELECT service_name || '.' || operation AS name, status, count(*)::int AS jobs, max(attempts) AS attempts,
       max(error_category) AS category, max(error_message) AS message,
       max((resource_usage->>'peak_memory_mb')::numeric)::float8 AS peak_mb
  FROM jobs.tb_job_run GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the demo: one row per kind of job, and the kinds that this host could not play."""

    rows: tuple[Row, ...]
    skipped: tuple[Act, ...]
    why_skipped: str
    seconds: float

    @property
    def as_expected(self) -> bool:
        """Whether every job that was played ended as the scene says."""
        return all(row.as_expected for row in self.rows)


async def play(view: DemoView, keep: Path | None) -> Played:
    """Play the scene; `keep` is a folder that stays, else everything is removed."""
    log.configure(level=log.Level.ERROR)
    started = monotonic()
    with _stage(keep) as folder, payment_server() as url:
        file = folder / "services.yaml"
        file.write_text(REGISTRY.format(url=url))
        view.step("starting a private PostgreSQL")
        async with reachable(f"embedded:{folder / 'postgres'}", create=True) as dsn:
            runners = RunnerRegistry()
            try:
                return await _Play(view, dsn, file, runners).run(started)
            finally:
                await runners.aclose()


@contextmanager
def _stage(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise UsageError(f"the folder {keep} is not empty", hint="name a new folder for --keep")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="specql-jobs-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Play:
    """One run on a database that is there."""

    def __init__(self, view: DemoView, dsn: str, file: Path, runners: RunnerRegistry) -> None:
        self._view = view
        self._dsn = dsn
        self._runners = runners
        self._registry = require([file], environment="", variables={})

    async def run(self, started: float) -> Played:
        unable = await self._unable()
        acts = [act for act in ACTS if act.service not in unable]
        skipped = tuple(act for act in ACTS if act.service in unable)
        async with await connect(self._dsn, "specql-jobs demo") as connection:
            self._view.step("creating the schema jobs")
            await migrate(connection)
            jobs = [job for act in acts for job in act.jobs()]
            self._view.step(f"enqueueing {len(jobs)} jobs, starting a worker")
            await Store(connection).enqueue(jobs)
            rows = await self._watch(connection, acts, tuple(unable))
        reason = next(iter(unable.values()), "")
        return Played(tuple(rows), skipped, reason, monotonic() - started)

    async def _unable(self) -> dict[str, str]:
        """Return the services that this host cannot execute, and why."""
        found = {}
        for service in self._registry.services.values():
            checks = await self._runners.runner(service.execution_type).check()
            failed = [check for check in checks if check.status == "fail"]
            if failed:
                found[service.name] = f"{failed[0].detail} ({failed[0].fix})"
        return found

    async def _watch(self, connection: Any, acts: Sequence[Act], unable: tuple[str, ...]) -> list[Row]:
        worker = asyncio.create_task(self._work(unable))
        try:
            async with asyncio.timeout(LONGEST):
                with self._view.live():
                    while not worker.done():
                        self._view.show(await _rows(connection, acts))
                        await asyncio.wait({worker}, timeout=0.2)
            await worker
        except TimeoutError:
            raise StillPending(f"the demo did not end within {LONGEST:g} s", hint="specql-jobs doctor") from None
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
        return await _rows(connection, acts)

    async def _work(self, unable: tuple[str, ...]) -> None:
        settings = WorkerSettings(
            dsn=self._dsn,
            host=os.uname().nodename,
            pid=os.getpid(),
            version=VERSION,
            concurrency=6,
            scope=Scope(excluded=unable),
            until_empty=True,
        )
        around = Surroundings(Planner(self._registry, self._runners), Secrets())
        await run_worker(settings, around, self._runners.installed(), _ignore)


def _ignore(_worker: Worker) -> None:
    """The demo's worker ends by itself: nobody needs to reach it."""


async def _rows(connection: Any, acts: Sequence[Act]) -> list[Row]:
    found = await (await connection.execute(_PROGRESS)).fetchall()
    return [_row(act, [each for each in found if each["name"] == act.name]) for act in acts]


def _row(act: Act, found: Sequence[dict[str, Any]]) -> Row:
    counts = {each["status"]: each["jobs"] for each in found}
    ended = [each for each in found if each["status"] in ("completed", "failed")]
    return Row(
        name=act.name,
        lesson=act.lesson,
        counts=counts,
        total=len(act.inputs),
        attempts=max((each["attempts"] for each in found), default=0),
        message=next((each["message"] for each in ended if each["message"]), "") or "",
        peak_mb=max((each["peak_mb"] or 0.0 for each in found), default=0.0),
        as_expected=counts == {act.status: len(act.inputs)} and {each["category"] for each in ended} == {act.category},
    )
