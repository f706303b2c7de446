"""`resume`: lift a pause."""

from __future__ import annotations

from ..context import database, settings_for
from ..leaf import command, group
from ..options import Target
from ..output.console import Console
from ..output.text import amount
from ..pause_scope import Scoped, read_scope

app = group("Dispatch again what was paused.")


@command(app, "resume --service payments", "resume --operation thumbs.resize --reason 'fixed in 2.1'", "resume --all")
async def resume(console: Console, scoped: Scoped, target: Target) -> None:
    """Lift the pause of exactly this scope: `--all` lifts the pause of everything, not every pause.

    Exit 0 also where nothing was paused.
    """
    scope = read_scope(scoped, "resume")
    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        from ...core.store import gates  # noqa: PLC0415 - psycopg costs 170 ms

        resumed = await gates.resume(connection, scope, scoped.reason, settings.actor)
        waiting = await gates.behind(connection, scope)
        left = await gates.pauses(connection)
    words = f"resumed {scope.words}" if resumed else f"{scope.words} was not paused"
    counts = {"pending": waiting.pending, "untold": waiting.untold}
    data = {"resumed": resumed, "scope": scope.words, **counts, "in_force": left}
    jobs = amount(waiting.pending, "pending job")
    console.answer(data, lambda: f"{words}; {jobs}{waiting.words}" + "".join(map(_line, left)))


def _line(row: dict[str, object]) -> str:
    name = "everything" if row["kind"] == "all" else f"{row['kind']} {row['name']}"
    return f"\nstill paused: {name}, by {row['actor']}"
