"""`db prune`: what is to be kept, the question, the walk with its progress, and how far it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

from typer import Option

from ..core.clock import monotonic
from ..core.errors import UsageError
from ..core.retention import PRUNABLE, Retention, configured
from ..core.selector import parse_duration
from .confirmation import Change, confirm_change
from .context import database, settings_for
from .options import Safety, Target
from .output.console import Console
from .output.prune_text import Pruned, as_json, preview_lines, progress, pruned_lines

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.db import Connection
    from ..core.store.prune import Preview

#: Seconds between two lines of progress.
TELL_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class PruneOptions:
    """What may go, how quickly, and how it is consented to."""

    completed: Annotated[
        str | None, Option("--completed", metavar="DUR", help="Keep completed jobs for DUR: 30d, 12h")
    ] = None
    failed: Annotated[str | None, Option("--failed", metavar="DUR", help="Keep failed jobs for DUR")] = None
    cancelled: Annotated[str | None, Option("--cancelled", metavar="DUR", help="Keep cancelled jobs for DUR")] = None
    batch: Annotated[
        int, Option("--batch", min=1, max=100_000, metavar="N", help="Rows looked at by one transaction")
    ] = 5000
    pause: Annotated[
        float, Option("--pause", min=0, max=3600, metavar="SECONDS", help="Wait between two transactions")
    ] = 0.0
    dry_run: Annotated[bool, Option("--dry-run", "-n", help="Say how many would go, delete nothing")] = False
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask")] = False
    confirm: Annotated[str, Option("--confirm", metavar="NAME", help="With --yes on a protected profile: its name")] = (
        ""
    )
    reason: Annotated[str, Option("--reason", metavar="TEXT", help="Why; kept in the ledger of changes")] = ""

    @property
    def safety(self) -> Safety:
        """Return what the question before a change asks for."""
        return Safety(dry_run=self.dry_run, yes=self.yes, confirm=self.confirm, reason=self.reason)


@dataclass(slots=True)
class _Run:
    """One run: told about on stderr while it lasts, and answered with at its end."""

    console: Console
    retention: Retention
    begun: float = field(default_factory=monotonic)
    told: float = field(default_factory=monotonic)
    done: Pruned = field(default_factory=lambda: Pruned(Counter()))

    def take(self, done: Pruned) -> None:
        """Count a batch in, and tell of it now and then."""
        self.done = replace(done, seconds=monotonic() - self.begun)
        if monotonic() - self.told >= TELL_EVERY:
            self.told = monotonic()
            self.console.say(progress(self.done))


async def prune(console: Console, target: Target, options: PruneOptions) -> None:
    """Delete ended jobs by the stated retention, and answer with how many."""
    settings = settings_for(console, target)
    retention = _retention(options, settings)
    async with database(console, settings) as connection:
        if options.dry_run or not options.yes:
            found = await _preview(connection, retention)
            if options.dry_run:
                console.answer(as_json(retention, found), lambda: "\n".join(preview_lines(retention, found)))
                return
            _ask(console, settings, options, retention, found)
        else:
            confirm_change(
                console, settings, options.safety, Change("delete", 0)
            )  # a protected profile wants more than --yes
        run = _Run(console, retention)
        await _walk(connection, run, options, settings.actor)
    console.answer(as_json(retention, None, run.done), lambda: "\n".join(pruned_lines(run.done)))


def _retention(options: PruneOptions, settings: Settings) -> Retention:
    """The flags over the configured table: a flag replaces its own status alone."""
    typed = {status: text for status in PRUNABLE if (text := getattr(options, status)) is not None}
    found = replace(configured(settings.retention), **{status: parse_duration(text) for status, text in typed.items()})
    if not found:
        raise UsageError(
            "no retention is stated, so nothing was deleted",
            hint="specql-jobs db prune --completed 30d --failed 90d --cancelled 30d --dry-run\n"
            'or state it once, in specql-jobs.toml: [retention] completed = "30d"',
            code="E240",
            name="retention-missing",
        )
    return found


async def _preview(connection: Connection, retention: Retention) -> list[Preview]:
    from ..core.store import prune as store  # noqa: PLC0415 - psycopg costs 170 ms

    return await store.preview(connection, retention)


def _ask(
    console: Console, settings: Settings, options: PruneOptions, retention: Retention, found: Sequence[Preview]
) -> None:
    total = sum(each.jobs for each in found)
    if total and console.format == "text":
        console.say("\n".join(preview_lines(retention, found, changed=True)))
    confirm_change(console, settings, options.safety, Change("delete", total))


async def _walk(connection: Connection, run: _Run, options: PruneOptions, actor: str) -> None:
    import asyncio  # noqa: PLC0415 - 55 ms that help does not pay

    from ..core.store import prune as store  # noqa: PLC0415 - psycopg costs 170 ms

    ledger = await store.open_ledger(connection, actor, options.reason, run.retention)
    try:
        async for batch in store.walk(connection, run.retention, options.batch):
            run.take(run.done.plus(batch))
            await store.note(connection, ledger, run.done.deleted)
            await asyncio.sleep(options.pause)
    except asyncio.CancelledError:
        run.console.warn(f"stopped between two batches: {progress(run.done)}; the rest is as it was")
        raise
