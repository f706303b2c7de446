"""Findings: as data, and as file:line:column with an excerpt and a caret."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...core.registry.secret_shapes import masked
from .console import Console
from .text import amount, clean, cut

if TYPE_CHECKING:
    from ...core.online.check import Skipped
    from ...core.registry.model import Finding, Position

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}
#: A line of a minified file would fill the screen.
LONGEST_LINE = 160
CONTEXT_LINES = 2


def as_json(finding: Finding) -> dict[str, Any]:
    """Return one finding with the keys that `validate -o json` promises."""
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": str(finding.severity),
        "message": finding.message,
        "path": finding.position.path,
        "line": finding.position.line,
        "column": finding.position.column,
        "service": finding.service or None,
        "operation": finding.operation or None,
        "help": finding.help or None,
    }


def render(finding: Finding, sources: Mapping[str, str], console: Console) -> str:
    """Return one finding for people."""
    at = finding.position
    mark = console.painted(f"{finding.severity}[{finding.code}]", _COLOURS[finding.severity])
    lines = [f"{clean(at.path)}:{at.line}:{at.column}: {mark} {clean(finding.message)}"]
    text = sources.get(at.path)
    if text is not None:
        lines += excerpt(text, at)
    if finding.help:
        lines.append(f"   = {clean(finding.help)}")
    return "\n".join(lines)


def excerpt(text: str, at: Position) -> list[str]:
    """Return the lines before the place, the line itself and a caret under its columns."""
    lines = _lines(text)
    if not 1 <= at.line <= len(lines):
        return []
    first = max(at.line - CONTEXT_LINES, 1)
    gutter = len(str(at.line))
    shown = [f"{number:>{gutter}} | {_plain(lines[number - 1])}".rstrip() for number in range(first, at.line + 1)]
    return [*shown, f"{'':>{gutter}} | {_caret(lines[at.line - 1], at)}"]


@lru_cache(maxsize=8)
def _lines(text: str) -> list[str]:
    """A file's lines: split once, whatever number of findings it has."""
    return text.split("\n")


def _caret(line: str, at: Position) -> str:
    """Wide before the caret are only what `_plain` widened: tabs are one space, controls are escapes."""
    before = len(_plain(line[: at.column - 1], None))
    end = at.end_column if at.end_line in (0, at.line) else len(line) + 1
    wide = max(min(end, len(line) + 1) - at.column, 1)
    return " " * min(before, LONGEST_LINE) + "^" * min(wide, max(LONGEST_LINE - before, 1))


def _plain(line: str, width: int | None = LONGEST_LINE) -> str:
    return cut(clean(masked(_LITERAL_SECRET.sub(_dots, line)).replace("\t", " ").rstrip("\r")), width)


#: A credential written into a registry by mistake: excerpts end up in logs of CI.
_LITERAL_SECRET = re.compile(
    r"""((?:password|passwd|secret|token|api[_-]?key|authorization|credentials?|private[_-]?key|access[_-]?key|cookie)["']?\s*:\s+["']?)([^\s"',{}\[\]$][^"',{}\[\]]*)""",
    re.I,
)


def _dots(match: re.Match[str]) -> str:
    """As many dots as letters, so that the caret stays under its column."""
    return match[1] + "•" * len(match[2])


def summary_line(summary: Mapping[str, int]) -> str:
    """Return the last line: what was found, in how much."""
    parts = [amount(summary["errors"], "error"), amount(summary["warnings"], "warning")]
    parts += [amount(summary["infos"], "note")] if summary["infos"] else []
    parts += [f"{summary['baselined']} in the baseline"] if summary.get("baselined") else []
    parts += [f"{summary['skipped']} skipped"] if summary.get("skipped") else []
    checked = [amount(summary["operations"], "operation")]
    checked += [amount(summary["calls"], "call_service step")] if "calls" in summary else []
    where = f"{amount(summary['files'], 'file')} ({', '.join(checked)})"
    return f"{', '.join(parts)} in {where}"


def report(findings: Sequence[Finding], sources: Mapping[str, str], console: Console) -> str:
    """Return all findings, one paragraph each."""
    return "\n\n".join(render(finding, sources, console) for finding in findings)


# ---- what --online could not ask -------------------------------------------------------------------------------------


def skipped_as_json(skipped: Skipped) -> dict[str, Any]:
    """Return one check that was skipped with the keys that `validate -o json` promises."""
    return {
        "code": skipped.code,
        "check": str(skipped.kind),
        "reason": skipped.reason,
        "service": skipped.service or None,
    }


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """Return a line for each reason: what of whom was skipped, and why."""
    reasons = dict.fromkeys(each.reason for each in skipped)
    return [f"skipped: {_of([each for each in skipped if each.reason == why])}: {why}" for why in reasons]


def _of(skipped: Sequence[Skipped]) -> str:
    """Return the kinds, each with the services that it was for: `dns, image of scorer`."""
    services: dict[str, list[str]] = {}
    for each in skipped:
        services.setdefault(str(each.kind), []).append(each.service)
    named = {kind: list(dict.fromkeys(filter(None, names))) for kind, names in services.items()}
    return ", ".join(f"{kind} of {_named(names)}" if names else kind for kind, names in named.items())


def _named(names: list[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
