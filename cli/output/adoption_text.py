"""`db migrate --dry-run` before a table of SpecQL's: what taking it over changes, keeps and waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .text import age, one_line, size

if TYPE_CHECKING:
    from ...core.store.adoption import Adoption

STATUSES = ("pending", "running", "completed", "failed", "cancelled")

#: What is filled in, and how it is said.
FILLED = {
    "completed_at": "without completed_at",
    "running": "running, as another program's",
    "attempts": "without attempts",
    "max_attempts": "with no attempt allowed",
    "times": "without created_at or updated_at",
    "status_case": "with a status in upper case",
}

GOES = {"index": "indexes", "check": "CHECKs"}
STAYS = {"view": "views", "trigger": "triggers", "foreign key": "foreign keys of"}


def adoption_json(found: Adoption) -> dict[str, Any]:
    """Return one look at an older table as data."""
    rows, objects = found.rows, found.objects
    return {
        "bytes": found.bytes,
        "rows": rows.get("rows", 0),
        "statuses": {status: rows.get(status, 0) for status in STATUSES},
        "filled": {key: rows.get(key, 0) for key in FILLED},
        "running_long": rows.get("running_long", 0),
        "identifiers_repeat": found.repeats,
        "failed_with_attempts_left": rows.get("attempts_left", 0),
        "dropped": {"indexes": objects.get("index", []), "checks": objects.get("check", [])},
        "replaced_functions": objects.get("function", []),
        "kept": {kind.replace(" ", "_"): objects.get(kind, []) for kind in STAYS},
        "locked_seconds": round(found.seconds),
        "holders": [
            {"pid": row["pid"], "application": row["application"], "state": row["state"], "seconds": _round(row)}
            for row in found.holders
        ],
        "hindrances": [{"message": each.message, "fix": each.fix} for each in found.hindrances],
    }


def _round(row: dict[str, Any]) -> float:
    return round(row["seconds"] or 0.0, 3)


def adoption_lines(found: Adoption) -> Iterator[str]:
    """Yield what would become of the table, for people."""
    yield ""
    yield "jobs.tb_job_run is here already: it is taken over, and every row stays"
    if found.rows:
        yield from _row_lines(found)
    yield from _object_lines(found)
    yield from _holder_lines(found)
    for each in found.hindrances:
        yield f"hinders    {one_line(each.message)}"
        yield f"  try: {one_line(each.fix)}"
    yield ""


def _row_lines(found: Adoption) -> Iterator[str]:
    rows = found.rows
    yield f"rows       {rows['rows']:,} in {size(found.bytes)}: " + ", ".join(f"{rows[s]:,} {s}" for s in STATUSES)
    filled = [f"{rows[key]:,} {words}" for key, words in FILLED.items() if rows[key]]
    yield f"fills in   {'; '.join(filled) or 'nothing'}"
    yield f"locks      the table for about {found.seconds:.0f} s, for readers too"
    if rows["running_long"]:
        yield f"look at    {rows['running_long']:,} running for over an hour: is their program still there?"
    if rows["attempts_left"]:
        yield f"look at    {rows['attempts_left']:,} failed with attempts left: only retry runs them again"
    if found.repeats:
        yield "look at    identifiers may repeat and still may; new rows whose idempotency_key is there are refused"


def _object_lines(found: Adoption) -> Iterator[str]:
    for kind, words in GOES.items():
        if kind in found.objects:
            yield f"drops      {words} {', '.join(map(one_line, found.objects[kind]))}"
    if "function" in found.objects:
        yield f"replaces   {', '.join(found.objects['function'])}: same signatures"
    for kind, words in STAYS.items():
        if kind in found.objects:
            yield f"keeps      {words} {', '.join(map(one_line, found.objects[kind]))}"


def _holder_lines(found: Adoption) -> Iterator[str]:
    for row in found.holders:
        who = ", ".join(one_line(part) for part in (row["application"], row["state"]) if part)
        yield f"waits for  session {row['pid']} ({who}), in a transaction for {age(row['seconds'] or 0)}"
