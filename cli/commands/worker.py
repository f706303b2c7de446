"""`worker` (`worker start`): claim jobs and execute them under policy; `worker list|drain`: look after workers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from typer import Argument, Option

from ...core.errors import NotFound, UsageError
from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import Listed, command, group
from ..options import Sources, Target
from ..output import worker_text
from ..output.console import Console
from ..output.listed import Part, Table, answer_page

app = group("Claim jobs and execute them under policy; list and drain workers.")


@app.callback()
def workers() -> None:
    """Claim jobs and execute them under policy; list and drain workers."""


class LogFormat(StrEnum):
    """How a worker writes its events."""

    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How this worker behaves."""

    concurrency: Annotated[int, Option("--concurrency", "-c", min=1, max=10000, metavar="N", help="Jobs at a time")] = (
        10
    )
    types: Annotated[
        list[str] | None, Option("--types", metavar="T[,T]", help="Only these execution types: http,shell")
    ] = None
    services: Annotated[list[str] | None, Option("--services", metavar="S[,S]", help="Only these services")] = None
    processes: Annotated[int, Option("--processes", min=1, max=64, metavar="N", help="Worker processes")] = 1
    until_empty: Annotated[bool, Option("--until-empty", help="End when no job is ready, running or retrying")] = False
    max_jobs: Annotated[int | None, Option("--max-jobs", min=1, metavar="N", help="Claim at most N jobs")] = None
    drain_timeout: Annotated[
        str, Option("--drain-timeout", metavar="DUR", help="After SIGTERM, wait this long for running jobs")
    ] = "30s"
    health: Annotated[
        str, Option("--health", metavar="HOST:PORT", help="Serve /healthz and /readyz (with --processes 1)")
    ] = ""
    log_format: Annotated[LogFormat, Option("--log-format", help="Events on stderr")] = LogFormat.text
    allow_weak_limits: Annotated[
        bool, Option("--allow-weak-limits", help="Without cgroups, run shell jobs under rlimits alone")
    ] = False
    allow_unsandboxed: Annotated[
        bool, Option("--allow-unsandboxed", help="Honour `sandbox: none` of this host's registry")
    ] = False


@command(
    app,
    "worker --registry services.yaml",
    "worker --concurrency 50 --types http --health 127.0.0.1:8099",
    "worker --until-empty --dsn embedded",
    "worker --processes 2 --policy /etc/specql-jobs/ceiling.yaml --log-format json",
    name="start",
)
def worker(console: Console, sources: Sources, target: Target, options: WorkerOptions) -> None:
    """Run a worker. SIGTERM drains it, a second one interrupts its jobs; SIGHUP reloads the registry.

    `worker list` shows the workers of all hosts, `worker drain W` ends one from afar.

    Exit: 0 drained, 1 jobs were given back, 2 configuration, 5 the database is gone for good, 6 schema too new.
    """
    if options.health and options.processes > 1:
        raise UsageError(
            f"--health serves one process, --processes asks for {options.processes}",
            hint="start one worker for each process, each with a port of its own",
        )
    from ..worker_process import run  # noqa: PLC0415 - psycopg, yaml, the runners

    code = run(console, sources, target, options)
    console.answer({"drained": code == Exit.OK}, str)
    raise Finished(code)


@command(app, "worker list", "worker list --all -o json", "worker list -q", name="list", formats=Listed)
async def list_workers(
    console: Console,
    target: Target,
    every: Annotated[bool, Option("--all", "-a", help="Also those that ended over an hour ago, up to a week")] = False,
) -> None:
    """List the workers of all hosts: state, heartbeat, what each runs.

    `silent` has not been heard of for 15 s: any living worker, or `rescue`, takes its jobs. HELD is what the jobs say,
    RUNNING what the worker said; they differ for a moment while results are written.
    """
    from ...core.store import workers as store  # noqa: PLC0415 - psycopg costs 170 ms

    async with database(console, settings_for(console, target)) as connection:
        rows = await store.list_workers(connection, every=every)
    part = Part("workers", [worker_text.worker_json(row) for row in rows], len(rows), None)
    answer_page(
        console, part, lambda: Table(worker_text.HEADERS, [*map(worker_text.worker_row, rows)], worker_text.SPARE)
    )


@command(app, "worker drain app-2:4711:9f3c1a2b", "worker drain app-2:4711:9f3c1a2b -o json", name="drain")
async def drain(
    console: Console, ids: Annotated[list[str], Argument(metavar="W...", help="Worker ids")], target: Target
) -> None:
    """Ask workers to finish what they run and end, as SIGTERM does; they hear of it within a second or two.

    Exit 3 when one is unknown; the others were asked all the same.
    """
    from ...core.store import workers as store  # noqa: PLC0415 - psycopg costs 170 ms

    async with database(console, settings_for(console, target)) as connection:
        found = await store.drain(connection, ids)
    unknown = [each for each in ids if each not in found]
    if unknown:
        raise NotFound(
            f"no worker is called {unknown[0]}", hint="specql-jobs worker list", code="E330", name="worker-unknown"
        )
    data = {"workers": [{"id": each, "outcome": outcome} for each, outcome in found.items()]}
    console.answer(data, lambda: "\n".join(f"{outcome.replace('_', ' ')}  {each}" for each, outcome in found.items()))
