"""`tail`: the latest changes of many jobs, and those to come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from typer import Option

from ...core.errors import UsageError
from ...core.selector import parse_duration
from ..context import settings_for
from ..leaf import Listed, command, group
from ..options import Selection, Target
from ..output.console import Console
from ..selectors import complete, read_ids, read_selector

app = group("The latest events of many jobs.")

DEFAULT_EVENTS = 20


@dataclass(frozen=True, slots=True)
class Following:
    """What is shown beside the latest events, and until when."""

    follow: Annotated[bool, Option("--follow", "-f", help="Go on with new ones until Ctrl-C")] = False
    logs: Annotated[bool, Option("--logs", help="Also what the jobs wrote, before the event that ends the attempt")] = (
        False
    )
    until_idle: Annotated[
        str, Option("--until-idle", metavar="DUR", help="With -f: end when nothing has happened for so long")
    ] = ""
    most: Annotated[int | None, Option("--max", min=1, metavar="N", help="With -f: end after N events")] = None


@command(
    app,
    "tail --service payments",
    "tail --status failed --follow",
    "tail --service reports --logs -f --until-idle 30s",
    "tail --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 -f -o jsonl",
    formats=Listed,
)
async def tail(console: Console, selection: Selection, target: Target, wanted: Following) -> None:
    """Show the last changes of the selected jobs, oldest first: 20, or --limit. -f goes on with new ones.

    A database that goes away is waited for, 60 s at most (then exit 5); what happened meanwhile is shown afterwards.
    """
    selector, ids = read_selector(selection), read_ids(selection.ids, prefixes=True)
    if wanted.logs and console.format not in ("text", "jsonl"):
        raise UsageError("--logs has a place in text and -o jsonl only", hint="-o jsonl, or leave --logs out")
    idle = parse_duration(wanted.until_idle) if wanted.until_idle else None
    follow = wanted.follow and not console.is_json
    if wanted.follow and console.is_json:
        console.warn("one JSON document cannot be followed: -o jsonl writes one event a line")
    limit = DEFAULT_EVENTS if selection.limit is None else selection.limit or None
    console.streaming = True
    from ..following import follower  # noqa: PLC0415 - psycopg costs 170 ms
    from ..tail_view import TailView  # noqa: PLC0415 - with it

    async with follower(console, settings_for(console, target)) as following:
        selector = replace(selector, ids=await following.ask(lambda connection: complete(connection, ids)))
        view = TailView(console, selector, logs=wanted.logs)
        if selector.ids or not ids:
            await view.begin(following, limit)
        else:
            view.show_nothing()
        if follow:
            await view.go_on(following, idle, wanted.most)
        view.finish()
