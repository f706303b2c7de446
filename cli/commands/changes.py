"""`changes list|show|resume`: the ledger of what people changed, and the way on with a change that was cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import UsageError
from ...core.selector import parse_duration, parse_moment
from ..carrying_out import carry_out
from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import Listed, command, group
from ..options import Target
from ..output import ledger_text
from ..output.change import ended_early
from ..output.console import Console
from ..output.listed import Part, Table, answer_page, limit_of

if TYPE_CHECKING:
    from ...core.store.db import Connection

app = group("The ledger of changes: who changed what, why, and what came of it.")

#: Jobs that `show` names one by one, where --limit does not say.
SHOWN = 20

_Id = Annotated[int, Argument(metavar="ID", min=1, max=2**63 - 1, help="A change's number, as `changes list` shows it")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which entries."""

    kind: Annotated[str, Option("--kind", metavar="K", help="retry, cancel, discard, rescue, pause, …")] = ""
    actor: Annotated[str, Option("--actor", metavar="WHO", help="Who made it")] = ""
    since: Annotated[str, Option("--since", metavar="T", help="At or after T: 15m, 3d, today, 2026-11-23")] = ""
    unfinished: Annotated[bool, Option("--open", help="Only those that are not done")] = False
    limit: Annotated[int | None, Option("--limit", "-l", min=0, max=10**9, metavar="N", help="At most N; 0: all")] = (
        None
    )


@app.callback()
def changes() -> None:
    """The ledger of changes: who changed what, why, and what came of it."""


@command(
    app,
    "changes list --since 7d",
    "changes list --open",
    "changes list --actor mo@laptop --kind retry -o json",
    name="list",
    formats=Listed,
)
async def list_changes(console: Console, target: Target, choice: Choice) -> None:
    """List changes, newest first.

    STATE is one of running: its batches are being made; canary: somebody waits for its first jobs; interrupted: one
    of these two, and whoever made it was not heard of for 30 s (`changes resume ID` does the rest); stopped: too few of
    the first jobs completed, the others were left; done: every job was met.
    """
    from ...core.store import changes as ledger  # noqa: PLC0415 - psycopg costs 170 ms

    since = parse_moment(choice.since) if choice.since else None
    wanted = ledger.Wanted(choice.kind or None, choice.actor or None, since, choice.unfinished)
    most = limit_of(choice.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        rows, total = await ledger.entries(connection, wanted, most)
    part = Part("changes", [ledger_text.summary(row) for row in rows], total, most)
    for line in ledger_text.to_resume(rows)[:SHOWN]:
        console.say(f"interrupted: {line}")
    answer_page(console, part, lambda: Table(ledger_text.HEADERS, [*map(ledger_text.row, rows)], ledger_text.SPARE))


@command(app, "changes show 12", "changes show 12 --limit 0 -o json", name="show")
async def show(
    console: Console,
    id_: _Id,
    target: Target,
    limit: Annotated[
        int, Option("--limit", "-l", min=0, max=10**9, metavar="N", help="Jobs named one by one; 0: all")
    ] = SHOWN,
) -> None:
    """Show one change: who, why, which selection, its outcomes, how far it is, and what its jobs are now."""
    from ...core.store import changes as ledger  # noqa: PLC0415 - see above

    async with database(console, settings_for(console, target)) as connection:
        entry = await _entry(connection, id_)
        found = ledger_text.Shown(
            entry,
            await ledger.tally(connection, id_),
            await ledger.standing(connection, id_),
            await ledger.members(connection, id_, limit or None),
            await ledger.canaries(connection, id_, entry["canary"]) if entry["canary"] else None,
        )
    console.answer(found.as_json(), found.text)


@command(app, "changes resume 12", "changes resume 12 --canary-timeout 1h -o json", name="resume")
async def resume(
    console: Console,
    id_: _Id,
    target: Target,
    canary_timeout: Annotated[
        str, Option("--canary-timeout", metavar="DUR", help="How long to wait for the first jobs")
    ] = "10m",
) -> None:
    """Go on with a change that was cut short: exactly its jobs, with its reason, rate and canary. Asks nothing again.

    Exit 0 when all its jobs have been met, also before; 7 when the first jobs failed, 8 when they are undecided.
    """
    from ...core.store import changes as ledger  # noqa: PLC0415 - see above

    patience = parse_duration(canary_timeout)
    async with database(console, settings_for(console, target)) as connection:
        entry = await _entry(connection, id_)
        if entry["matched"] is None and entry["state"] != "done":
            raise UsageError(f"change {id_} has no list of jobs to go on with", hint=f"specql-jobs changes show {id_}")
        await carry_out(console, connection, id_, patience)
        entry, tally = await _entry(connection, id_), await ledger.tally(connection, id_)
        canaries = await ledger.canaries(connection, id_, entry["canary"]) if entry["canary"] else None
        found = ledger_text.Shown(entry, tally, await ledger.standing(connection, id_), [], canaries)
    problem = ended_early(entry, tally, canaries)
    console.answer(found.as_json(), found.text, problem=problem)
    raise Finished(problem.exit_code if problem else Exit.OK)


async def _entry(connection: Connection, id_: int) -> dict[str, Any]:
    from ...core.store import changes as ledger  # noqa: PLC0415 - see above

    return await ledger.known_entry(connection, id_)
