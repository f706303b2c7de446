"""`breaker list|reset`: circuit breakers, one for each service that has one in its policy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from typer import Argument, Option

from ..context import database, settings_for
from ..known_service import refuse_unknown_service
from ..leaf import Listed, command, group
from ..options import Target
from ..output.console import Console
from ..output.listed import Table, answer_list, clock_of

app = group("Circuit breakers: which targets are not called now, and why.")


@app.callback()
def breaker() -> None:
    """Circuit breakers: which targets are not called now, and why."""


@command(app, "breaker list", "breaker list -o json", name="list", formats=Listed)
async def list_breakers(console: Console, target: Target) -> None:
    """List the services whose target failed lately; a service that is not listed has a closed breaker.

    open: nothing is called until then. half_open: one job is tried; its success closes the breaker.
    """
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import gates  # noqa: PLC0415 - psycopg costs 170 ms

        found = [{"name": row["service"], **row} for row in await gates.breakers(connection)]
    headers = ("service", "state", "failures", "opened_at", "open_until", "probe_job")
    picked = [[row[key] for key in headers] for row in found]
    when = clock_of(console)
    rows = [
        ["-" if each is None else str(when(each) if isinstance(each, datetime) else each) for each in row]
        for row in picked
    ]
    if not found and console.format == "text":
        console.say("no target has failed lately: every breaker is closed")
    answer_list(console, "breakers", found, Table(headers, rows, spare=("probe_job", "opened_at")))


@command(app, "breaker reset payments --reason 'provider is back'", "breaker reset payments -o json", name="reset")
async def reset(
    console: Console,
    service: Annotated[str, Argument(metavar="SERVICE", help="The service whose breaker to close")],
    target: Target,
    reason: Annotated[str, Option("--reason", metavar="TEXT", help="Why; kept in the ledger")] = "",
) -> None:
    """Close a breaker now: the service's jobs are dispatched again, all of them.

    Exit 0 also where it was closed; 3 for a service that neither the queue nor the registry knows.
    """
    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        from ...core.store import gates  # noqa: PLC0415 - psycopg costs 170 ms

        was_open = await gates.reset_breaker(connection, service, reason, settings.actor)
        if not was_open:
            await refuse_unknown_service(connection, service, settings)
    words = f"the breaker of {service} is closed" if was_open else f"the breaker of {service} was closed already"
    console.answer({"service": service, "was_open": was_open}, words.__str__)
