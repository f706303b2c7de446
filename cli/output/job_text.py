"""Jobs for people: rows of `list` and the page of `show`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ...core.ticks import read_tick_key
from . import job_json, job_links, job_why
from .console import Console
from .job_json import JobView, Row
from .text import age, clean, duration, moment, one_line

STATUS_COLOURS = {"failed": "red", "running": "blue", "completed": "green", "cancelled": "yellow", "pending": ""}
HEADERS = ("ID", "STATUS", "SERVICE.OPERATION", "AGE", "TRY", "LAST ERROR")
#: What a narrow terminal does without, the first first.
SPARE = ("TRY", "AGE", "LAST ERROR")

_SENSITIVE = re.compile(r"pass|secret|token|api[_-]?key|authorization|cookie|signature", re.IGNORECASE)
#: Longer documents are for `show -o json`.
_LONGEST_DOCUMENT = 4000


def table_row(row: Row) -> list[str]:
    """Return one line of `list`."""
    place = one_line(f"{row['service_name']}.{row['operation']}")
    old = age((row["database_now"] - row["created_at"]).total_seconds())
    tries = f"{row['attempts']}/{row['max_attempts'] or '-'}"
    return [str(row["id"]), row["status"], place, old, tries, error_text(row)]


def error_text(row: Row) -> str:
    """Return category and message of the last error on one line, or nothing."""
    if not (row["error_category"] or row["error_message"]):
        return ""
    return one_line(f"{row['error_category'] or 'error'}: {row['error_message'] or ''}")


def page(view: JobView, console: Console) -> str:
    """Return everything about one job."""
    return "\n".join([_head(view.row, console), *(_block(*part) for part in _parts(view) if part[1])])


def _head(row: Row, console: Console) -> str:
    status = console.painted(row["status"], STATUS_COLOURS[row["status"]])
    kind = job_json.execution_type(row["execution_type"])
    words = [str(row["id"]), status, one_line(f"{row['service_name']}.{row['operation']}"), kind or ""]
    words += [f"tenant {row['tenant_id']}"] if row["tenant_id"] else []
    words += [f"priority {row['priority']}"] if row["priority"] else []
    return "   ".join(word for word in words if word)


def _parts(view: JobView) -> Iterator[tuple[str, Sequence[str]]]:
    row = view.row
    yield "why", [job_why.why(view)[1]]
    yield "timeline", [f"{moment(at)}  {event}" for at, event in job_json.timeline(view)]
    yield "run at", [moment(row["run_at"])] if row["status"] == "pending" else []
    yield "deadline", [moment(row["deadline_at"])] if row["deadline_at"] else []
    yield "made by", [str(row["parent_id"])] if row["parent_id"] else []
    yield "after", list(job_links.lines(view.links, "depends_on"))
    yield "before", list(job_links.lines(view.links, "dependents"))
    yield "took", [_took(row["started_at"], row["completed_at"])] if row["completed_at"] and row["started_at"] else []
    yield "input", _document(row["input_data"])
    yield "output", _document(row["output_data"])
    yield "usage", [_pairs(row["resource_usage"])] if row["resource_usage"] else []
    yield "captured", list(_captured(view.chunks))
    yield "made by", _schedule(row)
    yield "key", [one_line(row["idempotency_key"])] if row["idempotency_key"] else []
    yield "trace", [one_line(row["correlation_id"])] if row["correlation_id"] else []
    yield "group", [row["fingerprint"]] if row["fingerprint"] else []
    yield "registry", [str(row["registry_digest"])[:12]] if row["registry_digest"] else []
    yield "next", job_why.next_commands(view)


def _schedule(row: Row) -> list[str]:
    """The schedule and the tick that made the job, as its key tells."""
    found = read_tick_key(row["idempotency_key"])
    return [one_line(f"schedule {found.schedule}, tick {moment(found.tick)}")] if found else []


def _block(name: str, lines: Sequence[str]) -> str:
    first, *rest = (clean(line).replace("\n", " ") for line in lines)  # whatever column it came from
    return "\n".join([f"  {name:<9} {first}", *(f"  {'':<9} {line}" for line in rest)])


def _took(started: datetime, ended: datetime) -> str:
    return duration((ended - started).total_seconds())


def _pairs(usage: Any) -> str:
    if not isinstance(usage, Mapping):
        return one_line(json.dumps(usage))
    known = {str(key): str(value) for key, value in usage.items() if value is not None}
    return "  ".join(f"{one_line(key)} {one_line(value)}" for key, value in known.items())


def _document(value: Any) -> list[str]:
    if value is None:
        return []
    text = clean(json.dumps(masked(value), ensure_ascii=False, indent=2 if isinstance(value, list | dict) else None))
    short = one_line(json.dumps(masked(value), ensure_ascii=False))
    if len(short) <= 100:
        return [short]
    more = [f"… {len(text)} characters in all: -o json"] if len(text) > _LONGEST_DOCUMENT else []
    return text[:_LONGEST_DOCUMENT].splitlines() + more


def masked(value: Any) -> Any:
    """Return JSON data with the values of keys that sound like secrets hidden."""
    if isinstance(value, Mapping):
        return {key: _hidden(each) if _SENSITIVE.search(key) else masked(each) for key, each in value.items()}
    return [masked(each) for each in value] if isinstance(value, list) else value


def _hidden(value: Any) -> Any:
    return f"•••({len(value)})" if isinstance(value, str) else "•••" if value is not None else None


def _captured(chunks: Sequence[Row]) -> Iterator[str]:
    for chunk in chunks:
        for line in clean(chunk["content"]).rstrip("\n").split("\n"):
            yield f"{chunk['stream']}| {line}"
        if chunk["truncated"]:
            yield f"{chunk['stream']}| … cut here: the limit was reached"
