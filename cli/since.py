"""`validate --diff-base REF`: what the change since REF breaks, and only those other findings that it brought.

A finding is of the change when its line is, or when the registry at REF did not have it: removing a field makes a
mistake of a line that nobody touched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.registry.codes import RULES
from ..core.registry.compatibility import change_findings, compare_loaded
from ..core.registry.diff import Change
from ..core.registry.files import registry_files
from ..core.registry.load import Loaded, load_contents
from ..core.registry.model import Finding, Position, Severity
from ..core.registry.suppressions import accepted
from .baseline import fingerprint
from .output.console import Console
from .output.text import amount
from .revision import Blob, Revision, changed_files, changed_lines, contents, find_revision, listed, renamed_from

if TYPE_CHECKING:
    from collections.abc import Mapping

Found = Callable[[Loaded], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Checked:
    """The registry as it is now, all that was found in it, and how it was read."""

    paths: Sequence[Path]
    loaded: Loaded
    findings: Sequence[Finding]
    environment: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Past:
    """The registry at the commit, by the paths of today, and what of today's files is not in it."""

    loaded: Loaded
    lines: Mapping[str, frozenset[int]]  # that changed, by path; a file that is not here is new as a whole

    def is_new(self, at: Position) -> bool:
        """Whether some line of the place is not there at the commit."""
        lines = self.lines.get(at.path)
        return lines is None or any(line in lines for line in range(at.line, max(at.line, at.end_line) + 1))


@dataclass(frozen=True, slots=True)
class Judged:
    """What counts against the change, and numbers for the summary."""

    findings: list[Finding]
    numbers: dict[str, int]


def judge(console: Console, ref: str, now: Checked, also: Found) -> Judged:
    """Return what the change since `ref` brought. `also` finds what `Loaded.findings` does not hold, in both versions.

    Raise UsageError where there is no such commit, Unavailable where there is no git.
    """
    revision = find_revision(ref, now.paths[0], now.variables)
    _warn_of_news(console, revision)
    past = _past(revision, now)
    kept, left_out = _of_the_change(now.findings, past, [*past.loaded.findings, *also(past.loaded)])
    changes, problem = _changes(console, ref, past.loaded, now)
    if any(each.severity is Severity.ERROR for each in kept):
        problem = ()  # the errors say enough
    shown = [each for each in changes if console.verbose or RULES[each.code].severity is not Severity.INFO]
    found, hidden = accepted(change_findings(shown, past.loaded, now.loaded), now.loaded.sources, past.is_new)
    counts = Counter(str(each.impact) for each in changes)
    numbers = {**{word: counts[word] for word in ("breaking", "risky", "safe")}, "unchanged": left_out}
    numbers["accepted"] = len(hidden)
    _say(console, revision.ref, now, numbers)
    if any(each.severity is Severity.ERROR for each in found):
        console.say("a breaking change that is meant stays with a comment: # specql-jobs: ignore[CODE] reason")
    return Judged([*kept, *found, *problem], numbers)


def _warn_of_news(console: Console, revision: Revision) -> None:
    if revision.is_behind and not revision.is_shallow:
        console.say(
            f"{revision.ref} has commits that HEAD lacks: what they added counts as removed here; "
            f"merge them, or compare with where the branch began: --diff-base {revision.ref}..."
        )


def _say(console: Console, ref: str, now: Checked, numbers: Mapping[str, int]) -> None:
    if numbers["unchanged"]:
        console.say(f"{amount(numbers['unchanged'], 'finding')} that {ref} has too, left out")
    if numbers["safe"] and not console.verbose:
        console.say(f"{amount(numbers['safe'], 'safe change')} not shown; -v shows them")
    if numbers["accepted"]:
        console.say(f"{amount(numbers['accepted'], 'finding')} accepted by comments")
    if now.loaded.environments and not now.environment:
        names = ", ".join(now.loaded.environments)
        console.say(f"compared without an environment; each of these is compared with --env NAME: {names}")


# ---- the past --------------------------------------------------------------------------------------------------------


def _past(revision: Revision, now: Checked) -> Past:
    """The registry at the commit; files that were renamed since go by the name that they have now."""
    names = {revision.relative(file): str(file) for file in registry_files(now.paths)}
    blobs = _blobs(revision, now.paths, names)
    files = [
        (names.get(path, path), text) for path, text in zip(blobs, contents(revision, [*blobs.values()]), strict=True)
    ]
    changed = changed_files(revision, list(names))
    lines = {
        name: changed_lines(revision, blobs[path], path) if _differs(path, blobs[path], changed) else frozenset[int]()
        for path, name in names.items()
        if path in blobs
    }
    same = blobs.keys() == names.keys() and not any(_differs(path, each, changed) for path, each in blobs.items())
    return Past(now.loaded if same else _load(files, now), lines)


def _blobs(revision: Revision, paths: Sequence[Path], names: Mapping[str, str]) -> dict[str, Blob]:
    """The files of the registry at the commit by the path that they have now, or had."""
    folders = [f"{revision.relative(path)}/" for path in paths if path.is_dir()]
    found = listed(revision, [*names, *folders])
    blobs = {path: blob for path, blob in found.items() if path in names or _is_registry(path)}
    if all(path in blobs for path in names):
        return blobs
    came = {new: old for new, old in renamed_from(revision).items() if new in names and new not in blobs}
    older = listed(revision, came.values())
    moved = {new: older[old] for new, old in came.items() if old in older}
    return {path: blob for path, blob in blobs.items() if path not in set(came.values())} | moved


def _is_registry(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.endswith((".yaml", ".yml")) and not name.startswith(".")


def _differs(path: str, blob: Blob, changed: set[str]) -> bool:
    return path in changed or blob.path != path


def _load(files: list[tuple[str, bytes]], now: Checked) -> Loaded:
    """The past in the same environment; one that it does not have yet changes nothing in it."""
    try:
        return load_contents(files, environment=now.environment, variables=now.variables)
    except UsageError:
        return load_contents(files, variables=now.variables)


# ---- what counts -----------------------------------------------------------------------------------------------------


def _of_the_change(findings: Iterable[Finding], past: Past, before: Iterable[Finding]) -> tuple[list[Finding], int]:
    """The findings that the change brought, and how many others there are."""
    known = Counter(map(fingerprint, before))
    kept, left_out = list[Finding](), 0
    for each in findings:
        mark = fingerprint(each)
        known[mark] -= 1
        if past.is_new(each.position) or known[mark] < 0:
            kept.append(each)
        else:
            left_out += 1
    return kept, left_out


def _changes(console: Console, ref: str, past: Loaded, now: Checked) -> tuple[tuple[Change, ...], tuple[Finding, ...]]:
    """The changes, or a finding that says why they are not known; where there is no past, nothing changed."""
    if not past.files or now.environment not in ("", *past.environments):
        what = f"environment {now.environment}" if past.files else "such registry"
        console.say(f"there was no {what} at {ref}: nothing to compare with")
        return (), ()
    return compare_loaded(past, now.loaded, ref)
