"""`validate`: registries against schema and rules; no database unless --against-queue, no network unless --online."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ...core.errors import UsageError
from .. import baseline, checking
from ..check_options import Checking, Comparing, Counting, Formats
from ..context import policy_path, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..optional_value import optional_value
from ..options import Target
from ..output.console import Console
from ..output.text import amount
from ..rule_choice import chosen

if TYPE_CHECKING:
    from ...core.registry.load import Loaded
    from ...core.settings import Settings

app = group("Check service registries.")


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
    "validate --online=dns,image --strict",
    "validate services/ --watch",
    "cat services.yaml | specql-jobs validate -",
    formats=Formats,
    several=True,
    cls=optional_value("--online", "all", lambda word: {*word.split(",")} <= {"image", "dns", "secrets", "function"}),
)
def validate(
    console: Console, what: Checking, counting: Counting, comparing: Comparing, target: Target
) -> Coroutine[None, None, None] | None:
    """Check registries and say what is wrong at file:line:column. Exit 1 with errors, 2 with nothing to check."""
    settings = settings_for(console, target)
    if what.watch:
        _watch(console, what, counting, comparing, settings)
    found = checking.check(console, what, comparing, settings)
    if comparing.against_queue:
        return _with_queue(console, what, counting, found)
    raise Finished(_report(console, what, counting, found))


async def _with_queue(console: Console, what: Checking, counting: Counting, found: checking.Check) -> None:
    await checking.against_queue(console, found)
    raise Finished(_report(console, what, counting, found))


def _watch(console: Console, what: Checking, counting: Counting, comparing: Comparing, settings: Settings) -> NoReturn:
    from ..watch import watch  # noqa: PLC0415 - this flag alone needs it

    if comparing.against_queue:
        raise UsageError("--watch watches files, not the queue", hint="run it once: validate --against-queue")

    def once() -> Exit:
        return _report(console, what, counting, checking.check(console, what, comparing, settings))

    named = [Path(each) for each in (*(comparing.entities or ()), counting.baseline) if each]
    beside = [path for path in (policy_path(what.policy, settings), *named) if path]
    watch(console, what.paths, settings, beside, once)


def _report(console: Console, what: Checking, counting: Counting, found: checking.Check) -> Exit:
    from .. import findings_report  # noqa: PLC0415 - only this command has findings

    ordered = sorted(found.findings, key=lambda each: (each.position.path, each.position.line, each.position.column))
    held = _held(console, chosen(ordered, counting.select, counting.ignore), counting)
    report = findings_report.Report(
        found.loaded,
        held.new,
        _summary(found.loaded, held) | {"skipped": len(found.skipped)} | found.numbers,
        fail_on=what.least,
        statistics=counting.statistics,
        calls=found.calls,
        skipped=found.skipped,
        most=counting.max_findings,
        summary_only=counting.summary,
    )
    findings_report.give(console, report)
    failed = any(map(report.fails, held.new)) or (what.strict and bool(found.skipped))
    return Exit.NEGATIVE if failed and not counting.exit_zero else Exit.OK


def _held(console: Console, findings: tuple[Any, ...], counting: Counting) -> baseline.Held:
    """What is left of the findings when those of the baseline are taken away."""
    if not counting.baseline:
        if counting.write_baseline:
            raise UsageError("--write-baseline wants to know where", hint="add --baseline FILE")
        return baseline.Held(findings, 0, 0)
    path = Path(counting.baseline)
    if counting.write_baseline:
        number = baseline.write(findings, path)
        console.say(f"{path} accepts {amount(number, 'finding')} from now on")
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
