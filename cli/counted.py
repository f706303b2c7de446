"""The answer of `count`, and of `list` and `errors` with --group-by: how many, in all and of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.selector import parse_fields
from .attendance import warn_of_pauses
from .context import database, settings_for
from .options import Grouping, Selection, Target
from .output.console import Console
from .output.listed import limit_of
from .selectors import complete, read_ids, read_selector

if TYPE_CHECKING:
    from ..core.store.counting import Tally


async def count_jobs(console: Console, selection: Selection, grouping: Grouping, target: Target) -> None:
    """Answer with the number of the selected jobs, as the document `count`, whatever the command is called."""
    console.command = "count"
    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    fields, limit = fields_of(grouping), limit_of(selection.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        from ..core.store import counting  # noqa: PLC0415 - psycopg costs 170 ms

        selector = replace(selector, ids=await complete(connection, ids))
        patience = None if grouping.exact else counting.PATIENCE
        some = selector.ids or not ids
        found = await counting.tally(connection, selector, fields, limit, patience) if some else counting.NOTHING
        await warn_of_pauses(console, connection)
    show_tally(console, found, fields, limit)


def fields_of(grouping: Grouping) -> tuple[str, ...]:
    """Return what to count by; raise UsageError for an unknown field."""
    flag = "--group-by" if grouping.by is None else "--by"
    return parse_fields(flag, grouping.given) if grouping.given is not None else ()


def show_tally(console: Console, found: Tally, fields: tuple[str, ...], limit: int | None) -> None:
    """Answer with a tally."""
    from .output.count_text import answer_tally  # noqa: PLC0415 - after the query

    answer_tally(console, found, fields, limit)
