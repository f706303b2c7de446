"""A list as the answer of a command, in each of the formats that lists have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .console import Console
from .tables import markdown_table, text_table, tsv
from .text import one_line


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
