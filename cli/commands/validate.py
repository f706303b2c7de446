"""`validate`: registries against schema and rules; no database unless --against-queue, no network."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import UsageError
from .. import baseline, entity_calls
from ..context import environment_name, load_ceiling, policy_path, registry_paths, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from ..rule_choice import chosen

if TYPE_CHECKING:
    from ...core.narrow import Ceiling
    from ...core.registry.load import Loaded
    from ...core.registry.model import Finding
    from ...core.settings import Settings

app = group("Check service registries.")

#: What stdin may hold: the loader's own cap is lower, and it says so as a finding.
LARGEST_STDIN = 16 * 1024 * 1024  # bytes


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    error = "error"
    warning = "warning"


class Formats(StrEnum):
    """How findings can be written."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class Checking:
    """What is checked, and how strictly."""

    paths: Annotated[
        list[str] | None, Argument(metavar="[PATH]...", help="Registry files or folders, or - for stdin")
    ] = None
    env: Annotated[str, Option("--env", metavar="NAME", help="Check with this overlay: production, …")] = ""
    fail_on: Annotated[FailOn, Option("--fail-on", help="Exit 1 from this severity on")] = FailOn.error
    strict: Annotated[bool, Option("--strict", help="The same as --fail-on warning")] = False
    policy: Annotated[
        str, Option("--policy", metavar="FILE", help="Host ceiling: say where the registry asks for more")
    ] = ""
    entities: Annotated[
        list[str] | None,
        Option("--entities", metavar="PATH", help="SpecQL entities: check their call_service steps; may be repeated"),
    ] = None


@dataclass(frozen=True, slots=True)
class Comparing:
    """What else the registry is held against."""

    diff_base: Annotated[
        str | None,
        Option("--diff-base", metavar="REF", help="Findings of the change since this commit; says what it breaks"),
    ] = None
    against_queue: Annotated[
        bool, Option("--against-queue", help="Name queued jobs that would no longer be executed; reads the database")
    ] = False


@dataclass(frozen=True, slots=True)
class Counting:
    """Which findings count, and what is said of them."""

    select: Annotated[
        list[str] | None, Option("--select", metavar="CODES", help="Only these rules: SQJ401,SQJ5 (SQJ5 is SQJ5xx)")
    ] = None
    ignore: Annotated[list[str] | None, Option("--ignore", metavar="CODES", help="All but these rules")] = None
    baseline: Annotated[
        str, Option("--baseline", metavar="FILE", help="Findings that are accepted: only new ones count")
    ] = ""
    write_baseline: Annotated[
        bool, Option("--write-baseline", help="Accept all that is found now: write it to the --baseline file")
    ] = False
    statistics: Annotated[bool, Option("--statistics", help="Count findings by rule instead of listing them")] = False
    exit_zero: Annotated[bool, Option("--exit-zero", help="Exit 0 whatever is found")] = False


@command(
    app,
    "validate",
    "validate services/ --strict",
    "validate services.yaml --env production -o json",
    "validate -o github -o sarif=specql-jobs.sarif -o junit=specql-jobs.xml",
    "validate --select SQJ4 --ignore SQJ402 --statistics",
    "validate services.yaml --entities entities/ --env production",
    "validate --diff-base origin/main",
    "validate --diff-base origin/main --against-queue --profile prod -o github",
    "cat services.yaml | specql-jobs validate -",
    formats=Formats,
    several=True,
)
def validate(
    console: Console, checking: Checking, counting: Counting, comparing: Comparing, target: Target
) -> Coroutine[None, None, None] | None:
    """Check registries and say what is wrong at file:line:column. Exit 1 with errors, 2 with nothing to check."""
    run = _run(console, checking, comparing, settings_for(console, target))
    if comparing.against_queue:
        return _with_queue(console, counting, run)
    _finish(console, counting, run)
    return None


@dataclass(slots=True)
class _Run:
    """One registry, and what is found in it so far."""

    settings: Settings
    loaded: Loaded
    ceiling: Ceiling | None
    findings: list[Finding]
    strict: bool
    numbers: dict[str, int] = field(default_factory=dict)  # of the summary, besides those that it always has


def _run(console: Console, checking: Checking, comparing: Comparing, settings: Settings) -> _Run:
    loaded, ceiling = _load(checking, settings), _ceiling(checking, settings)
    strict = checking.strict or checking.fail_on is FailOn.warning
    run = _Run(settings, loaded, ceiling, [*loaded.findings, *_wider(loaded, ceiling)], strict)
    if comparing.diff_base is not None:
        _since(console, comparing.diff_base, checking, run)
    return run


def _since(console: Console, ref: str, checking: Checking, run: _Run) -> None:
    """Leave of the findings those of the change since a commit, and add what it breaks."""
    from .. import since  # noqa: PLC0415 - starts git; only this flag needs it

    if checking.paths and "-" in checking.paths:
        raise UsageError("stdin has no past to compare with", hint=f"name the file: validate FILE --diff-base {ref}")
    paths, environment = registry_paths(checking.paths, run.settings), environment_name(checking.env, run.settings)
    now = since.Checked(paths, run.loaded, run.findings, environment, run.settings.variables)
    judged = since.judge(console, ref, now, lambda past: _wider(past, run.ceiling))
    run.findings, run.numbers = judged.findings, judged.numbers


async def _with_queue(console: Console, counting: Counting, run: _Run) -> None:
    from ..queue_check import check_queue  # noqa: PLC0415 - only this flag needs the queue

    queued = await check_queue(console, run.settings, run.loaded, run.ceiling)
    run.findings += queued.findings
    accepted = run.numbers.get("accepted", 0) + queued.accepted
    run.numbers |= {"queued_jobs": queued.jobs, "accepted": accepted}
    _finish(console, counting, run)


def _finish(console: Console, counting: Counting, run: _Run) -> None:
    from .. import findings_report  # noqa: PLC0415 - only this command has findings

    found = sorted(run.findings, key=lambda each: (each.position.path, each.position.line, each.position.column))
    held = _held(console, chosen(found, counting.select, counting.ignore), counting)
    summary = _summary(run.loaded, held) | run.numbers
    report = findings_report.Report(run.loaded, held.new, summary, strict=run.strict, statistics=counting.statistics)
    findings_report.give(console, report)
    raise Finished(Exit.OK if counting.exit_zero else _exit(summary, strict=run.strict))


def _load(checking: Checking, settings: Settings) -> Loaded:
    from ...core.registry.load import load, load_text  # noqa: PLC0415 - yaml and jsonschema

    environment = environment_name(checking.env, settings)
    if checking.paths and "-" in checking.paths:
        if len(checking.paths) > 1:
            raise UsageError("- and paths together", hint="check stdin alone, or name files")
        return load_text(read_stdin(), "<stdin>", environment=environment, variables=settings.variables)
    paths = registry_paths(checking.paths, settings)
    return load(paths, environment=environment, variables=settings.variables)


def read_stdin() -> str:
    """Return stdin as text, bounded; raise UsageError when it is too long or not UTF-8."""
    content = sys.stdin.buffer.read(LARGEST_STDIN + 1)
    if len(content) > LARGEST_STDIN:
        raise UsageError(f"stdin holds more than {LARGEST_STDIN} bytes", hint="split the registry into several files")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8 text (byte {error.start})") from None


def _ceiling(checking: Checking, settings: Settings) -> Ceiling | None:
    path = policy_path(checking.policy, settings)
    return load_ceiling(path) if path else None


def _wider(loaded: Loaded, ceiling: Ceiling | None) -> Sequence[Finding]:
    """A ceiling narrows silently at run time; here the author learns of it."""
    from ...core.registry.ceiling import wider  # noqa: PLC0415 - yaml

    return tuple(wider(loaded.registry, ceiling)) if loaded.registry and ceiling else ()


def _held(console: Console, findings: tuple[Any, ...], counting: Counting) -> baseline.Held:
    """What is left of the findings when those of the baseline are taken away."""
    if not counting.baseline:
        if counting.write_baseline:
            raise UsageError("--write-baseline wants to know where", hint="add --baseline FILE")
        return baseline.Held(findings, 0, 0)
    path = Path(counting.baseline)
    if counting.write_baseline:
        number = baseline.write(findings, path)
        console.say(f"{path} accepts {number} finding{'' if number == 1 else 's'} from now on")
    held = baseline.hold(findings, path)
    if held.gone:
        console.say(f"{held.gone} of {path} no longer found; --write-baseline forgets them")
    return held


def _summary(loaded: Loaded, held: baseline.Held) -> dict[str, int]:
    severities = Counter(str(each.severity) for each in held.new)
    return {
        "files": loaded.files,
        "services": len(loaded.defined),
        "operations": sum(1 for _ in loaded.declared()),
        "errors": severities["error"],
        "warnings": severities["warning"],
        "infos": severities["info"],
        "baselined": held.accepted,
    }


def _exit(summary: dict[str, int], *, strict: bool) -> Exit:
    return Exit.NEGATIVE if summary["errors"] or (strict and summary["warnings"]) else Exit.OK
