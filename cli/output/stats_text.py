"""Numbers by service or another field, as data and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .console import Console
from .job_json import timestamp
from .listed import Table, answer_list
from .tables import tsv
from .text import age, duration, one_line

if TYPE_CHECKING:
    from ...core.store.stats import Stats

_HEADERS = (
    *(
        "READY",
        "PENDING",
        "RUN",
        "RETRY",
        "COMPLETED",
        "FAILED",
        "CANCELLED",
        "DONE/MIN",
        "FAIL%",
        "OLDEST",
        "P50",
        "P95",
    ),
)
_SPARE = ("CANCELLED", "RETRY", "PENDING", "P50")


def show(console: Console, found: Stats, field: str, limit: int | None) -> None:
    """Answer with a line for each value of the field; with -q with the values."""
    seconds = (found.window.until - found.window.since).total_seconds()
    every = [as_json(row, seconds) for row in found.rows]
    rows = every[:limit]
    if console.is_json:
        page = {"returned": len(rows), "limit": limit, "total": len(every), "truncated": len(every) > len(rows)}
        since, until = timestamp(found.window.since), timestamp(found.window.until)
        console.document({"by": field, "since": since, "until": until, "rows": rows}, page=page)
    elif console.format == "tsv":
        console.data(tsv(list(rows[0]), [list(row.values()) for row in rows]) if rows else "")
    elif console.quiet and console.format == "text":
        console.data("\n".join(one_line(row["key"]) for row in rows if row["key"]))
    else:
        answer_list(console, "rows", rows, Table((field.upper(), *_HEADERS), [_row(each) for each in rows], _SPARE))
    _talk(console, len(rows), len(every), seconds)


def as_json(row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return one line of `stats`; `seconds` is the length of the window."""
    p50, p95 = row["run_ms"] or (None, None)
    ended = row["completed"] + row["failed"]
    return {
        **{
            key: row[key]
            for key in ("key", "pending", "ready", "retrying", "running", "completed", "failed", "cancelled")
        },
        "done_per_min": round(row["completed"] / seconds * 60, 2),
        "fail_ratio": round(row["failed"] / ended, 4) if ended else None,
        "oldest_pending_ms": row["oldest_pending_ms"],
        "p50_ms": p50,
        "p95_ms": p95,
    }


def _row(row: dict[str, Any]) -> list[str]:
    counts = ("ready", "pending", "running", "retrying", "completed", "failed", "cancelled")
    ratio, oldest = row["fail_ratio"], row["oldest_pending_ms"]
    return [
        one_line(row["key"]) if row["key"] else "-",
        *(str(row[key]) for key in counts),
        f"{row['done_per_min']:g}",
        "-" if ratio is None else f"{ratio * 100:.1f}",
        "-" if oldest is None else age(oldest / 1000),
        *("-" if row[key] is None else duration(row[key] / 1000) for key in ("p50_ms", "p95_ms")),
    ]


def _talk(console: Console, shown: int, total: int, seconds: float) -> None:
    if not total:
        console.say(f"nothing waits or runs, and nothing ended in {duration(seconds)}")
    elif shown < total:
        console.say(f"showing {shown} of {total} (--limit 0 for all)")
