"""`db callbacks`: which functions are called with the results of which jobs, as whom, and what failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from ...core.errors import UsageError
from ...core.selector import parse_duration
from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..operations import split
from ..options import Target
from ..output import callback_text
from ..output.console import Console
from ..selectors import complete, read_ids

app = group("Functions that are called with the results of jobs.")


@app.callback()
def callbacks() -> None:
    """Functions that are called with the results of jobs."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Which results."""

    entity: Annotated[str, Option("--entity", metavar="E", help="The entity, as the jobs' rows name it")]
    on: Annotated[str, Option("--on", metavar="SERVICE.OPERATION", help="What the jobs call")]
    outcome: Annotated[str, Option("--outcome", metavar="success|failure", help="How the jobs end")]

    def row(self) -> dict[str, Any]:
        """Return the call as the database's columns; raise UsageError for what is none."""
        if self.outcome not in ("success", "failure"):
            raise UsageError(f"--outcome {self.outcome!r} is none", hint="one of success, failure")
        service, operation = split(self.on)
        return {"entity": self.entity, "service": service, "operation": operation, "outcome": self.outcome}


@command(app, "db callbacks", "db callbacks list -o json", name="list")
async def list_callbacks(console: Console, target: Target) -> None:
    """List what is registered, and what waits.

    As whom each runs, whether it could be called now, how many calls wait to be repeated or were given up.
    """
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        rows, limits = await registered.registered(connection), await registered.limits(connection)
    data = {"callbacks": [*map(callback_text.as_json, rows)], "limits": limits}
    console.answer(data, lambda: callback_text.page(rows, limits, console))


@command(
    app,
    "db callbacks register sales.order_stripe_charge_success --entity Order --on stripe.charge --outcome success",
    "db callbacks register sales.on_refusal --entity Order --on stripe.charge --outcome failure",
    name="register",
)
async def register(
    console: Console,
    function: Annotated[str, Argument(metavar="SCHEMA.FUNCTION", help="(uuid, jsonb) or (uuid, text)")],
    call: CallOptions,
    target: Target,
) -> None:
    """Have a function called with results.

    In the transaction that settles the job; whatever the function does, the job's result stands.

    One for success takes (uuid, jsonb): the job's id and its output; one for failure (uuid, text): id and message.
    """
    row = call.row()
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        kept = await registered.register(connection, row, function)
    console.answer(row | {"function": kept}, lambda: f"registered {kept}")


@command(
    app,
    "db callbacks remove --entity Order --on stripe.charge --outcome success",
    "db callbacks remove --entity Order --on stripe.charge --outcome failure -o json",
    name="remove",
)
async def remove(console: Console, call: CallOptions, target: Target) -> None:
    """Have nothing called any more.

    What waits is dropped when it is due. Exit 3 when nothing was registered.
    """
    row = call.row()
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        gone = await registered.unregister(connection, row)
    console.answer(row | {"removed": gone}, lambda: "removed" if gone else "nothing was registered for that")
    raise Finished(Exit.OK if gone else Exit.NOT_FOUND)


@command(
    app,
    "db callbacks discover entities/",
    "db callbacks discover entities/order.yaml --schema sales -o json",
    name="discover",
)
async def discover(
    console: Console,
    paths: Annotated[list[str], Argument(metavar="ENTITIES...", help="Entity files, or folders of them")],
    target: Target,
    schema: Annotated[
        str, Option("--schema", metavar="NAME", help="Where the functions are; else the schema of each entity")
    ] = "",
) -> None:
    """Register what SpecQL made for entities.

    Functions named ENTITY_SERVICE_OPERATION_success and _failure, for the call_service steps of these entities.
    Exit 1 when one is there and cannot be called.
    """
    wanted = _wanted(paths, schema)
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        found = [row for name, calls in wanted.items() for row in await registered.discover(connection, name, calls)]
    console.answer([*map(callback_text.found_json, found)], lambda: callback_text.found_lines(found))
    raise Finished(Exit.NEGATIVE if any(row["problem"] for row in found) else Exit.OK)


def _wanted(paths: Iterable[str], schema: str) -> dict[str, list[tuple[str, str, str]]]:
    """The calls of entity files by the schema whose functions answer them."""
    from ...core.entities.load import load  # noqa: PLC0415 - yaml

    wanted: dict[str, list[tuple[str, str, str]]] = {}
    for entity in load([Path(path) for path in paths]).entities:
        name = schema or entity.schema
        if not name:
            raise UsageError(f"entity {entity.name} names no schema", hint="say where the functions are: --schema NAME")
        calls = ((entity.name, call.service.value, call.operation.value) for _, call in entity.calls())
        wanted.setdefault(name, []).extend(calls)
    return wanted


@command(
    app, "db callbacks retry 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d", "db callbacks retry 0193c1 -o json", name="retry"
)
async def retry(
    console: Console,
    ids: Annotated[list[str], Argument(metavar="ID...", help="Job ids, or unique beginnings, or - for stdin")],
    target: Target,
) -> None:
    """Call the failed callback of a job again.

    Now, and with all its tries; the job itself is not run again.
    """
    typed = read_ids(ids, prefixes=True)
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        outcomes = await registered.retry(connection, await complete(connection, typed))
    data = [{"id": str(id_), "outcome": outcome} for id_, outcome in outcomes.items()]
    console.answer(data, lambda: "\n".join(f"{each['id']}  {each['outcome']}" for each in data))
    missed = sum(each["outcome"] != "retried" for each in data)
    raise Finished(Exit.OK if not missed else Exit.CONFLICT if missed == len(data) else Exit.PARTLY)


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """What is to be changed; None and "" leave it."""

    run_as: Annotated[
        str | None, Option("--run-as", metavar="ROLE", help="The role whose rights callbacks have; '' for the worker's")
    ] = None
    timeout: Annotated[str, Option("--timeout", metavar="T", help="Of one call, at most 60s; 5s at first")] = ""
    max_attempts: Annotated[
        int | None, Option("--max-attempts", min=1, max=100, metavar="N", help="Calls of one callback; 10 at first")
    ] = None


@command(
    app,
    "db callbacks limit --run-as app_callbacks --timeout 2s",
    "db callbacks limit --run-as ''",
    "db callbacks limit",
    name="limit",
)
async def limit(console: Console, limits: LimitOptions, target: Target) -> None:
    """Limit rights and time of callbacks.

    Without options, show the limits.
    """
    milliseconds = round(parse_duration(limits.timeout) * 1000) if limits.timeout else None
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import registered  # noqa: PLC0415 - psycopg costs 170 ms

        now = await registered.limit(connection, limits.run_as, milliseconds, limits.max_attempts)
    console.answer(now, lambda: callback_text.limits_line(now))
