"""A report as data: what the page draws, and what -o json answers. Durations in ms, times in RFC 3339, UTC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .job_json import timestamp

if TYPE_CHECKING:
    from ...core.store.post_mortem import PostMortem, Row, Window

STATUSES = ("completed", "failed", "cancelled")
#: A group of failures grows when it has this many times the jobs of the window before; it shrinks below half.
GROWTH = 2.0


def report_json(found: PostMortem) -> dict[str, Any]:
    """Return the report's data."""
    window, whole = found.window, found.latency[0]
    return {
        "window": _window(window),
        "totals": _totals(found) | _percentiles(whole["ms"]),
        "throughput": list(_throughput(found)),
        "latency": [_latency(row) for row in found.latency[1:]],
        "services": [_service(row) for row in found.services],
        "failure_groups": len(found.failures),
        "failures": list(_failures(found)),
        "usage": [_usage(row) for row in found.usage],
        "events": [{**row, "at": timestamp(row["at"])} for row in found.events],
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "since": timestamp(window.since),
        "until": timestamp(window.until),
        "generated_at": timestamp(window.now),
        "step_seconds": window.step,
    }


def _totals(found: PostMortem) -> dict[str, Any]:
    counted = {status: sum(row["jobs"] for row in found.throughput if row["status"] == status) for status in STATUSES}
    return {**found.counts, **counted, "failed_ratio": _ratio(counted)}


def _ratio(counted: dict[str, int]) -> float | None:
    """Failed of those that completed or failed; None where there are none."""
    both = counted["completed"] + counted["failed"]
    return round(counted["failed"] / both, 6) if both else None


def _percentiles(ms: list[float] | None) -> dict[str, float | None]:
    names = ("p50_ms", "p95_ms", "p99_ms")
    return dict(zip(names, (round(value, 3) for value in ms), strict=False)) if ms else dict.fromkeys(names)


def _steps(window: Window) -> Iterator[datetime]:
    at = window.since.astimezone(UTC)  # elsewhere, days may have 23 hours
    while at < window.until:
        yield at
        at += timedelta(seconds=window.step)


def _throughput(found: PostMortem) -> Iterator[dict[str, Any]]:
    """Every step of the window, those in which nothing ended too."""
    by_step: dict[datetime, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATUSES, 0))
    for row in found.throughput:
        by_step[row["at"]][row["status"]] = row["jobs"]
    return ({"at": timestamp(at), **by_step[at]} for at in _steps(found.window))


def _latency(row: Row) -> dict[str, Any]:
    return {"at": timestamp(row["at"]), "jobs": row["jobs"], **_percentiles(row["ms"])}


def _service(row: Row) -> dict[str, Any]:
    p50, p95 = (round(value, 3) for value in row["ms"]) if row["ms"] else (None, None)
    kept = {key: value for key, value in row.items() if key != "ms"}
    return {**kept, "failed_ratio": _ratio(row), "p50_ms": p50, "p95_ms": p95}


def _failures(found: PostMortem) -> Iterator[dict[str, Any]]:
    from ...core.store.post_mortem import MOST_FAILURES  # noqa: PLC0415 - psycopg is there by then

    series: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in found.failure_series:
        series[row["fingerprint"]].append({"at": timestamp(row["at"]), "jobs": row["jobs"]})
    for row in found.failures[:MOST_FAILURES]:
        times = {name: timestamp(row[name]) for name in ("first_at", "last_at")}
        yield {
            **row,
            **times,
            "sample_id": str(row["sample_id"]),
            "trend": trend(row["jobs"], row["jobs_before"]),
            "series": series.get(row["fingerprint"], []),
        }


def trend(jobs: int, before: int) -> str:
    """Return new, growing, steady or shrinking, against the window before."""
    if not before:
        return "new"
    if jobs >= before * GROWTH:
        return "growing"
    return "shrinking" if jobs * GROWTH <= before else "steady"


def _usage(row: Row) -> dict[str, Any]:
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()}
