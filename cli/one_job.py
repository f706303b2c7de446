"""What `run` and `replay` share: one job executed here, or with --dry-run its plan and the verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..core.config_file import read_env_file
from ..core.contract import PlanError
from ..core.errors import InvalidInput, UsageError
from ..core.job import JobRecord
from ..core.selector import parse_duration
from .context import load_ceiling, load_registry, policy_path, settings_for
from .exits import Exit, Finished
from .job_input import fields_hint
from .options import Sources, Target
from .output.console import Console
from .visiting import at_leisure, require_place, say_kept, visit_of

if TYPE_CHECKING:
    from ..core.registry.model import Registry
    from ..core.settings import Settings
    from ..core.worker.attempt import Surroundings
    from ..core.worker.planner import Draft, Prepared
    from .local_run import Ran

#: Gives the input of a job whose operation was found.
ReadInput = Callable[["Prepared"], dict[str, Any]]


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
    propagate: Annotated[
        bool, Option("--propagate", help="End with the exit code of the job's process, where it has one")
    ] = False
    mock: Annotated[
        str, Option("--mock", metavar="FILE|STATUS", help="HTTP: a server on 127.0.0.1 answers, not the target")
    ] = ""
    keep: Annotated[bool, Option("--keep", help="Shell, docker: leave the scratch folder or the container")] = False
    shell: Annotated[
        bool, Option("--shell", help="Shell, docker: a shell for you, confined as the job would be, in its place")
    ] = False


@dataclass(frozen=True, slots=True)
class Given:
    """One job to carry out: under which settings, and how its input is read. `named` is added to the answer.

    `admit` is asked about the registry before anything else and raises where it is not the one that is wanted.
    """

    settings: Settings
    job: JobRecord
    read: ReadInput
    named: Mapping[str, Any] = field(default_factory=dict)
    admit: Callable[[Registry], None] = lambda _registry: None


async def carry_out(console: Console, sources: Sources, manner: Manner, given: Given) -> None:
    """Execute the job, or plan it, print what came of it, and end with its exit code."""
    from . import local_run  # noqa: PLC0415 - the planner and its schemas

    settings, job, visit = given.settings, given.job, visit_of(console, manner)
    registry, path = load_registry(sources, settings), policy_path(sources.policy, settings)
    given.admit(registry)
    ceiling = load_ceiling(path) if path else None
    async with local_run.surroundings(registry, ceiling, console.secrets, settings, visit) as around:
        prepared = around.planner.prepared(job.service_name, job.operation)
        if visit:
            require_place(prepared, manner)
        data = given.read(prepared)
        _check(prepared, data)
        drafted = local_run.draft(around, prepared, job, data)
        if manner.dry_run:
            for missing in local_run.missing_secrets(drafted, around.secrets):
                console.warn(f"{missing}: without it the job is not executed")
            for absent in local_run.missing_paths(prepared, drafted):
                console.warn(f"{absent}: the job would fail here")
        ran, seen = (None, {}) if manner.dry_run else await _executed(manner, drafted, job, around)
    if visit and ran:
        say_kept(console, visit)
        seen = {"kept": visit.kept}
        _end_visit(console, manner, ran)
    from .output import run_text  # noqa: PLC0415 - after the work

    if ran is None:
        allowed = run_text.show_verdict(console, prepared, drafted, registry.digest, named=given.named)
    else:
        allowed = run_text.show_result(console, prepared, drafted, ran, registry.digest, named={**given.named, **seen})
    raise Finished(_exit_code(ran, allowed=allowed, propagate=manner.propagate))


async def _executed(
    manner: Manner, drafted: Draft | PlanError, job: JobRecord, around: Surroundings
) -> tuple[Ran, dict[str, Any]]:
    """Execute the job, against a stand-in if one is asked for; return also what is to be told of the surroundings."""
    from . import local_run  # noqa: PLC0415 - the planner and its schemas
    from .stand_in import led_to, standing_in  # noqa: PLC0415 - only when a job is really executed

    async with standing_in(manner.mock) as far_end:
        if far_end is None:
            timed = drafted if isinstance(drafted, PlanError) else at_leisure(drafted, manner)
            return await local_run.execute(timed, job, around), {}
        led = drafted if isinstance(drafted, PlanError) else led_to(drafted, far_end)
        return await local_run.execute(led, job, around), {"mock": {"requests": far_end.asked}}


def _end_visit(console: Console, manner: Manner, ran: Ran) -> None:
    """A shell that ended is no failed job, whatever its last command said."""
    code = ran.result.usage.get("exit_code")
    if manner.shell and isinstance(code, int):
        console.say(f"the shell ended with {code}")
        raise Finished(Exit.OK)


def _exit_code(ran: Ran | None, *, allowed: bool, propagate: bool) -> int:
    code = ran.result.usage.get("exit_code") if ran is not None and propagate else None
    if isinstance(code, int):
        return code if 0 <= code <= 255 else 128 - code  # a negative one is a signal's number
    return Exit.OK if allowed else Exit.NEGATIVE


def _check(prepared: Prepared, data: object) -> None:
    try:
        prepared.check(data)
    except InvalidInput as error:
        hint = fields_hint(prepared.operation.input_schema)
        raise InvalidInput(error.message, problems=error.problems, hint=hint) from None


def timeout_seconds(text: str) -> int | None:
    """Whole seconds, as a row holds them; a bare number is seconds, as in a registry. None where nothing is given."""
    if not text:
        return None
    seconds = math.ceil(parse_duration(f"{text}s" if text.replace(".", "", 1).isdigit() else text))
    if seconds < 1:
        raise UsageError("--timeout must be more than 0", hint="write 30s or 5m")
    return seconds


def settings_with(console: Console, manner: Manner, target: Target | None = None) -> Settings:
    """Return the settings; variables of the env file serve the registry's ${NAME} and its secrets."""
    from ..core.secrets import Secrets  # noqa: PLC0415 - see Console.secrets

    settings = settings_for(console, target)
    if not manner.env_file:
        return settings
    extra = read_env_file(Path(manner.env_file))
    console.known_secrets = Secrets(extra)
    return replace(settings, variables={**settings.variables, **extra})
