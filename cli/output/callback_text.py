"""Callbacks for people and programs: what is registered, what was found, and the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .console import Console
from .job_json import timestamp
from .tables import text_table
from .text import duration, one_line

Row = Mapping[str, Any]

HEADERS = ("ENTITY", "ON", "OUTCOME", "FUNCTION", "STATE")


def as_json(row: Row) -> dict[str, Any]:
    """Return one element of `db callbacks list`."""
    return _call(row) | {
        "run_as": row["run_as"],
        "problem": row["problem"],
        "waiting": row["waiting"],
        "failed": row["failed"],
        "last_error": row["last_error"],
        "registered_at": timestamp(row["created_at"]),
        "registered_by": row["created_by"],
    }


def found_json(row: Row) -> dict[str, Any]:
    """Return one element of `db callbacks discover`."""
    return _call(row) | {"registered": row["problem"] is None, "problem": row["problem"]}


def _call(row: Row) -> dict[str, Any]:
    return {
        "entity": row["entity_type"],
        "service": row["service_name"],
        "operation": row["operation"],
        "outcome": row["outcome"],
        "function": row["function_name"],
    }


def page(rows: Sequence[Row], limits: Row, console: Console) -> str:
    """Return the registered callbacks and the limits; with -q the functions' names."""
    if console.quiet:
        return "\n".join(one_line(row["function_name"]) for row in rows)
    if not rows:
        return f"no callback is registered; {limits_line(limits)}"
    return f"{text_table(HEADERS, [*map(_table_row, rows)], console.width)}\n{limits_line(limits)}"


def _table_row(row: Row) -> list[str]:
    place = f"{row['service_name']}.{row['operation']}"
    return [one_line(text) for text in (row["entity_type"], place, row["outcome"], row["function_name"], _state(row))]


def _state(row: Row) -> str:
    if row["problem"]:
        return f"cannot be called: {row['problem']}"
    counts = [f"{row[key]} {word}" for key, word in (("waiting", "waiting"), ("failed", "given up")) if row[key]]
    return f"{', '.join(counts)}; last: {row['last_error']}" if counts else "ok"


def found_lines(found: Sequence[Row]) -> str:
    """Return what was registered, and why something was not."""
    if not found:
        return "no function has a name that these calls would have"
    return "\n".join(_found_line(row) for row in found)


def _found_line(row: Row) -> str:
    if row["problem"] is None:
        return one_line(f"registered {row['function_name']}")
    return one_line(f"not registered {row['function_name']}: {row['problem']}")


def limits_line(limits: Row) -> str:
    """Return the limits as one sentence."""
    rights = f"as role {limits['run_as']}" if limits["run_as"] else "with the worker's own rights"
    seconds = duration(limits["timeout_ms"] / 1000)
    return one_line(
        f"callbacks run {rights}, each for at most {seconds}, and are called {limits['max_attempts']} times at most"
    )
