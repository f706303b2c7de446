"""What a job waits for, what waits for it, and what made it: for `show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .text import amount, one_line

Row = Mapping[str, Any]

#: Jobs that a sentence names, and that a page lists.
NAMED = 3
LISTED = 10


def waits_for(links: Sequence[Row], blocked_by: int) -> str:
    """Return one sentence on what a blocked job waits for."""
    open_ones = [row for row in links if row["kind"] == "depends_on" and row["status"] in ("pending", "running", None)]
    more = f" and {blocked_by - NAMED} more" if blocked_by > NAMED else ""
    named = ", ".join(f"{row['id']} ({_place(row)}, {row['status'] or 'gone'})" for row in open_ones[:NAMED])
    return f"waits for {amount(blocked_by, 'job')}: {named}{more}"


def as_json(links: Sequence[Row], kind: str) -> list[dict[str, Any]]:
    """Return the jobs of one kind; service and operation are null where a job was pruned."""
    return [
        {"id": str(row["id"]), "status": row["status"], "service": row["service_name"], "operation": row["operation"]}
        for row in links
        if row["kind"] == kind
    ]


def lines(links: Sequence[Row], kind: str) -> Iterator[str]:
    """Yield the jobs of one kind for people."""
    found = [row for row in links if row["kind"] == kind]
    for row in found[:LISTED]:
        yield f"{row['id']}  {row['status'] or 'gone':<9}  {_place(row)}"
    if len(found) > LISTED:
        yield f"… and {len(found) - LISTED} more: -o json"


def culprits(links: Sequence[Row]) -> list[str]:
    """Return the ids of what a job depends on and has failed or was cancelled."""
    bad = ("failed", "cancelled")
    return [str(row["id"]) for row in links if row["kind"] == "depends_on" and row["status"] in bad]


def _place(row: Row) -> str:
    return one_line(f"{row['service_name']}.{row['operation']}") if row["service_name"] else "pruned"
