"""`pause` (`pause set`): stop dispatch of some jobs, they stay in the queue; `pause list`: what is paused now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option

from ...core.errors import NotFound, UsageError
from ...core.selector import parse_duration, split_operation
from ..context import database, settings_for
from ..known_service import refuse_unknown_service
from ..leaf import Listed, command, group
from ..options import Target
from ..output.console import Console
from ..output.listed import answer_list, clock_of
from ..output.text import amount, moment
from ..pause_scope import Scoped, read_scope

if TYPE_CHECKING:
    from ...core.settings import Settings
    from ...core.store.db import Connection

app = group("Stop dispatch of a service, operation, type, tenant, or of everything; list what is paused.")


@app.callback()
def pauses() -> None:
    """Stop dispatch of a service, operation, type, tenant, or of everything; list what is paused."""


@command(
    app,
    "pause --service payments --for 30m --reason INC-412",
    "pause --operation thumbs.resize",
    "pause --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11",
    "pause --all --for 5m --reason 'failover of the database'",
    name="set",
)
async def pause(
    console: Console,
    scoped: Scoped,
    target: Target,
    lasts: Annotated[str | None, Option("--for", metavar="DUR", help="How long: 30m, 2h; else until resume")] = None,
) -> None:
    """Stop dispatch, not enqueue: what runs goes on, what is pending waits and spends no attempt.

    Paused twice, the last expiry and reason hold. `pause list` shows what is paused, `resume` ends it.
    """
    scope, seconds = read_scope(scoped, "pause"), parse_duration(lasts) if lasts is not None else None
    if seconds is not None and seconds <= 0:
        raise UsageError("--for must be longer than nothing", hint="--for 30m")
    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        from ...core.store import gates  # noqa: PLC0415 - psycopg costs 170 ms

        await _doubt(console, connection, scoped, settings)
        until = await gates.pause(connection, scope, seconds, scoped.reason, settings.actor)
        waiting = await gates.behind(connection, scope)
        in_force = await gates.pauses(connection)
    data = {
        "paused": scope.words,
        "until": until,
        "pending": waiting.pending,
        "untold": waiting.untold,
        "in_force": in_force,
    }
    ends = f"until {moment(until)}" if until else "until somebody resumes it"
    undo = f"resume {' '.join(_flags(scoped))}"
    console.answer(
        data,
        lambda: (
            f"paused {scope.words} {ends}; {amount(waiting.pending, 'pending job')} "
            f"{'waits' if waiting.pending == 1 else 'wait'}{waiting.words}\n"
            f"undo    specql-jobs {undo}"
        ),
    )


@command(app, "pause list", "pause list -o json", name="list", formats=Listed)
async def list_pauses(console: Console, target: Target) -> None:
    """List what is paused: until when, by whom and why, how many pending jobs wait, and what to type to end it.

    A job behind two pauses is counted behind both; a number with a + is the least that there are.
    """
    from ...core.store import waits  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output import pause_text  # noqa: PLC0415 - with it

    async with database(console, settings_for(console, target)) as connection:
        found = await waits.pauses(connection)
    if not found and console.format == "text":
        console.say("nothing is paused")
    answer_list(
        console,
        "pauses",
        [pause_text.pause_json(each) for each in found],
        pause_text.pause_table(found, clock_of(console)),
    )


async def _doubt(console: Console, connection: Connection, scoped: Scoped, settings: Settings) -> None:
    """Warn of a service that nobody knows: it may come, and it may be a slip that leaves the real one going."""
    service = scoped.service or (split_operation(scoped.operation)[0] if scoped.operation else "")
    if not service:
        return
    try:
        await refuse_unknown_service(connection, service, settings)
    except NotFound as error:
        console.warn(f"{error.message}; {error.hint}")


def _flags(scoped: Scoped) -> list[str]:
    if scoped.all:
        return ["--all"]
    words = ("service", "operation", "type", "tenant")
    return [word for name in words if (value := getattr(scoped, name)) is not None for word in (f"--{name}", value)]
