"""`show`: everything about a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from typer import Argument

from ...core.errors import NotFound
from ..context import database, settings_for
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from ..selectors import complete, read_ids

if TYPE_CHECKING:
    from ...core.store.db import Connection
    from ..output.job_json import JobView

app = group("Everything about a job.")


@command(
    app,
    "show 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "show 0193c1 -o json",
    "specql-jobs list --status failed -q | specql-jobs show -",
)
async def show(
    console: Console,
    ids: Annotated[list[str], Argument(metavar="ID...", help="Ids, or unique beginnings")],
    target: Target,
) -> None:
    """Show why a job is where it is, its timeline, attempts, input, output, usage, and what to type next."""
    typed = read_ids(ids, prefixes=True)
    async with database(console, settings_for(console, target)) as connection:
        views = await job_views(connection, await complete(connection, typed))
    from ..output import job_json, job_text, listed  # noqa: PLC0415 - after the query

    data = [job_json.detail(view) for view in views]
    listed.remember_jobs(console, data)
    console.answer(data, lambda: "\n\n".join(job_text.page(view, console) for view in views))


async def job_views(connection: Connection, ids: Sequence[UUID]) -> list[JobView]:
    """Return the jobs with attempts, changes and captured output; raise NotFound naming the unknown ones."""
    from ...core.store import registered, report  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output.job_json import JobView  # noqa: PLC0415 - with it

    rows = await report.jobs(connection, ids)
    refuse_unknown([id_ for id_ in ids if id_ not in rows])
    attempts, changes = await report.attempts(connection, ids), await report.changes(connection, ids)
    called, links = await registered.of_jobs(connection, ids), await report.links(connection, ids)
    ahead = await report.ahead(connection, {row["priority"] for row in rows.values() if row["status"] == "pending"})
    return [
        JobView(
            rows[i],
            attempts[i],
            changes[i],
            await report.output_chunks(connection, i),
            called[i],
            links[i],
            ahead.get(rows[i]["priority"], 0),
        )
        for i in ids
    ]


def refuse_unknown(ids: Sequence[UUID]) -> None:
    """Raise NotFound when any id is not in the queue."""
    if ids:
        raise NotFound(
            f"no job has the id {', '.join(map(str, ids[:5]))}" + (f" and {len(ids) - 5} more" if len(ids) > 5 else ""),
            code="E301",
            name="job-unknown",
            hint="specql-jobs list",
        )
