"""Findings as GitHub's workflow commands: annotations at the lines of a pull request.

GitHub shows ten of a kind (errors, warnings, notices) for each step and drops the rest without a word, so the worst
come first and the last, a notice itself, says how many are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..places import repository_path
from .text import amount, one_line

if TYPE_CHECKING:
    from ...core.registry.model import Finding

MOST = 10
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}
_ORDER = tuple(_COMMANDS)


def commands(findings: Sequence[Finding]) -> str:
    """Return one command a line: at most ten findings, errors first, then a notice that counts the others."""
    ordered = sorted(findings, key=lambda each: _ORDER.index(each.severity))
    shown = _shown(ordered)
    return "\n".join([*map(_command, ordered[:shown]), *_remainder(ordered[shown:])])


def _shown(ordered: Sequence[Finding]) -> int:
    """How many findings are shown: one less where they are all notices, of which the last counts the others."""
    full = len(ordered) > MOST and _COMMANDS[ordered[0].severity] == "notice"
    return MOST - 1 if full else MOST


def _command(finding: Finding) -> str:
    at = finding.position
    place = {"file": repository_path(at.path), "line": str(at.line)}
    if at.end_line in (0, at.line):  # columns beside an end line of its own are refused
        place |= {"col": str(at.column), "endLine": str(at.line)}
        place |= {"endColumn": str(at.end_column)} if at.end_column > at.column else {}
    else:
        place["endLine"] = str(at.end_line)
    properties = {"title": f"specql-jobs {finding.code} {finding.name}", **place}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    text = f"{finding.message} — {finding.help}" if finding.help else finding.message
    return f"::{_COMMANDS[finding.severity]} {listed}::{_escaped(one_line(text))}"


def _remainder(hidden: Sequence[Finding]) -> Iterator[str]:
    if not hidden:
        return
    counts = Counter(str(each.severity) for each in hidden)
    words = ", ".join(amount(counts[word], word) for word in _ORDER if counts[word])
    more = "1 more finding is" if len(hidden) == 1 else f"{len(hidden)} more findings are"
    yield f"::notice title=specql-jobs::{more} not shown here ({words}); run specql-jobs validate to see all"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(one_line(text)).replace(":", "%3A").replace(",", "%2C")
