"""`validate`: registries against schema and rules; no database, no network unless --online."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import UsageError
from .. import baseline
from ..context import environment_name, load_ceiling, policy_path, registry_paths, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..optional_value import optional_value
from ..output.console import Console
from ..rule_choice import chosen

if TYPE_CHECKING:
    from ...core.online.check import Skipped
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
    info = "info"


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
    strict: Annotated[
        bool, Option("--strict", help="Exit 1 for warnings too, and for checks that --online could not make")
    ] = False
    policy: Annotated[
        str, Option("--policy", metavar="FILE", help="Host ceiling: say where the registry asks for more")
    ] = ""
    online: Annotated[
        str,
        Option("--online", metavar="[=KINDS]", help="Ask too whether these exist: image,dns,secrets,function (all)"),
    ] = ""
    watch: Annotated[bool, Option("--watch", help="Check again whenever a file changes, until Ctrl-C")] = False


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
    summary: Annotated[bool, Option("--summary", help="Only the last line: how many of what")] = False
    max_findings: Annotated[
        int | None, Option("--max-findings", min=0, metavar="N", help="Show the N worst, count the rest (text, json)")
    ] = None
    exit_zero: Annotated[bool, Option("--exit-zero", help="Exit 0 whatever is found")] = False


@command(
    app,
    "validate",
    "validate services/ --strict",
    "validate services.yaml --env production -o json",
    "validate -o github -o sarif=specql-jobs.sarif -o junit=specql-jobs.xml",
    "validate --select SQJ4 --ignore SQJ402 --statistics",
    "validate --online=dns,image --strict",
    "validate services/ --watch",
    "cat services.yaml | specql-jobs validate -",
    formats=Formats,
    several=True,
    cls=optional_value("--online", "all", lambda word: {*word.split(",")} <= {"image", "dns", "secrets", "function"}),
)
def validate(console: Console, checking: Checking, counting: Counting) -> None:
    """Check registries and say what is wrong at file:line:column. Exit 1 with errors, 2 with nothing to check."""
    settings = settings_for(console)
    if not checking.watch:
        raise Finished(_once(console, checking, counting, settings))
    from ..watch import watch  # noqa: PLC0415 - this flag alone needs it

    baselines = [Path(counting.baseline)] if counting.baseline else []
    beside = [path for path in (policy_path(checking.policy, settings), *baselines) if path]
    watch(console, checking.paths, settings, beside, lambda: _once(console, checking, counting, settings))


def _once(console: Console, checking: Checking, counting: Counting, settings: Settings) -> Exit:
    from .. import findings_report  # noqa: PLC0415 - only this command has findings

    loaded = _load(checking, settings)
    if not checking.watch:
        gc.freeze()  # what was loaded lives as long as the process: the collector need not go over it
    wider = _wider_than_the_host(loaded, checking, settings)
    missing, skipped = _online(console, checking, settings, loaded)
    found = sorted(
        (*loaded.findings, *wider, *missing),
        key=lambda each: (each.position.path, each.position.line, each.position.column),
    )
    held = _held(console, chosen(found, counting.select, counting.ignore), counting)
    report = findings_report.Report(
        loaded,
        held.new,
        _summary(loaded, held) | {"skipped": len(skipped)},
        fail_on="warning" if checking.strict and checking.fail_on is FailOn.error else str(checking.fail_on),
        statistics=counting.statistics,
        skipped=skipped,
        most=counting.max_findings,
        summary_only=counting.summary,
    )
    findings_report.give(console, report)
    failed = any(map(report.fails, held.new)) or (checking.strict and bool(skipped))
    return Exit.NEGATIVE if failed and not counting.exit_zero else Exit.OK


def _online(
    console: Console, checking: Checking, settings: Settings, loaded: Loaded
) -> tuple[tuple[Finding, ...], tuple[Skipped, ...]]:
    """What is not there, and what could not be asked; nothing is asked without the flag."""
    if not checking.online:
        console.detail("offline: not asked whether hosts resolve, and secrets, images and functions exist (--online)")
        return (), ()
    from ..online import look, read_kinds  # noqa: PLC0415 - asyncio and httpx

    seen = look(loaded, read_kinds(checking.online), settings.variables, console.secrets)
    return seen.findings, seen.skipped


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


def _wider_than_the_host(loaded: Loaded, checking: Checking, settings: Settings) -> tuple[Finding, ...]:
    """A ceiling narrows silently at run time; here the author learns of it."""
    from ...core.registry.ceiling import wider  # noqa: PLC0415 - yaml

    path = policy_path(checking.policy, settings)
    if path is None:
        return ()
    ceiling = load_ceiling(path)
    registry = loaded.registry
    return tuple(wider(registry, ceiling)) if registry else ()


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
