"""`# specql-jobs: ignore[SQJ301] reason`, on the line of a finding or on lines of its own right above.

Warnings and notes alone can be suppressed: an error means that the registry cannot be used, whatever a comment says.
What was found by comparing (`SQJ703` and on) leaves the registry usable, so that a comment accepts even its errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

import yaml

from .codes import COMPARED, RULES, finding, helped
from .model import Finding, Position, Severity

_MARK: Final = "specql-jobs:"
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#+[ \t]*specql-jobs:[ \t]*(?P<rest>[^\r\n]*)")
_FORM: Final = re.compile(r"ignore\[(?P<codes>[A-Za-z0-9, ]+)\](?P<reason>.*)")
_FAMILY: Final = "SQJ09"  # findings about suppressions cannot be suppressed
#: Not found by every run: nobody is told to remove what another host, or a comparison, needs.
_NOT_ALWAYS: Final = frozenset({"SQJ008", "SQJ506", "SQJ654"}) | COMPARED
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class _Suppression:
    """One code of one comment, and the line that it speaks of."""

    code: str
    line: int
    at: Position
    reason: str


def suppress(
    findings: Sequence[Finding], sources: Mapping[str, str], *, whole: bool
) -> tuple[list[Finding], tuple[Finding, ...]]:
    """Return what is left of the findings after each file's own comments, with what is wrong with those, and the rest.

    `sources` is each file's text by its path. `whole` says that every environment was looked at, so that a comment
    which hid nothing is known to be unused; in a file with errors it is not known.
    """
    left, hidden = [found for found in findings if found.position.path not in sources], list[Finding]()
    for path, text in sources.items():
        here = [found for found in findings if found.position.path == path]
        errors = any(found.severity is Severity.ERROR for found in here)
        some, hides = _in_file(here, path, text, whole=whole and not errors)
        left += some
        hidden += hides
    return left, tuple(hidden)


def accepted(
    findings: Iterable[Finding], sources: Mapping[str, str], is_new: Callable[[Position], bool]
) -> tuple[list[Finding], tuple[Finding, ...]]:
    """Return what is left of findings that came of a comparison after each file's own comments, and the rest.

    A comment without a reason accepts nothing, and neither does one for which `is_new` is false: it was written for an
    earlier change.
    """
    stated = {path: _by_line(_read(path, text)[0]) for path, text in sources.items() if _MARK in text}
    left, hidden = list[Finding](), list[Finding]()
    for each in findings:
        comment = stated.get(each.position.path, {}).get(_key(each))
        why_not = _not_accepted(comment, is_new) if comment else ""
        if comment is None or why_not:
            left.append(helped(each, f"{why_not}, or {each.help}" if why_not else ""))
        else:
            hidden.append(each)
    return left, tuple(hidden)


def _not_accepted(comment: _Suppression, is_new: Callable[[Position], bool]) -> str:
    """Why a comment does not count, with what to do about it; "" when it does."""
    if not comment.reason:
        return f"give a reason in the comment in line {comment.at.line}"
    if not is_new(comment.at):
        return f"the comment in line {comment.at.line} accepted an earlier change: write its reason anew"
    return ""


def _by_line(stated: Iterable[_Suppression]) -> dict[tuple[int, str], _Suppression]:
    return {(each.line, each.code): each for each in stated}


def _in_file(
    findings: Sequence[Finding], path: str, text: str, *, whole: bool
) -> tuple[list[Finding], tuple[Finding, ...]]:
    if _MARK not in text:
        return list(findings), ()
    stated, wrong = _read(path, text)
    wanted = _by_line(stated)
    meant = [each for each in findings if _key(each) in wanted]
    hidden = tuple(each for each in meant if each.severity is not Severity.ERROR)
    left = [each for each in findings if _key(each) not in wanted or each.severity is Severity.ERROR]
    wrong += [_refused(wanted[_key(each)].at, each) for each in meant if each.severity is Severity.ERROR]
    used = {_key(each) for each in meant}
    unused = (each for key, each in wanted.items() if key not in used and each.code not in _NOT_ALWAYS)
    wrong += [finding("SQJ090", f"nothing here is a {each.code}", each.at) for each in unused if whole]
    return [*left, *wrong], hidden


def _key(found: Finding) -> tuple[int, str]:
    return found.position.line, found.code


def _refused(at: Position, found: Finding) -> Finding:
    return finding("SQJ093", f"{found.code} is an error and stays one", at)


def _read(path: str, text: str) -> tuple[list[_Suppression], list[Finding]]:
    """What the comments of a file suppress, and what is wrong with them."""
    lines = text.split("\n")
    stated: list[_Suppression] = []
    wrong: list[Finding] = []
    for number, column, match in _comments(lines, text):
        at = Position(path, number, column, number, column + len(match[0].rstrip()))
        form = _FORM.fullmatch(match["rest"])
        if form is None:
            wrong.append(finding("SQJ094", "this comment suppresses nothing", at))
            continue
        alone = not lines[number - 1][: column - 1].strip()
        line = _next_line(lines, number) if alone else number
        codes = [code.strip() for code in form["codes"].split(",")]
        wrong += _unknown(codes, at)
        reason, known = form["reason"].strip(" -:"), [code for code in codes if code in RULES]
        stated += [_Suppression(code, line, at, reason) for code in known if not code.startswith(_FAMILY)]
        if not reason:
            wrong.append(finding("SQJ092", f"no reason is given for ignoring {', '.join(codes)}", at))
    return stated, wrong


def _unknown(codes: Iterable[str], at: Position) -> Iterator[Finding]:
    for code in codes:
        if code in RULES and not code.startswith(_FAMILY):
            continue
        near = get_close_matches(
            code.upper(), [each for each in RULES if not each.startswith(_FAMILY)], n=1, cutoff=0.8
        )
        found = finding("SQJ091", f"{code[:80]!r} is no rule that can be suppressed", at)
        yield helped(found, f"did you mean {near[0]}?" if near else "")


def _next_line(lines: Sequence[str], number: int) -> int:
    """The first line below that is not a comment alone."""
    while number < len(lines) and lines[number].lstrip().startswith("#"):
        number += 1
    return number + 1


def _comments(lines: Sequence[str], text: str) -> Iterator[tuple[int, int, re.Match[str]]]:
    """Line, column and match of each comment of ours; the same words inside a value are none."""
    spans = _scalars(text)
    for index, line in enumerate(lines):
        match = _COMMENT.search(line) if _MARK in line else None
        if match and not any(start <= (index, match.start()) < end for start, end in spans):
            yield index + 1, match.start() + 1, match


def _scalars(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where values stand that hold our mark; nothing when the text is no YAML."""
    try:
        events: list[Any] = [event for event in yaml.parse(text, Loader=_LOADER) if isinstance(event, yaml.ScalarEvent)]
    except yaml.YAMLError:
        return []
    marks = [(event.start_mark, event.end_mark) for event in events if _MARK in event.value]
    return [((start.line, start.column), (end.line, end.column)) for start, end in marks]
