"""`schedules list`: the jobs that the clock makes, as the registry and the database have them."""

from __future__ import annotations

from ..context import database, load_registry, settings_for
from ..leaf import Listed, command, group
from ..options import Sources, Target
from ..output.console import Console

app = group("Schedules: the jobs that the clock makes, and when.")


@app.callback()
def schedules() -> None:
    """Schedules: the jobs that the clock makes, and when."""


@command(app, "schedules list", "schedules list --env production -o json", name="list", formats=Listed)
async def list_schedules(console: Console, sources: Sources, target: Target) -> None:
    """List all schedules with their next and last ticks, in local time, and the last job.

    Those of the registry, and those that only the database knows. active: workers make its jobs. not_loaded: no
    worker has loaded it. differs: workers have another version. elsewhere: workers have it, this registry not.
    removed: nobody has it any more. A pause keeps the jobs waiting, not the ticks.
    """
    settings = settings_for(console, target)
    registry = load_registry(sources, settings)
    from ...core.store.timetable import timetable  # noqa: PLC0415 - psycopg costs 170 ms
    from ..output import schedule_text  # noqa: PLC0415 - only this command lists them

    async with database(console, settings) as connection:
        found = await timetable(connection, registry)
    schedule_text.show_list(console, found)
