"""`run`: one job here, through the plan, the policy and the runner that a worker would use; no database."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

from typer import Option

from ...core.config_file import read_env_file
from ...core.errors import InvalidInput, UsageError
from ...core.job import JobRecord
from ...core.selector import parse_duration
from ..context import load_ceiling, load_registry, policy_path, settings_for
from ..exits import Exit, Finished
from ..job_input import fields_hint, read_input
from ..leaf import command, group
from ..operations import split
from ..options import JobInput, Sources
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.settings import Settings
    from ...core.worker.planner import Prepared

app = group("Execute one job here.")


@dataclass(frozen=True, slots=True)
class Manner:
    """How the job is executed."""

    dry_run: Annotated[bool, Option("--dry-run", "-n", help="Print plan and verdict, execute nothing")] = False
    timeout: Annotated[
        str, Option("--timeout", metavar="DUR", help="Stop after this long, in whole seconds rounded up: 30, 30s, 5m")
    ] = ""
    env_file: Annotated[
        str, Option("--env-file", metavar="FILE", help="NAME=VALUE lines; they win over the environment")
    ] = ""


@command(
    app,
    """run payments.charge --input '{"amount": 1200, "currency": "eur"}'""",
    "run payments.charge --input @charge.json --dry-run",
    "run thumbs.resize --set path=/srv/images/1.png --timeout 30s -o json",
)
async def run(console: Console, job_input: JobInput, sources: Sources, manner: Manner) -> None:
    """Execute one job on this host, exactly as a worker would, and print its output. The queue is not touched."""
    from .. import local_run  # noqa: PLC0415 - the planner and its schemas

    job = _job(job_input, manner)
    settings = _settings(console, manner)
    registry, path = load_registry(sources, settings), policy_path(sources.policy, settings)
    ceiling = load_ceiling(path) if path else None
    async with local_run.surroundings(registry, ceiling, console.secrets, settings) as around:
        prepared = around.planner.prepared(job.service_name, job.operation)
        data = read_input(job_input, prepared.operation.input_schema)
        _check(prepared, data)
        drafted = local_run.draft(around, prepared, job, data)
        if manner.dry_run:
            for missing in local_run.missing_secrets(drafted, around.secrets):
                console.warn(f"{missing}: without it the job is not executed")
        ran = None if manner.dry_run else await local_run.execute(drafted, job, around)
    from ..output import run_text  # noqa: PLC0415 - after the work

    if ran is None:
        allowed = run_text.show_verdict(console, prepared, drafted, registry.digest)
    else:
        allowed = run_text.show_result(console, prepared, drafted, ran, registry.digest)
    raise Finished(Exit.OK if allowed else Exit.NEGATIVE)


def _check(prepared: Prepared, data: object) -> None:
    try:
        prepared.check(data)
    except InvalidInput as error:
        hint = fields_hint(prepared.operation.input_schema)
        raise InvalidInput(error.message, problems=error.problems, hint=hint) from None


def _job(job_input: JobInput, manner: Manner) -> JobRecord:
    service, operation = split(job_input.operation)
    return JobRecord(uuid4(), service, operation, lease_seq=1, attempts=1, timeout_seconds=_seconds(manner.timeout))


def _seconds(text: str) -> int | None:
    """Whole seconds, as a row holds them; a bare number is seconds, as in a registry."""
    if not text:
        return None
    seconds = math.ceil(parse_duration(f"{text}s" if text.replace(".", "", 1).isdigit() else text))
    if seconds < 1:
        raise UsageError("--timeout must be more than 0", hint="write 30s or 5m")
    return seconds


def _settings(console: Console, manner: Manner) -> Settings:
    """Return the settings; variables of the env file serve the registry's ${NAME} and its secrets."""
    from ...core.secrets import Secrets  # noqa: PLC0415 - see Console.secrets

    settings = settings_for(console)
    if not manner.env_file:
        return settings
    extra = read_env_file(Path(manner.env_file))
    console.known_secrets = Secrets(extra)
    return replace(settings, variables={**settings.variables, **extra})
