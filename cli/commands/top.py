"""`top`: the queue on the whole screen, with keys for what an operator does most."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

from typer import Option

from ...core.errors import UsageError
from ...core.selector import parse_duration
from ..context import settings_for
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from ..output.streams import is_terminal

app = group("The queue on the whole screen.")


@command(app, "top", "top --interval 5s --profile prod")
async def top(
    console: Console,
    target: Target,
    interval: Annotated[str, Option("--interval", metavar="DUR", help="Between two looks at the database")] = "2s",
) -> None:
    """Watch services, workers and errors, and pause, retry or cancel with a key; ? names the keys.

    Needs a terminal. Each action shows the command that does the same, and leaving prints them all.
    """
    seconds = parse_duration(interval)
    if console.is_json or not (console.on_terminal and is_terminal(sys.stdin)) or console.env.get("TERM") == "dumb":
        raise UsageError("top draws on a terminal, and this is none", hint="specql-jobs stats")
    settings = settings_for(console, target)
    from ..following import follower  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output.top_view import TopView  # noqa: PLC0415 - with it
    from ..top_loop import TopLoop  # noqa: PLC0415 - the same

    view = TopView(colour=console.coloured)
    async with follower(replace(console, quiet=True), settings) as following:
        loop = TopLoop(view, following, settings, seconds)
        try:
            await loop.run()
        finally:
            if loop.screen.commands:
                console.data("\n".join(loop.screen.commands))
