"""Workers, and the jobs that were taken back from them, for people and programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .job_json import timestamp
from .text import age, one_line

if TYPE_CHECKING:
    from ...core.store.workers import Rescue

Row = Mapping[str, Any]

HEADERS = ("WORKER", "STATE", "HEARD", "RUNNING", "HELD", "UP", "VERSION", "REGISTRY", "TYPES", "SERVICES")
#: What a narrow terminal does without, the first first.
SPARE = ("SERVICES", "VERSION", "UP", "HELD", "TYPES", "REGISTRY")

#: Characters of a registry's digest: those that a worker's log has.
DIGEST = 12

#: A screenful of jobs; the rest is counted.
MOST_JOBS = 10


def worker_json(row: Row) -> dict[str, Any]:
    """Return one element of `worker list`."""
    return {
        "id": row["worker_id"],
        "host": row["host"],
        "pid": row["pid"],
        "version": row["version"],
        "state": row["state"],
        "heartbeat_at": timestamp(row["heartbeat_at"]),
        "heartbeat_age_seconds": round(row["heartbeat_age_seconds"], 3),
        "started_at": timestamp(row["started_at"]),
        "stopped_at": timestamp(row["stopped_at"]),
        "running": row["running"],
        "held": row["held"],
        "concurrency": row["concurrency"],
        "execution_types": row["execution_types"],
        "services": row["services"],
        "registry_digest": row["registry_digest"],
    }


def worker_row(row: Row) -> list[str]:
    """Return one line of `worker list`."""
    lived = ((row["stopped_at"] or row["heartbeat_at"]) - row["started_at"]).total_seconds()
    return [
        one_line(row["worker_id"]),
        row["state"],
        f"{age(row['heartbeat_age_seconds'])} ago",
        f"{row['running']}/{row['concurrency']}",
        str(row["held"]),
        age(lived),
        one_line(row["version"]),
        one_line((row["registry_digest"] or "-")[:DIGEST]),
        one_line(",".join(row["execution_types"])),
        "all" if row["services"] is None else one_line(",".join(row["services"])),
    ]


def rescue_json(found: Rescue, *, dry_run: bool, reason: str) -> dict[str, Any]:
    """Return the data of `rescue`."""
    statuses = Counter(job.status for job in found.jobs)
    return {
        "dry_run": dry_run,
        "reason": reason or None,
        "lost": list(found.lost),
        "counts": {"rescued": len(found.jobs)} | {word: statuses[word] for word in ("pending", "failed", "cancelled")},
        "jobs": [{"id": str(job.id), "status": job.status, "worker_id": job.worker_id} for job in found.jobs],
    }


def rescue_lines(found: Rescue, *, dry_run: bool, rehearsed: bool = True) -> Iterator[str]:
    """Yield who is lost, and what becomes of the jobs: each of a few, the numbers of many."""
    yield from (f"lost     {one_line(worker)}" for worker in found.lost)
    if not found.jobs:
        yield "no job waits for rescue"
    elif len(found.jobs) <= MOST_JOBS:
        yield from (f"{job.status:<9}{job.id}  was held by {one_line(job.worker_id)}" for job in found.jobs)
    else:
        groups = Counter((job.status, job.worker_id) for job in found.jobs).most_common(MOST_JOBS)
        yield from (f"{status:<9}{count:>6}  held by {one_line(worker)}" for (status, worker), count in groups)
    if dry_run and rehearsed:
        yield "Nothing was changed."
