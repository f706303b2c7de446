"""A report in a few lines, for the terminal."""

from __future__ import annotations

from typing import Any

from .plots import milliseconds
from .report_json import STATUSES
from .streams import width
from .tables import text_table
from .text import one_line

#: Groups of failures that are named.
MOST_GROUPS = 5


def summary(data: dict[str, Any]) -> str:
    """Return the totals, and the largest groups of failures."""
    totals, window = data["totals"], data["window"]
    lines = [
        f"{'window':<10} {window['since']} to {window['until']}",
        f"{'ended':<10} {', '.join(f'{totals[name]:,} {name}' for name in STATUSES)}",
        f"{'run time':<10} {_run_time(totals)}",
        f"{'now':<10} {totals['pending_now']:,} pending, {totals['running_now']:,} running",
    ]
    if data["failures"]:
        rows = [_row(each) for each in data["failures"][:MOST_GROUPS]]
        lines += ["", text_table(("JOBS", "BEFORE", "TREND", "FINGERPRINT", "LAST MESSAGE"), rows, width())]
    return "\n".join(lines)


def _run_time(totals: dict[str, Any]) -> str:
    known = [(name, totals[f"{name}_ms"]) for name in ("p50", "p95", "p99")]
    return ", ".join(f"{name} {milliseconds(value)}" for name, value in known if value is not None) or "none measured"


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    jobs, before = f"{each['jobs']:,}", f"{each['jobs_before']:,}"
    return jobs, before, each["trend"], each["fingerprint"], one_line(each["message"] or "")
