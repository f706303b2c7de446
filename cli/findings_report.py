"""One run's findings in every format that was asked for: files first, so that a full disk is told in the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.errors import UsageError
from .output import finding_text
from .output.console import Console
from .output.tables import text_table
from .output.text import amount

if TYPE_CHECKING:
    from ..core.online.check import Skipped
    from ..core.registry.load import Declared, Loaded
    from ..core.registry.model import Finding

#: Notes of one rule that text shows one by one; of more, the first and a number.
MOST_NOTES: Final = 3
_ORDER: Final = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and what of it fails the check."""

    loaded: Loaded
    findings: tuple[Finding, ...]
    summary: dict[str, int]
    fail_on: str = "error"  # the least severity that makes the exit code 1
    statistics: bool = False
    calls: tuple[tuple[str, Declared], ...] = ()  # call_service steps of entities, each with its action
    skipped: tuple[Skipped, ...] = ()
    most: int | None = None  # findings that text and json list
    summary_only: bool = False

    def fails(self, finding: Finding) -> bool:
        """Whether this finding makes the exit code 1."""
        return _ORDER.index(finding.severity) <= _ORDER.index(self.fail_on)

    def shown(self) -> tuple[Finding, ...]:
        """Return the findings that are listed: the worst, in the order of the files."""
        if self.most is None:
            return self.findings
        places = sorted(range(len(self.findings)), key=lambda place: _ORDER.index(self.findings[place].severity))
        return tuple(self.findings[place] for place in sorted(places[: self.most]))

    @property
    def hidden(self) -> int:
        """How many findings are counted and not listed."""
        return len(self.findings) - len(self.shown())

    def data(self) -> dict[str, Any]:
        """Return the document's data."""
        findings = [] if self.summary_only else [finding_text.as_json(each) for each in self.shown()]
        return {
            "findings": findings,
            "skipped": [finding_text.skipped_as_json(each) for each in self.skipped],
            "summary": self.summary | {"not_shown": len(self.findings) - len(findings)},
            "statistics": self.counts(),
        }

    def counts(self) -> list[dict[str, Any]]:
        """Return how often each rule was met, the most frequent first."""
        numbers = Counter(each.code for each in self.findings)
        first = {each.code: each for each in reversed(self.findings)}
        ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"code": code, "name": first[code].name, "severity": str(first[code].severity), "count": number}
            for code, number in ordered
        ]


def give(console: Console, report: Report) -> None:
    """Write the files, then the answer; raise UsageError for a file that cannot be written."""
    plain = replace(console, colour="never")
    for target in console.files:
        _write(target.path, _FORMATS[target.format](report, plain))
    if console.is_json:
        console.document(report.data())
        return
    rendered = "" if report.summary_only else _FORMATS[console.format](report, console)
    if rendered:
        console.data(rendered)
    blank = "\n" if rendered and console.format == "text" else ""
    lines = [*finding_text.skipped_lines(report.skipped), finding_text.summary_line(report.summary)]
    if report.hidden and rendered and console.format == "text" and not report.statistics:
        lines.insert(0, f"{report.hidden} more not shown; leave --max-findings away to see all")
    console.say(blank + "\n".join(lines))


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text if text.endswith("\n") or not text else text + "\n", "utf-8", "backslashreplace")
    except OSError as error:
        reason = (error.strerror or "unwritable").lower()
        raise UsageError(
            f"{path} cannot be written: {reason}",
            hint="name a file in a folder that exists and that you may write to",
            code="E208",
            name="report-unwritable",
        ) from None


# ---- formats ---------------------------------------------------------------------------------------------------------


def _text(report: Report, console: Console) -> str:
    if report.statistics:
        rows = [(str(each["count"]), each["code"], each["severity"], each["name"]) for each in report.counts()]
        return text_table(("COUNT", "CODE", "SEVERITY", "RULE"), rows, console.width)
    shown, folded = (report.shown(), ()) if console.verbose else _folded(report)
    listed = finding_text.report(shown, report.loaded.sources, console)
    return "\n".join([listed, "", *folded]) if folded else listed


def _folded(report: Report) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """The findings that text lists, and a line for each rule of whose many notes only the first is among them."""
    notes = [each for each in report.shown() if each.severity == "info" and not report.fails(each)]
    numbers = Counter(each.code for each in notes)
    first = {each.code: each for each in reversed(notes)}
    many = {code for code, number in numbers.items() if number > MOST_NOTES}
    left = tuple(each for each in report.shown() if each.code not in many or each is first[each.code])
    lines = (
        f"{amount(numbers[code] - 1, 'more note')} of {code} ({first[code].name}); -v shows each"
        for code in sorted(many)
    )
    return left, tuple(lines)


def _json(report: Report, console: Console) -> str:
    return console.envelope(report.data())


def _github(report: Report, _console: Console) -> str:
    from .output import github  # noqa: PLC0415 - one format of several

    return github.commands(report.findings)


def _sarif(report: Report, _console: Console) -> str:
    from .output import sarif  # noqa: PLC0415 - one format of several

    return sarif.document(report.findings)


def _junit(report: Report, _console: Console) -> str:
    from .output import junit  # noqa: PLC0415 - one format of several

    loaded = report.loaded
    return junit.document(report.findings, loaded.declared(), loaded.sources, report.fails, report.calls)


_FORMATS: Final[dict[str, Callable[[Report, Console], str]]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
    "junit": _junit,
}
