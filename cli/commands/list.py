"""`list`: select jobs, newest first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..attendance import warn_of_pauses
from ..context import database, settings_for
from ..counted import count_jobs
from ..leaf import Listed, command, group
from ..options import Grouping, Selection, Target
from ..output.console import Console
from ..output.listed import Part, Table, answer_page, limit_of
from ..selectors import complete, read_ids, read_selector

if TYPE_CHECKING:
    from ...core.store.report import Page

app = group("Select jobs.")


@command(
    app,
    "list --status failed --since 1h",
    "list --service payments,refunds --status '!completed' -o json",
    "list --input customer.id=42 --limit 0 -o tsv",
    "list --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 --group-by operation",
    "specql-jobs list -q --category timeout --since 1h | specql-jobs retry - --dry-run",
    formats=Listed,
)
async def list_jobs(console: Console, selection: Selection, grouping: Grouping, target: Target) -> None:
    """List jobs, the one that changed last first; with -q their ids alone. With --group-by it is `count`.

    TRY is the attempts so far of those that there may be; `0/-` until a worker has looked the limit up in its registry.
    Without a selector: all of them. Without --limit: 50 on a terminal, 1000 in a pipe or as JSON.
    """
    if grouping.given is not None:
        await count_jobs(console, selection, grouping, target)
        return
    from ...core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    limit = limit_of(selection.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        selector = replace(selector, ids=await complete(connection, ids))
        page = (
            await report.list_jobs(connection, selector, limit, exact=grouping.exact)
            if selector.ids or not ids
            else report.Page([], 0)
        )
        await warn_of_pauses(console, connection)
    show_page(console, page, limit)


def show_page(console: Console, page: Page, limit: int | None) -> None:
    """Answer with rows in the asked format, and say on stderr when some are missing."""
    from ..output import job_json, job_text  # noqa: PLC0415 - after the query

    part = Part("jobs", [job_json.summary(row) for row in page.rows], page.total, limit, page.exact)
    answer_page(console, part, lambda: Table(job_text.HEADERS, [*map(job_text.table_row, page.rows)], job_text.SPARE))
