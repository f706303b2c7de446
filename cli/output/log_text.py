"""Captured output of jobs: as data, as marked lines, and why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from .console import Console
from .job_json import Row, timestamp
from .job_text import error_text
from .text import clean, one_line

#: Jobs that are named one by one: whose attempts there are, and how they ended.
MOST_NAMED = 20

STREAM_COLOURS = {"stderr": "yellow"}


def lines_of(chunk: Row) -> list[str]:
    """Return the lines of a chunk, as they came."""
    return str(chunk["content"]).removesuffix("\n").split("\n") if chunk["content"] else []


def as_lines(chunk: Row) -> Iterator[dict[str, Any]]:
    """Yield a chunk's lines as data; `truncated` marks the last line that was kept."""
    lines = lines_of(chunk)
    for number, line in enumerate(lines, start=1):
        yield {
            "type": "log",
            "job_id": str(chunk["job_id"]),
            "attempt": chunk["attempt"],
            "lease_seq": chunk["lease_seq"],
            "stream": chunk["stream"],
            "at": timestamp(chunk["at"]),
            "line": line,
            "truncated": bool(chunk["truncated"]) and number == len(lines),
        }


def as_text(chunk: Row, console: Console) -> str:
    """Return a chunk's lines for people, each with its stream's name; control characters are shown, never sent."""
    mark = console.painted(f"{chunk['stream']}|", STREAM_COLOURS.get(chunk["stream"], "dim"))
    return "".join(f"{mark} {clean(line)}\n" for line in lines_of(chunk))


def header(chunk: Row, standing: Row) -> str:
    """Return the line above what one attempt of a job said."""
    number = f"attempt {chunk['attempt']}" if chunk["attempt"] is not None else "an attempt that was given back"
    return f"==> {chunk['job_id']}  {_place(standing)}  {number} <=="


def _place(standing: Row) -> str:
    return one_line(f"{standing['service_name']}.{standing['operation']}")


def cut_note(chunk: Row) -> str:
    """Say that a chunk is not all that was said."""
    number = f" of attempt {chunk['attempt']}" if chunk["attempt"] is not None else ""
    return f"{chunk['stream']}{number} was cut: more was said than is kept (max_output_bytes)"


def document(standing: Row, chunks: Sequence[Row], note: str | None) -> dict[str, Any]:
    """Return one job's output as data."""
    attempts: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        lease = chunk["lease_seq"]
        found = attempts.setdefault(lease, {"attempt": chunk["attempt"], "lease_seq": lease, "output": []})
        kept = {key: chunk[key] for key in ("stream", "content", "truncated")}
        found["output"].append(kept | {"at": timestamp(chunk["at"])})
    return {
        "id": str(standing["id"]),
        "status": standing["status"],
        "service": standing["service_name"],
        "operation": standing["operation"],
        "attempts": list(attempts.values()),
        "note": note,
    }


# ---- why nothing is shown --------------------------------------------------------------------------------------------


def note(standing: Row, logged: Sequence[Row], chosen: Mapping[int, Row]) -> str | None:
    """Return why less is shown than one might expect, None where all is well."""
    name = str(standing["id"])
    if not chosen and logged:
        return f"{name}: it had no such attempt, or that one left no output; {_numbers(logged)} did: --all-attempts"
    if standing["status"] == "running":
        return f"{name}: attempt {standing['attempts']} is running; its output is kept when the attempt ends"
    if logged:
        return None
    if standing["lease_seq"] == 0:
        return f"{name}: no attempt has started yet, so there is no output"
    return f"{name}: its {standing['attempts']} attempt(s) left no output"


def _numbers(logged: Sequence[Row]) -> str:
    known = [str(each["attempt"]) for each in logged if each["attempt"] is not None]
    return f"attempt {', '.join(known)}" if known else "others"


def attempts_of(standing: Row, logged: Sequence[Row]) -> list[int]:
    """Return the numbers of the attempts that a job has had, also before a retry that counts them anew."""
    numbers = {each["attempt"] for each in logged if each["attempt"] is not None}
    return sorted(numbers.union(range(1, standing["attempts"] + 1)))


def absent(wanted: int, had: Mapping[UUID, Sequence[int]]) -> str:
    """Say which attempts there are where the wanted one is not."""
    if len(had) > 1:
        return f"none of these {len(had)} jobs has had an attempt {wanted}"
    ((id_, numbers),) = had.items()
    known = (
        f"only attempt{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}" if numbers else "nor any other"
    )
    return f"job {id_} has had no attempt {wanted}, {known}"


# ---- how followed jobs ended -----------------------------------------------------------------------------------------


def ends(standings: Sequence[Row]) -> Iterator[str]:
    """Yield how jobs have ended: each one while they are few, else those that did not complete; then the sums."""
    few = len(standings) <= MOST_NAMED
    for row in [row for row in standings if few or row["status"] != "completed"][:MOST_NAMED]:
        error = f"  {error_text(row)}" if row["status"] != "completed" and error_text(row) else ""
        yield f"{row['id']}  {row['status']}  {_place(row)}{error}"
    if len(standings) > 1:
        counts = Counter(row["status"] for row in standings)
        yield "of these jobs " + ", ".join(f"{count} {status}" for status, count in counts.most_common())
