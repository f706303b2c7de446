"""`tail`: the latest changes of many jobs, and those to come."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ..context import database, settings_for
from ..feed import Feed
from ..leaf import Listed, command, group
from ..options import Selection, Target
from ..output import tables
from ..output.console import Console
from ..selectors import complete, read_ids, read_selector

if TYPE_CHECKING:
    from ...core.selector import Selector
    from ...core.store.db import Connection

app = group("The latest events of many jobs.")

DEFAULT_EVENTS = 20
LOOK_EVERY = 1.0  # seconds


@command(
    app,
    "tail --service payments",
    "tail --status failed --follow",
    "tail --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 -f -o jsonl",
    formats=Listed,
)
async def tail(
    console: Console,
    selection: Selection,
    target: Target,
    follow: Annotated[bool, Option("--follow", "-f", help="Go on until Ctrl-C, looking every second")] = False,
) -> None:
    """Show the last changes of the selected jobs, oldest first: 20, or --limit. -f goes on with new ones."""
    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    if follow and console.is_json:
        console.warn("one JSON document cannot be followed: -o jsonl writes one event a line")
        follow = False
    limit = DEFAULT_EVENTS if selection.limit is None else selection.limit or None
    async with database(console, settings_for(console, target)) as connection:
        selector = replace(selector, ids=await complete(connection, ids))
        events = await _latest(connection, selector, limit) if selector.ids or not ids else []
        _show(console, events)
        if follow:
            await _follow(console, connection, selector, events)


async def _latest(connection: Connection, selector: Selector, limit: int | None) -> list[dict[str, Any]]:
    from ...core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    return await report.latest_events(connection, selector, limit)


async def _follow(console: Console, connection: Connection, selector: Selector, seen: list[dict[str, Any]]) -> None:
    """Poll from a cursor that lags a little (see Feed); ends when nobody reads any more."""
    from asyncio import sleep  # noqa: PLC0415 - 55 ms that help does not pay

    from ...core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    feed = Feed(seen)
    reading = True
    while reading:
        await sleep(LOOK_EVERY)
        if feed.cursor is None:
            found = await report.latest_events(connection, selector, None)
        else:
            found = await report.events_after(connection, selector, feed.cursor)
        new = feed.new(found)
        reading = _show(console, new) if new else True


def _show(console: Console, events: list[dict[str, Any]]) -> bool:
    from ..output import event_text  # noqa: PLC0415 - after the query

    data = [event_text.as_json(each) for each in events]
    match console.format:
        case "json":
            console.document(data)
            return True
        case "jsonl":
            return console.lines(data)
        case "tsv":
            return console.data(tables.tsv(event_text.KEYS, [list(each.values()) for each in data]))
        case "markdown":
            return console.data(tables.markdown_table(event_text.HEADERS, [event_text.row(each) for each in events]))
        case _:
            return console.data("\n".join(event_text.line(each, console) for each in events))
