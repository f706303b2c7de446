"""`rescue`: the jobs of lost workers given back now, by the rules that every worker follows, or by a person's word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from ...core.errors import Conflict, NotFound
from ..confirmation import Change, confirm_change
from ..context import database, settings_for
from ..leaf import command, group
from ..options import Safety, Target
from ..output import worker_text
from ..output.console import Console
from ..output.text import age, amount

if TYPE_CHECKING:
    from ...core.settings import Settings
    from ...core.store.db import Connection
    from ...core.store.workers import Rescue, Standing

app = group("Give the jobs of lost workers back now.")


@dataclass(frozen=True, slots=True)
class RescueOptions:
    """Whose jobs, and how it is consented to."""

    worker: Annotated[
        str | None, Option("--worker", metavar="W", help="This worker's alone; its id, as `worker list` shows it")
    ] = None
    force: Annotated[bool, Option("--force", help="Even if the worker still seems alive: its jobs may run twice")] = (
        False
    )
    dry_run: Annotated[bool, Option("--dry-run", "-n", help="Show what would be given back, change nothing")] = False
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask")] = False
    confirm: Annotated[str, Option("--confirm", metavar="NAME", help="With --yes on a protected profile: its name")] = (
        ""
    )
    reason: Annotated[str, Option("--reason", metavar="TEXT", help="Why; kept with the change")] = ""

    @property
    def safety(self) -> Safety:
        """Return what the question before a change asks for."""
        return Safety(dry_run=self.dry_run, yes=self.yes, confirm=self.confirm, reason=self.reason)


@command(
    app,
    "rescue --dry-run",
    "rescue --yes --reason 'app-2 lost its disk'",
    "rescue --worker app-2:4711:9f3c1a2b --force",
)
async def rescue(console: Console, target: Target, options: RescueOptions) -> None:
    """Give the jobs of lost workers back to the queue at once, as any living worker does within seconds.

    A worker is lost when its session lock is free and its heartbeat is over 3 s old, or the heartbeat is over 15 s old.
    Its jobs become pending, or failed past the crash budget. With --worker and --force also one that seems alive: it is
    declared lost, and stops its jobs when it hears of it. Its results are refused; what it did meanwhile is done.
    """
    from ...core.store import workers  # noqa: PLC0415 - psycopg costs 170 ms

    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        held = await _permitted(connection, options)
        found = await workers.preview(connection, options.worker)
        if not options.dry_run:
            _ask(console, settings, options, found, held)
            found = await workers.rescue(connection, options.worker, settings.actor, options.reason)
    data = worker_text.rescue_json(found, dry_run=options.dry_run, reason=options.reason)
    console.answer(data, lambda: "\n".join(worker_text.rescue_lines(found, dry_run=options.dry_run)))


async def _permitted(connection: Connection, options: RescueOptions) -> int:
    """Return how many jobs a worker that seems alive would lose; raise NotFound, or Conflict without --force."""
    from ...core.store import workers  # noqa: PLC0415 - see above

    if options.worker is None:
        return 0
    known = await workers.standing(connection, options.worker)
    if not known.exists:
        raise NotFound(
            f"no worker is called {options.worker}",
            hint="specql-jobs worker list",
            code="E330",
            name="worker-unknown",
        )
    if not known.is_alive(options.worker) or await _is_lost(connection, options.worker):
        return 0
    if not options.force:
        raise _alive(options.worker, known)
    return known.held


async def _is_lost(connection: Connection, worker_id: str) -> bool:
    from ...core.store import workers  # noqa: PLC0415 - see above

    async with connection.transaction(force_rollback=True):
        return worker_id in await workers.lost_by_the_rules(connection)


def _alive(worker_id: str, known: Standing) -> Conflict:
    heard = f", heartbeat {age(known.heartbeat_age_seconds)} old" if known.heartbeat_age_seconds is not None else ""
    jobs = amount(known.held, "job")
    return Conflict(
        f"worker {worker_id} seems alive ({known.state}{heard}) and holds {jobs}; nothing was changed",
        hint=f"specql-jobs worker drain {worker_id}\n"
        f"specql-jobs rescue --worker {worker_id} --force    its jobs may run twice",
        code="E630",
        name="worker-alive",
    )


def _ask(console: Console, settings: Settings, options: RescueOptions, found: Rescue, held: int) -> None:
    if len(found.jobs) > 1 and console.format == "text" and not options.yes:
        console.say("\n".join(worker_text.rescue_lines(found, dry_run=True, rehearsed=False)))
    if found.jobs or settings.protected:
        confirm_change(console, settings, options.safety, Change("rescue", len(found.jobs), held))
