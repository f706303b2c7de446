"""`validate`: registries against schema and rules; no database, no network."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import UsageError
from ..context import environment_name, load_ceiling, policy_path, registry_paths, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.registry.load import Loaded
    from ...core.registry.model import Registry
    from ...core.settings import Settings

app = group("Check service registries.")

#: What stdin may hold: the loader's own cap is lower, and it says so as a finding.
LARGEST_STDIN = 16 * 1024 * 1024  # bytes


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    error = "error"
    warning = "warning"


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


@command(
    app,
    "validate",
    "validate services/ --strict",
    "validate services.yaml --env production -o json",
    "cat services.yaml | specql-jobs validate -",
)
def validate(console: Console, checking: Checking) -> None:
    """Check registries and say what is wrong at file:line:column. Exit 1 with errors, 2 with nothing to check."""
    from ..output import finding_text  # noqa: PLC0415 - only this command has findings

    settings = settings_for(console)
    loaded = _load(checking, settings)
    _hold_against_ceiling(console, loaded.registry, checking, settings)
    findings = sorted(loaded.findings, key=lambda each: (each.position.path, each.position.line, each.position.column))
    summary = _summary(loaded)
    data = {"findings": [finding_text.as_json(each) for each in findings], "summary": summary}
    console.answer(data, lambda: finding_text.report(findings, loaded.sources, console))
    if not console.is_json:
        console.say(("\n" if findings else "") + finding_text.summary_line(summary))
    raise Finished(_exit(summary, checking))


def _load(checking: Checking, settings: Settings) -> Loaded:
    from ...core.registry.load import load, load_text  # noqa: PLC0415 - yaml and jsonschema

    environment = environment_name(checking.env, settings)
    if checking.paths and "-" in checking.paths:
        if len(checking.paths) > 1:
            raise UsageError("- and paths together", hint="check stdin alone, or name files")
        return load_text(_stdin(), "<stdin>", environment=environment, variables=settings.variables)
    paths = registry_paths(checking.paths, settings)
    return load(paths, environment=environment, variables=settings.variables)


def _stdin() -> str:
    content = sys.stdin.buffer.read(LARGEST_STDIN + 1)
    if len(content) > LARGEST_STDIN:
        raise UsageError(f"stdin holds more than {LARGEST_STDIN} bytes", hint="split the registry into several files")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8 text (byte {error.start})") from None


def _hold_against_ceiling(console: Console, registry: Registry | None, checking: Checking, settings: Settings) -> None:
    """A ceiling narrows silently at run time; here the author learns of it."""
    path = policy_path(checking.policy, settings)
    if path is None:
        return
    ceiling = load_ceiling(path)
    for service in registry.services.values() if registry else ():
        _, decided = ceiling.hold(service.policy, service.execution_type)
        if decided:
            console.warn(f"{path} allows {service.name} less than its policy says: {', '.join(decided)}")


def _summary(loaded: Loaded) -> dict[str, int]:
    severities = Counter(str(each.severity) for each in loaded.findings)
    services = loaded.registry.services.values() if loaded.registry else ()
    return {
        "files": loaded.files,
        "services": len(services),
        "operations": sum(len(service.operations) for service in services),
        "errors": severities["error"],
        "warnings": severities["warning"],
        "infos": severities["info"],
    }


def _exit(summary: dict[str, Any], checking: Checking) -> Exit:
    counted_too = checking.strict or checking.fail_on is FailOn.warning
    return Exit.NEGATIVE if summary["errors"] or (counted_too and summary["warnings"]) else Exit.OK
