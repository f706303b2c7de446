"""Findings as JUnit XML: a suite for each file, a case for each operation, so that passes are counted too.

In an entity's file the cases are its call_service steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ..places import repository_path
from .text import clean

if TYPE_CHECKING:
    from ...core.registry.load import Declared
    from ...core.registry.model import Finding

#: What XML 1.0 cannot hold.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_Cases = dict[str, list["Finding"]]


def document(
    findings: Sequence[Finding],
    declared: Iterable[Declared],
    files: Iterable[str],
    fails: Callable[[Finding], bool],
    calls: Sequence[tuple[str, Declared]] = (),
) -> str:
    """Return the XML; a finding for which `fails` is true fails its case, another is its case's output."""
    suites: dict[str, _Cases] = {path: {} for path in files}
    for each in declared:
        suites.setdefault(each.position.path, {}).setdefault(f"{each.service}.{each.operation}", [])
    steps: dict[str, list[tuple[str, Declared]]] = {}
    for action, call in calls:
        suites.setdefault(call.position.path, {}).setdefault(_step_name(action, call), [])
        steps.setdefault(call.position.path, []).append((action, call))
    for finding in findings:
        near = (call for call in reversed(steps.get(finding.position.path, ())) if _within(finding, call[1]))
        name = next(starmap(_step_name, near), _case_name(finding))
        suites.setdefault(finding.position.path, {}).setdefault(name, []).append(finding)
    root = ET.Element("testsuites", name="specql-jobs validate")
    for path, cases in suites.items():
        _suite(root, path, cases, fails)
    tests = sum(len(cases) for cases in suites.values())
    failures = sum(any(map(fails, found)) for cases in suites.values() for found in cases.values())
    root.attrib |= {"tests": str(tests), "failures": str(failures), "errors": "0"}
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _step_name(action: str, call: Declared) -> str:
    return f"{action}: {call.service}.{call.operation}"


def _within(finding: Finding, call: Declared) -> bool:
    """Whether a finding stands in a step; of steps inside each other, the last that holds it is the inner one."""
    at, around = finding.position, call.position
    return around.line <= at.line <= max(around.end_line, around.line)


def _case_name(finding: Finding) -> str:
    """What is wrong with a service or a file as a whole is a case of its own."""
    if finding.service:
        return f"{finding.service}.{finding.operation}" if finding.operation else f"{finding.service} (service)"
    return "(file)"


def _suite(root: ET.Element, path: str, cases: _Cases, fails: Callable[[Finding], bool]) -> None:
    place = _text(repository_path(path))
    failed = sum(any(map(fails, found)) for found in cases.values())
    counts = {"tests": str(len(cases)), "failures": str(failed), "errors": "0", "skipped": "0"}
    suite = ET.SubElement(root, "testsuite", {"name": place, "file": place, **counts})
    for name, found in cases.items():
        case = ET.SubElement(suite, "testcase", {"name": _text(name), "classname": place})
        _outcome(case, [each for each in found if fails(each)], [each for each in found if not fails(each)])


def _outcome(case: ET.Element, failing: Sequence[Finding], others: Sequence[Finding]) -> None:
    """One failure a case: readers of the format show no more."""
    if failing:
        first = failing[0]
        head = {"type": first.code, "message": _text(first.message)}
        ET.SubElement(case, "failure", head).text = _lines(failing)
    if others:
        ET.SubElement(case, "system-out").text = _lines(others)


def _lines(findings: Iterable[Finding]) -> str:
    return _text("\n".join(map(_line, findings)))


def _line(finding: Finding) -> str:
    at = finding.position
    place = f"{repository_path(at.path)}:{at.line}:{at.column}"
    return f"{place}: {finding.severity}[{finding.code}] {finding.message}" + (
        f" ({finding.help})" if finding.help else ""
    )


def _text(text: str) -> str:
    return _NO_XML.sub("?", clean(text))
