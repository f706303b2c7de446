"""`list`: select jobs, newest first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..context import database, settings_for
from ..leaf import Listed, command, group
from ..options import Selection, Target
from ..output import tables
from ..output.console import Console
from ..selectors import complete, read_ids, read_selector

if TYPE_CHECKING:
    from ...core.store.report import Page

app = group("Select jobs.")

#: Rows when --limit is not given: a screenful for people, a bounded answer for programs.
TERMINAL_LIMIT = 50
PROGRAM_LIMIT = 1000


@command(
    app,
    "list --status failed --since 1h",
    "list --service payments,refunds --status '!completed' -o json",
    "list --input customer.id=42 --limit 0 -o tsv",
    "specql-jobs list -q --category timeout --since 1h | specql-jobs retry - --dry-run",
    formats=Listed,
)
async def list_jobs(console: Console, selection: Selection, target: Target) -> None:
    """List jobs, newest first; with -q their ids alone.

    Without a selector: all of them. Without --limit: 50 on a terminal, 1000 in a pipe or as JSON.
    """
    from ...core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    limit = _limit(selection, console)
    async with database(console, settings_for(console, target)) as connection:
        selector = replace(selector, ids=await complete(connection, ids))
        page = await report.list_jobs(connection, selector, limit) if selector.ids or not ids else report.Page([], 0)
    show_page(console, page, limit)


def _limit(selection: Selection, console: Console) -> int | None:
    if selection.limit is not None:
        return selection.limit or None
    return TERMINAL_LIMIT if console.width and console.format == "text" else PROGRAM_LIMIT


def show_page(console: Console, page: Page, limit: int | None) -> None:
    """Answer with rows in the asked format, and say on stderr when some are missing."""
    from ..output import job_json, job_text  # noqa: PLC0415 - after the query

    rows = [job_json.summary(row) for row in page.rows]
    truncated = page.total > len(rows)
    match console.format:
        case "json":
            console.document(rows, page=_page(page, limit, truncated=truncated))
        case "jsonl":
            console.lines(rows)
        case "tsv":
            console.data(tables.tsv(list(rows[0]), [list(row.values()) for row in rows]) if rows else "")
        case "text" if console.quiet:
            console.data("\n".join(row["id"] for row in rows))
        case "markdown":
            console.data(tables.markdown_table(job_text.HEADERS, [job_text.table_row(row) for row in page.rows]))
        case _:
            table = [job_text.table_row(row) for row in page.rows]
            console.data(tables.text_table(job_text.HEADERS, table, console.width, job_text.SPARE))
    if truncated:
        console.say(f"showing {len(rows)} of {page.total} (--limit 0 for all)")
    elif not rows and console.format == "text":
        console.say("no jobs match")


def _page(page: Page, limit: int | None, *, truncated: bool) -> dict[str, Any]:
    return {"returned": len(page.rows), "limit": limit, "total": page.total, "truncated": truncated}
