"""`worker`: claim jobs and execute them under policy, until stopped or until there is nothing left."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from typer import Option

from ...core.errors import UsageError
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Sources, Target
from ..output.console import Console

app = group("Claim jobs and execute them under policy.")


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
)
def worker(console: Console, sources: Sources, target: Target, options: WorkerOptions) -> None:
    """Run a worker. SIGTERM drains it, a second one interrupts its jobs; SIGHUP reloads the registry.

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
