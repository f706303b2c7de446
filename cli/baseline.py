"""A baseline: findings that a project has accepted for now, kept in a file, so that only new ones count.

An entry is known by file, rule, service, operation and message, never by line: code that moves stays accepted.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import UsageError
from .places import repository_path

if TYPE_CHECKING:
    from ..core.registry.model import Finding

NAME = "specql-jobs.baseline/v1"
_LINE_NUMBER = re.compile(r"\bline \d+")


class Held(NamedTuple):
    """What is new, how many findings are accepted, and how many entries nothing matches any more."""

    new: tuple[Finding, ...]
    accepted: int
    gone: int


def fingerprint(finding: Finding) -> str:
    """Return what a finding is known by from one commit to the next: 32 hexadecimal digits."""
    message = _LINE_NUMBER.sub("line", finding.message)
    parts = (repository_path(finding.position.path), finding.code, finding.service, finding.operation, message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def hold(findings: Iterable[Finding], path: Path) -> Held:
    """Return the findings that the baseline does not hold; each entry accepts as many as it was written for."""
    left = _read(path)
    before = left.total()
    new = tuple(each for each in findings if not _take(left, fingerprint(each)))
    gone = left.total()
    return Held(new, before - gone, gone)


def write(findings: Iterable[Finding], path: Path) -> int:
    """Write a baseline that accepts these findings, sorted, so that its diffs are small; return how many."""
    kept = list(findings)
    counts = Counter(map(fingerprint, kept))
    by_mark = {fingerprint(each): each for each in kept}
    entries = sorted((_entry(by_mark[mark], mark, count) for mark, count in counts.items()), key=_order)
    try:
        path.write_text(json.dumps({"schema": NAME, "findings": entries}, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise _wrong(path, f"cannot be written: {(error.strerror or 'unwritable').lower()}") from None
    return len(kept)


def _entry(finding: Finding, mark: str, count: int) -> dict[str, Any]:
    place = repository_path(finding.position.path)
    return {"fingerprint": mark, "count": count, "code": finding.code, "path": place, "message": finding.message}


def _order(entry: dict[str, Any]) -> tuple[str, ...]:
    return (entry["path"], entry["code"], entry["message"], entry["fingerprint"])


def _take(left: Counter[str], mark: str) -> bool:
    if left[mark] < 1:
        return False
    left[mark] -= 1
    return True


def _read(path: Path) -> Counter[str]:
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        if content["schema"] != NAME:
            raise _wrong(path, f"is not a {NAME}")
        return Counter({str(each["fingerprint"]): max(int(each["count"]), 0) for each in content["findings"]})
    except OSError as error:
        raise _wrong(path, f"cannot be read: {(error.strerror or 'unreadable').lower()}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _wrong(path, "is not a baseline") from None


def _wrong(path: Path, what: str) -> UsageError:
    hint = f"write it anew: specql-jobs validate --baseline {path} --write-baseline"
    return UsageError(f"the baseline {path} {what}", hint=hint, code="E207", name="baseline-unusable")
