"""Findings as SARIF 2.1.0: one run, paths from the repository's root, fingerprints that outlive moved lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...core.version import VERSION
from ..baseline import fingerprint
from ..places import repository_path

if TYPE_CHECKING:
    from ...core.registry.model import Finding, Position

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
#: GitHub takes no run with more results.
MOST_RESULTS = 25_000
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_ORDER = tuple(_LEVELS)


def document(findings: Sequence[Finding]) -> str:
    """Return the SARIF log as text; of more findings than a run may have, the worst."""
    kept = sorted(findings, key=lambda each: _ORDER.index(each.severity))[:MOST_RESULTS]
    rules = {each.code: _rule(each) for each in sorted(kept, key=lambda each: each.code)}
    run = {
        "tool": {
            "driver": {
                "name": "specql-jobs",
                "version": VERSION,
                "rules": list(rules.values()),
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository"}}},
        "invocations": [{"executionSuccessful": True}],
        "results": list(_results(kept, list(rules))),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(finding: Finding) -> dict[str, Any]:
    from ...core.registry.codes import RULES  # noqa: PLC0415 - loaded by then

    rule = RULES[finding.code]
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "help": {"text": rule.help},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _results(findings: Sequence[Finding], codes: list[str]) -> Iterator[dict[str, Any]]:
    """Equal findings of one run are told apart by a number: GitHub folds results with one fingerprint into one."""
    seen: Counter[str] = Counter()
    for finding in findings:
        mark = fingerprint(finding)
        seen[mark] += 1
        text = f"{finding.message}\n{finding.help}" if finding.help else finding.message
        yield {
            "ruleId": finding.code,
            "ruleIndex": codes.index(finding.code),
            "level": _LEVELS[finding.severity],
            "message": {"text": text},
            "locations": [_location(finding)],
            "partialFingerprints": {"specqlJobsFinding/v1": f"{mark}:{seen[mark]}"},
        }


def _location(finding: Finding) -> dict[str, Any]:
    path = repository_path(finding.position.path)
    place: dict[str, Any] = {"uri": quote(path)}
    if not path.startswith("/"):
        place["uriBaseId"] = "SRCROOT"
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": place, "region": _region(finding.position)},
    }
    names = [name for name in (finding.service, finding.operation) if name]
    if names:
        location["logicalLocations"] = [{"name": names[-1], "fullyQualifiedName": ".".join(names)}]
    return location


def _region(at: Position) -> dict[str, int]:
    """Lines and columns begin at 1; an end before the start is left away."""
    line, column = max(at.line, 1), max(at.column, 1)
    region = {"startLine": line, "startColumn": column}
    if (at.end_line, at.end_column) > (line, column) and at.end_column >= 1:
        region |= {"endLine": at.end_line, "endColumn": at.end_column}
    return region
