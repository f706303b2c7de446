"""What was pruned, or would be, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.retention import PRUNABLE, Retention
from .job_json import timestamp
from .text import age, amount, duration, moment

if TYPE_CHECKING:
    from ...core.store.prune import Batch, Preview


@dataclass(frozen=True, slots=True)
class Pruned:
    """How far a run came: jobs deleted by status, rows looked at, jobs that foreign keys keep."""

    deleted: Counter[str]
    looked_at: int = 0
    referenced: int = 0
    batches: int = 0
    seconds: float = 0.0

    def plus(self, batch: Batch) -> Pruned:
        """Return the sum of this and one more batch."""
        return Pruned(
            self.deleted + batch.deleted,
            self.looked_at + batch.looked_at,
            self.referenced + batch.referenced,
            self.batches + 1,
        )


def as_json(retention: Retention, found: Sequence[Preview] | None, done: Pruned | None = None) -> dict[str, Any]:
    """Return the data of `db prune`: `would_delete` after a dry run, what was deleted otherwise."""
    done = done or Pruned(Counter())
    return {
        "dry_run": found is not None,
        "retention_seconds": retention.seconds(),
        "would_delete": None if found is None else [_preview_json(each) for each in found],
        "deleted": {status: done.deleted[status] for status in PRUNABLE},
        "referenced": done.referenced,
        "looked_at": done.looked_at,
        "batches": done.batches,
        "seconds": round(done.seconds, 3),
    }


def _preview_json(each: Preview) -> dict[str, Any]:
    return {"status": each.status, "jobs": each.jobs, "oldest": timestamp(each.oldest)}


def preview_lines(retention: Retention, found: Sequence[Preview], *, changed: bool = False) -> Iterator[str]:
    """Yield one line for each status: how many would go, how old the oldest is, how long they are kept."""
    width = max((len(f"{each.jobs:,}") for each in found), default=1)
    for each in found:
        kept = age(retention.seconds()[each.status] or 0)
        oldest = f", the oldest ended {moment(each.oldest)}" if each.oldest else ""
        yield f"{each.status:<10} {each.jobs:>{width},} ended more than {kept} ago{oldest}"
    yield from (f"{status:<10} kept for ever" for status in PRUNABLE if retention.seconds()[status] is None)
    if not changed:
        yield "Nothing was deleted."


def pruned_lines(done: Pruned) -> Iterator[str]:
    """Yield what a run did."""
    speed = f", {sum(done.deleted.values()) / done.seconds:,.0f} a second" if done.seconds > 1 else ""
    yield f"{progress(done)} in {duration(done.seconds)}{speed}"
    if done.referenced:
        yield f"kept {done.referenced:,} that a foreign key of another table refers to"


def progress(done: Pruned) -> str:
    """Return how far a run came, in one line."""
    total = sum(done.deleted.values())
    parts = ", ".join(f"{status} {done.deleted[status]:,}" for status in PRUNABLE if done.deleted[status])
    return f"deleted {amount(total, 'job')}" + (f" ({parts})" if parts else "")
