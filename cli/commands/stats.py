"""`stats`: numbers by service, operation, type, tenant or worker."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from typer import Option

from ...core.errors import UsageError
from ...core.selector import parse_moment
from ..attendance import warn_of_absence, warn_of_pauses
from ..context import database, settings_for
from ..leaf import Listed, command, group
from ..options import Selection, Target
from ..output.console import Console
from ..output.listed import limit_of
from ..selectors import complete, read_ids, read_selector

app = group("Numbers of the queue.")

DEFAULT_SINCE = "1h"
FIELDS = ("service", "operation", "type", "tenant", "worker")


@command(
    app,
    "stats",
    "stats --by tenant --since 15m",
    "stats --by operation --service payments -o json",
    formats=Listed,
)
async def stats(
    console: Console,
    selection: Selection,
    target: Target,
    by: Annotated[str, Option("--by", metavar="FIELD", help=", ".join(FIELDS))] = "service",
    group_by: Annotated[str, Option("--group-by", metavar="FIELD", hidden=True)] = "",  # what count calls it
) -> None:
    """Show what waits and runs now, and what ended in the last hour or since --since, by service or another field.

    READY is due and not blocked; OLDEST is how long the oldest of these is due. DONE/MIN and FAIL% are of the window,
    p50 and p95 how long completed jobs ran. With -q the names alone.
    """
    by, flag = (group_by, "--group-by") if group_by else (by, "--by")
    if by not in FIELDS:
        raise UsageError(f"{flag} {by!r} is not known", hint=f"one of: {', '.join(FIELDS)}")
    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    since, limit = selector.since or parse_moment(DEFAULT_SINCE), limit_of(selection.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import stats as numbers  # noqa: PLC0415 - psycopg costs 170 ms

        selector = replace(selector, ids=await complete(connection, ids))
        found = await numbers.stats(connection, selector, since, by)
        await warn_of_absence(console, connection)
        await warn_of_pauses(console, connection)
    from ..output import stats_text  # noqa: PLC0415 - after the query

    stats_text.show(console, found, by, limit)
