"""Entries of the ledger of changes: rows of a list, and one of them with all that is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .change import canary_json, outcome_words, rate_words
from .change_state import MEANINGS, state_of
from .job_json import timestamp
from .text import age, amount, moment, one_line

if TYPE_CHECKING:
    from ...core.store.changes import Canaries, Tally

HEADERS = ("ID", "WHEN", "KIND", "STATE", "JOBS", "ACTOR", "OUTCOME", "REASON")
SPARE = ("OUTCOME", "ACTOR")

_TIMES = ("created_at", "updated_at", "ended_at")


def summary(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as `changes list` has it."""
    return {
        "id": entry["id"],
        "kind": entry["kind"],
        "state": state_of(entry),
        "actor": entry["actor"],
        "reason": entry["reason"],
        "scope": entry["scope"],
        "selector": entry["selector"],
        "matched": entry["matched"],
        "counts": entry["counts"],
        **{key: timestamp(entry[key]) for key in _TIMES},
    }


def row(entry: Mapping[str, Any]) -> list[str]:
    """Return an entry as a row of the table."""
    counts: dict[str, int] = entry["counts"]
    jobs = entry["matched"] if entry["matched"] is not None else sum(counts.values())
    about = entry["scope"] or (str(jobs) if jobs else "-")
    return [
        str(entry["id"]),
        age(entry["age_seconds"]),
        entry["kind"],
        state_of(entry),
        one_line(about),
        one_line(entry["actor"]),
        _outcomes(counts) or "-",
        one_line(entry["reason"] or "-"),
    ]


def to_resume(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to type for each interrupted change."""
    return [f"specql-jobs changes resume {each['id']}" for each in rows if state_of(each) == "interrupted"]


def _outcomes(counts: Mapping[str, int]) -> str:
    largest = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{outcome_words(outcome)} {count}" for outcome, count in largest)


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry with its outcomes, what its jobs are now, and some of them by id."""

    entry: dict[str, Any]
    tally: Tally
    standing: dict[str, int]
    members: list[dict[str, Any]]
    canaries: Canaries | None

    def as_json(self) -> dict[str, Any]:
        """Return all that is known as data."""
        entry = self.entry
        return summary(entry) | {
            "counts": self.tally.outcomes,
            "left": self.tally.left,
            "brought_back": self.tally.brought_back,
            "jobs_now": self.standing,
            "plan_token": entry["plan"],
            "rate_per_second": entry["rate"],
            "due_until": timestamp(entry["next_at"]),
            "canary": self._canary(),
            "details": entry["details"],
            "results": [{"id": str(each["id"]), "outcome": each["outcome"]} for each in self.members],
        }

    def _canary(self) -> dict[str, Any] | None:
        found = canary_json(self.canaries)
        wanted = {"wanted": self.entry["canary"], "percent": self.entry["canary_percent"]}
        return None if found is None else wanted | found

    def text(self) -> str:
        """Return it for people, what to type next at the end."""
        entry = self.entry
        known = {
            "state": f"{state_of(entry)}: {MEANINGS[state_of(entry)]}" if state_of(entry) != "done" else "",
            "reason": entry["reason"],
            "about": entry["scope"] or _selection(entry["selector"]),
            "outcome": _outcomes(self.tally.outcomes),
            "came back": self.tally.brought_back and f"{amount(self.tally.brought_back, 'dependent')} of these jobs",
            "canary": self._canary_words(),
            "rate": entry["rate"] and rate_words(entry["rate"]),
            "due until": moment(entry["next_at"]),
            "now": _outcomes(self.standing),
            "details": entry["details"],
        }
        head = (
            f"change {entry['id']}   {entry['kind']}   {state_of(entry)}   {one_line(entry['actor'])}   {self._times()}"
        )
        lines = [head, *(f"  {key:<10}{one_line(str(value))}" for key, value in known.items() if value)]
        lines += [f"  {each['id']}  {outcome_words(each['outcome'])}" for each in self.members]
        missing = sum(self.tally.outcomes.values()) + self.tally.brought_back - len(self.members)
        lines += [f"  and {missing} more (--limit 0 for all)"] if self.members and missing > 0 else []
        return "\n".join(lines + self._next())

    def _times(self) -> str:
        ended = moment(self.entry["ended_at"])
        return moment(self.entry["created_at"]) + (f" to {ended}" if ended else "")

    def _canary_words(self) -> str:
        if self.canaries is None:
            return ""
        wanted = self.entry["canary_percent"]
        return f"{self.canaries.completed} of {self.canaries.jobs} completed, {wanted}% wanted"

    def _next(self) -> list[str]:
        left, state = self.tally.left, state_of(self.entry)
        if state not in ("interrupted", "stopped", "canary") or (state == "stopped" and not left):
            return []
        rest = f"{left} still to do" if left else "looks at its first jobs again, and then it is done"
        return [f"  next      specql-jobs changes resume {self.entry['id']}    {rest}"]


def _selection(selector: Mapping[str, Any] | None) -> str:
    return " ".join(f"{key}={_value(value)}" for key, value in (selector or {}).items())


def _value(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
