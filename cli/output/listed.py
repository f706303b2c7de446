"""A list as the answer of a command, in each of the formats that lists have."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .console import Console
from .job_json import timestamp
from .tables import markdown_table, text_table, tsv
from .text import moment, one_line

#: Rows when --limit is not given: a screenful for people, a bounded answer for programs.
TERMINAL_LIMIT = 50
PROGRAM_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """Records for people: columns named in `spare` go first where a terminal is narrow."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    spare: Sequence[str] = ()


def answer_list(console: Console, key: str, found: Sequence[dict[str, Any]], table: Table) -> None:
    """Answer with records: `key` names them in the document, `table` is they for people; with -q their names alone."""
    match console.format:
        case "json":
            console.document({key: found})
        case "jsonl":
            console.lines(found)
        case "tsv":
            console.data(tsv(table.headers, table.rows))
        case "markdown":
            console.data(markdown_table(table.headers, table.rows))
        case _ if console.quiet:
            console.data("\n".join(one_line(each["name"]) for each in found))
        case _:
            console.data(text_table(table.headers, table.rows, console.width, spare=table.spare))


def clock_of(console: Console) -> Callable[[datetime | None], str | None]:
    """Return how a table's times are written: people read local ones, programs RFC 3339 in UTC."""
    return timestamp if console.format == "tsv" else moment


def limit_of(given: int | None, console: Console) -> int | None:
    """Return how many rows to ask for: what `--limit` says, where 0 is None, no limit."""
    if given is not None:
        return given or None
    return TERMINAL_LIMIT if console.width and console.format == "text" else PROGRAM_LIMIT


@dataclass(frozen=True, slots=True)
class Part:
    """The records of a page, what they are called, and how many there are beside them."""

    what: str  # "jobs"
    records: Sequence[dict[str, Any]]
    total: int
    limit: int | None
    exact: bool = True  # else `total` is an estimate


def answer_page(console: Console, part: Part, table: Callable[[], Table]) -> None:
    """Answer with a page of records, with -q their ids; say on stderr when some are missing. `table`: for people."""
    records = part.records
    if part.what == "jobs":
        remember_jobs(console, records)
    truncated = part.total > len(records)
    about = "" if part.exact else "~"
    if about and console.is_json:
        console.warn(f"page.total is an estimate: {part.total} {part.what}, more or less; --exact counts them")
    match console.format:
        case "json":
            shown = {"returned": len(records), "limit": part.limit, "total": part.total, "truncated": truncated}
            console.document(records, page=shown)
        case "jsonl":
            console.lines(records)
        case "tsv":
            console.data(tsv(list(records[0]), [_cells(each) for each in records]) if records else "")
        case "text" if console.quiet:
            console.data("\n".join(str(each["id"]) for each in records))
        case "markdown":
            people = table()
            console.data(markdown_table(people.headers, people.rows))
        case _:
            people = table()
            console.data(text_table(people.headers, people.rows, console.width, people.spare))
    if truncated:
        console.say(f"showing {len(records)} of {about}{part.total} (--limit 0 for all)")
    elif not records and console.format == "text":
        console.say(f"no {part.what} match")


def remember_jobs(console: Console, records: Sequence[dict[str, Any]]) -> None:
    """Keep the ids of jobs that were shown for completion."""
    from ..completion import memory  # noqa: PLC0415 - once there are jobs

    memory.keep(memory.of_jobs(records[: memory.MOST_IDS], console.profile), console.env)


def _cells(record: dict[str, Any]) -> list[Any]:
    """The values of a record for a table of text: lists as JSON."""
    return [json.dumps(cell) if isinstance(cell, list) else cell for cell in record.values()]
