"""What a bulk change met and did: for the question before it, and as its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..exits import Exit, Problem
from .text import one_line

if TYPE_CHECKING:
    from ...core.store.store import Changed

#: A screenful of groups; the rest is counted.
MOST_GROUPS = 20
MOST_RESULTS = 10


@dataclass(frozen=True, slots=True)
class Verb:
    """What a change does: its word, the statuses it applies to, and the outcomes that mean it was done."""

    name: str
    statuses: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The snapshot: what the change applies to, what it skips, and ids that no job has."""

    applies: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    unknown: list[str]


def breakdown(verb: Verb, found: Match) -> str:
    """Return what the change would meet: by status and operation, largest first; then what it skips."""
    groups = Counter((row["status"], f"{row['service_name']}.{row['operation']}") for row in found.applies)
    shown = groups.most_common(MOST_GROUPS)
    lines = [f"match   {len(found.applies)} job{'s' if len(found.applies) != 1 else ''} to {verb.name}"]
    lines += [f"        {count:>6}  {status:<9}  {one_line(place)}" for (status, place), count in shown]
    if len(groups) > len(shown):
        lines.append(f"        and {len(groups) - len(shown)} more operations")
    skips = Counter(row["status"] for row in found.skipped)
    return "\n".join([*lines, *(f"skip    {count:>6}  already {status}" for status, count in skips.most_common())])


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One change, done or rehearsed. `named`: the jobs were given by id, so each one that was left out is a problem."""

    verb: Verb
    found: Match
    outcomes: tuple[Changed, ...]
    named: bool
    dry_run: bool

    @property
    def results(self) -> list[dict[str, str]]:
        """Return each job's outcome."""
        found = [{"id": str(each.id), "outcome": each.outcome} for each in self.outcomes]
        found += [{"id": str(row["id"]), "outcome": f"already_{row['status']}"} for row in self.found.skipped]
        return found + [{"id": id_, "outcome": "not_found"} for id_ in self.found.unknown]

    @property
    def done(self) -> int:
        """Return how many jobs were changed."""
        return sum(each.outcome in self.verb.done for each in self.outcomes)

    def problem(self) -> Problem | None:
        """Return what keeps the answer from being a plain yes: unknown ids (3), none (6) or not all (7) changed."""
        left = [each for each in self.results if each["outcome"] not in self.verb.done]
        if self.found.unknown and not self.done:
            return _unknown(self.found.unknown)
        if self.dry_run or not self.named or not left:
            return None
        example = f"{left[0]['id']} is {left[0]['outcome'].replace('_', ' ')}"
        hint = f"specql-jobs show {left[0]['id']}"
        if not self.done:
            message = f"nothing to {self.verb.name}: {example}"
            return Problem("E600", "conflict", message, hint, Exit.CONFLICT, retryable=False)
        message = f"{self.done} of {len(self.results)} jobs were changed; {example}"
        return Problem("E701", "partly-done", message, hint, Exit.PARTLY, retryable=False)

    def as_json(self, reason: str) -> dict[str, Any]:
        """Return the answer as data."""
        results = self.results
        left = Counter(each["outcome"] for each in results if each["outcome"] not in self.verb.done)
        return {
            "verb": self.verb.name,
            "dry_run": self.dry_run,
            "reason": reason or None,
            "counts": {"matched": len(self.found.applies), "applied": self.done, "skipped": sum(left.values())},
            "skipped_by_reason": dict(left),
            "matched_by_operation": _groups(self.found.applies),
            "results": results,
        }

    def text(self) -> str:
        """Return the answer for people: each job when they are few, else numbers."""
        if self.dry_run:
            return f"{breakdown(self.verb, self.found)}\nNothing was changed."
        results = self.results
        if not results:
            return f"no jobs match: nothing to {self.verb.name}"
        if len(results) <= MOST_RESULTS:
            return "\n".join(f"{each['outcome'].replace('_', ' ')}  {each['id']}" for each in results)
        counts = Counter(each["outcome"] for each in results).most_common()
        return "\n".join(f"{count:>6}  {outcome.replace('_', ' ')}" for outcome, count in counts)


def _groups(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = Counter((row["status"], row["service_name"], row["operation"]) for row in rows)
    keys = ("status", "service", "operation")
    return [dict(zip(keys, group, strict=True)) | {"jobs": count} for group, count in groups.most_common()]


def _unknown(ids: Sequence[str]) -> Problem:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    message = f"no job has the id {', '.join(ids[:5])}{more}"
    return Problem("E301", "job-unknown", message, "specql-jobs list", Exit.NOT_FOUND, retryable=False)
