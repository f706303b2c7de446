"""What a bulk change would meet and what it did: for the question before it, and as its answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..exits import Exit, Problem
from .change_state import state_of
from .job_json import timestamp
from .text import amount, duration, moment, one_line

if TYPE_CHECKING:
    from ...core.store.changes import Canaries, Tally
    from ..pace import Pace

#: A screenful of groups; the rest is counted.
MOST_GROUPS = 20
MOST_FINGERPRINTS = 5
MOST_RESULTS = 10

#: Jobs that a document names one by one; the ledger has them all.
MOST_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class Verb:
    """What a change does: its word, the statuses it applies to, and the outcomes that mean it was done."""

    name: str
    statuses: tuple[str, ...]
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The snapshot: groups of jobs that the change applies to, groups that it skips, and ids that no job has."""

    applies: list[dict[str, Any]]
    skipped: list[dict[str, Any]]
    unknown: list[str]

    @property
    def jobs(self) -> int:
        """Return how many jobs the change applies to."""
        return sum(group["jobs"] for group in self.applies)

    @property
    def running(self) -> int:
        """Return how many of them run."""
        return sum(group["jobs"] for group in self.applies if group["status"] == "running")

    @property
    def ids(self) -> list[UUID]:
        """Return the ids of the jobs that the change applies to, the oldest first."""
        placed = [pair for group in self.applies for pair in zip(group["places"], group["ids"], strict=True)]
        return [id_ for _, id_ in sorted(placed)]

    def by(self, *keys: str) -> list[tuple[tuple[Any, ...], int]]:
        """Return how many jobs there are by some of the groups' columns, largest first."""
        counts: Counter[tuple[Any, ...]] = Counter()
        for group in self.applies:
            counts[tuple(group[key] for key in keys)] += group["jobs"]
        return counts.most_common()


@dataclass(frozen=True, slots=True)
class Made:
    """A change that was written down and made, whole or in part. `ended`: what the jobs became that were waited for."""

    change: int
    members: list[dict[str, Any]]
    ended: dict[UUID, str] | None
    entry: dict[str, Any]
    tally: Tally
    canaries: Canaries | None


# ---- before ----------------------------------------------------------------------------------------------------------


def breakdown(verb: Verb, found: Match, pace: Pace) -> str:
    """Return what the change would meet, by status and operation and by error; what it skips, and how fast it goes."""
    places = found.by("status", "service_name", "operation")
    lines = [f"match   {_jobs(found.jobs)} to {verb.name}"]
    lines += [
        f"        {count:>6}  {status:<9}  {one_line(f'{s}.{o}')}" for (status, s, o), count in places[:MOST_GROUPS]
    ]
    if len(places) > MOST_GROUPS:
        lines.append(f"        and {amount(len(places) - MOST_GROUPS, 'more operation')}")
    errors = [(word, count) for (word,), count in found.by("fingerprint") if word]
    lines += [f"error   {count:>6}  {one_line(word)}" for word, count in errors[:MOST_FINGERPRINTS]]
    if len(errors) > MOST_FINGERPRINTS:
        lines.append(f"        and {amount(len(errors) - MOST_FINGERPRINTS, 'more error')}")
    skips = Counter({group["status"]: 0 for group in found.skipped})
    for group in found.skipped:
        skips[group["status"]] += group["jobs"]
    lines += [f"skip    {count:>6}  already {status}" for status, count in skips.most_common()]
    states = dict(found.by("status"))
    if ("failed",) in states and ("cancelled",) in states:
        lines.append(f"note    {states['cancelled',]} were cancelled or discarded: --status failed leaves them out")
    return "\n".join(lines + _pace_lines(found.jobs, pace))


def _pace_lines(jobs: int, pace: Pace) -> list[str]:
    first = min(pace.canary or 0, jobs)
    rest = jobs - first
    words = [f"{_jobs(first)} first, {pace.percent}% of them have to complete"] if first else []
    if pace.rate and rest:
        words.append(f"{_jobs(rest)} at {rate_words(pace.rate)}: {duration(rest / pace.rate)}")
    return [f"pace    {'; then '.join(words)}"] if words else []


def _jobs(count: int) -> str:
    return amount(count, "job")


def rate_words(rate: float) -> str:
    """Return a rate per second in the unit in which it is at least one."""
    seconds, unit = next(((s, u) for s, u in ((1, "s"), (60, "m")) if rate * s >= 1), (3600, "h"))
    return f"{rate * seconds:g}/{unit}"


# ---- afterwards ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """One change, made or rehearsed. `named`: the jobs were given by id, so each one that was left out is a problem.

    `again`: the command line that makes what was rehearsed.
    """

    verb: Verb
    found: Match
    made: Made | None
    pace: Pace
    plan: str
    again: str
    named: bool
    dry_run: bool

    @property
    def counts(self) -> Counter[str]:
        """Return how many jobs had which outcome, those skipped from the start included."""
        counts: Counter[str] = Counter(self.made.tally.outcomes if self.made else {})
        if self.made and self.made.ended is not None:
            counts -= Counter(requested=len(self.made.ended))
            counts += Counter(map(_ending, self.made.ended.values()))
        for group in self.found.skipped:
            counts[f"already_{group['status']}"] += group["jobs"]
        return counts + Counter(not_found=len(self.found.unknown))

    @property
    def results(self) -> list[dict[str, str]]:
        """Return each job's outcome, at most MOST_LISTED."""
        ended = (self.made.ended if self.made else None) or {}
        found = [
            {"id": str(each["id"]), "outcome": _ending(ended[each["id"]]) if each["id"] in ended else each["outcome"]}
            for each in (self.made.members if self.made else [])
        ]
        for group in self.found.skipped:
            found += [{"id": str(id_), "outcome": f"already_{group['status']}"} for id_ in group["ids"]]
        return (found + [{"id": id_, "outcome": "not_found"} for id_ in self.found.unknown])[:MOST_LISTED]

    @property
    def done(self) -> int:
        """Return how many jobs were changed."""
        return sum(count for outcome, count in self.counts.items() if outcome in self.verb.done)

    def problem(self) -> Problem | None:
        """Return what keeps the answer from being a plain yes: 3 unknown, 6 none, 7 some, 8 not yet."""
        if self.found.unknown and not self.done:
            return _unknown(self.found.unknown)
        if self.made and (early := ended_early(self.made.entry, self.made.tally, self.made.canaries)):
            return early
        left = self.counts.total() - self.done
        if self.dry_run or not left or not (self.named or self.counts.keys() & _NEVER_PASSED_OVER):
            return None
        return self._left_out(left)

    def _left_out(self, left: int) -> Problem:
        """Some of the jobs that were meant were not changed; those that still run come first."""
        if running := self.counts["still_running"]:
            message = f"{_jobs(running)} asked to stop still {'runs' if running == 1 else 'run'}"
            hint = "specql-jobs worker list    a worker that is cut off stops its jobs when it hears of it"
            return Problem("E800", "still-pending", message, hint, Exit.PENDING, retryable=True)
        first = next((each for each in self.results if each["outcome"] not in self.verb.done), None)
        example = f"; {first['id']} is {outcome_words(first['outcome'])}" if first else ""
        hint = f"specql-jobs show {first['id']}" if first else "specql-jobs changes list"
        if not self.done:
            message = f"nothing to {self.verb.name}{example.replace(';', ':', 1)}"
            return Problem("E600", "conflict", message, hint, Exit.CONFLICT, retryable=False)
        message = f"{self.done} of {self.done + left} jobs were changed{example}"
        return Problem("E701", "partly-done", message, hint, Exit.PARTLY, retryable=False)

    def as_json(self, reason: str) -> dict[str, Any]:
        """Return the answer as data."""
        left = {key: count for key, count in self.counts.items() if key not in self.verb.done}
        keys = ("status", "service", "operation")
        places = self.found.by("status", "service_name", "operation")
        return {
            "verb": self.verb.name,
            "dry_run": self.dry_run,
            "reason": reason or None,
            "plan_token": self.plan,
            "change": change_json(self.made.entry) if self.made else None,
            "canary": canary_json(self.made.canaries) if self.made else None,
            "counts": {"matched": self.found.jobs, "applied": self.done, "skipped": sum(left.values())},
            "skipped_by_reason": left,
            "brought_back": self.made.tally.brought_back if self.made else 0,
            "matched_by_operation": [dict(zip(keys, place, strict=True)) | {"jobs": count} for place, count in places],
            "matched_by_fingerprint": [
                {"fingerprint": word, "jobs": count} for (word,), count in self.found.by("fingerprint")
            ],
            "results": self.results,
        }

    def text(self) -> str:
        """Return the answer for people: each job when they are few, else numbers."""
        if self.dry_run:
            again = f"To do it, to these jobs or none:\n    {self.again}" if self.found.jobs else ""
            rehearsed = [breakdown(self.verb, self.found, self.pace), "Nothing was changed.", again]
            return "\n".join(line for line in rehearsed if line)
        counts = self.counts
        if not counts:
            return f"no jobs match: nothing to {self.verb.name}"
        if counts.total() <= MOST_RESULTS:
            lines = [f"{outcome_words(each['outcome'])}  {each['id']}" for each in self.results]
        else:
            lines = [f"{count:>6}  {outcome_words(outcome)}" for outcome, count in counts.most_common()]
        return "\n".join(lines + self._afterwards())

    def _afterwards(self) -> list[str]:
        if self.made is None:
            return []
        lines = []
        if self.made.tally.brought_back:
            lines.append(f"{_jobs(self.made.tally.brought_back)} that had failed because of them came back too")
        if self.counts["requested"]:
            lines.append("requested: cancelled when its worker has stopped it; --wait follows it")
        if self.made.entry["next_at"]:
            lines.append(f"the last one is due at {moment(self.made.entry['next_at'])}")
        return lines


#: Outcomes of jobs that a selector found and that were not changed all the same: never a plain yes.
_NEVER_PASSED_OVER = {"locked", "planned", "still_running", "ended_first"}


def outcome_words(outcome: str) -> str:
    """Return an outcome for people."""
    return "still to do" if outcome == "planned" else outcome.replace("_", " ")


def _ending(status: str) -> str:
    """What became of a running job that was asked to stop."""
    return {"cancelled": "cancelled", "running": "still_running"}.get(status, "ended_first")


def ended_early(entry: dict[str, Any], tally: Tally, found: Canaries | None) -> Problem | None:
    """Return what it means that the first jobs did not complete, or not in time; the others are as they were."""
    if found is None or entry["state"] == "done":
        return None
    how = f"{found.completed} of the first {_jobs(found.jobs)} completed"
    if entry["state"] == "stopped":
        message = f"{how}, {entry['canary_percent']}% were wanted; {_jobs(tally.left)} left as they are"
        hint = f"specql-jobs changes show {entry['id']}"
        return Problem("E702", "canary-failed", message, hint, Exit.PARTLY, retryable=False)
    message = f"{how} when time was up; {_jobs(tally.left)} wait for the others"
    hint = f"specql-jobs changes resume {entry['id']}    goes on waiting, then does the rest"
    return Problem("E801", "canary-pending", message, hint, Exit.PENDING, retryable=True)


def change_json(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a document says of the change itself."""
    return {
        "id": entry["id"],
        "state": state_of(entry),
        "rate_per_second": entry["rate"],
        "due_until": timestamp(entry["next_at"]),
    }


def canary_json(found: Canaries | None) -> dict[str, int] | None:
    """Return how the jobs that went first stand."""
    return {"jobs": found.jobs, "completed": found.completed, "ended": found.ended} if found else None


def _unknown(ids: Sequence[str]) -> Problem:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    message = f"no job has the id {', '.join(ids[:5])}{more}"
    return Problem("E301", "job-unknown", message, "specql-jobs list", Exit.NOT_FOUND, retryable=False)
