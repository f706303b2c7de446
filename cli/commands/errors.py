"""`errors`: what fails, failures that read alike as one line."""

from __future__ import annotations

from dataclasses import replace

from ...core.selector import parse_moment
from ..attendance import warn_of_absence, warn_of_pauses
from ..context import database, settings_for
from ..counted import fields_of, show_tally
from ..leaf import Listed, command, group
from ..options import Grouping, Selection, Target
from ..output.console import Console
from ..output.listed import limit_of
from ..selectors import complete, read_ids, read_selector

app = group("What fails.")

DEFAULT_SINCE = "1h"


@command(
    app,
    "errors",
    "errors --since 30m --service payments",
    "errors --since 15m --group-by registry",
    "errors --since 1d -o json",
    formats=Listed,
)
async def errors(console: Console, selection: Selection, grouping: Grouping, target: Target) -> None:
    """Show the failures of the last hour, or since --since, those that read alike as one group, the most first.

    A failure is an attempt that failed, whatever became of the job; FAILED and RETRYING are the jobs whose last error
    it is. BEFORE compares with the window of the same length before: new, up, down or same. With -q the fingerprints
    alone; with --group-by it is `count` of failures.
    """
    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    since = selector.since or parse_moment(DEFAULT_SINCE)
    fields, limit = fields_of(grouping), limit_of(selection.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import counting, failures  # noqa: PLC0415 - psycopg costs 170 ms

        selector = replace(selector, ids=await complete(connection, ids))
        meant = await failures.window(connection, since, selector.until)
        some = bool(selector.ids or not ids)
        await warn_of_absence(console, connection)
        await warn_of_pauses(console, connection)
        if fields:
            console.command = "count"
            found = await failures.tally(connection, selector, meant, fields, limit) if some else counting.NOTHING
            show_tally(console, found, fields, limit)
            return
        failing = await failures.groups(connection, selector, meant, limit) if some else failures.Failures(meant, [])
    from ..output import failure_text  # noqa: PLC0415 - after the query

    failure_text.show(console, failing, limit)
