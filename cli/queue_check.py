"""`validate --against-queue`: jobs in the queue that this registry would no longer execute. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.registry.queued import QueueCheck
from ..core.registry.suppressions import accepted
from .context import database
from .output.console import Console
from .output.text import amount

if TYPE_CHECKING:
    from ..core.narrow import Ceiling
    from ..core.registry.load import Loaded
    from ..core.registry.model import Finding
    from ..core.settings import Settings


@dataclass(frozen=True, slots=True)
class Queued:
    """What is wrong with jobs that wait, what of it comments accept, and how many jobs there are."""

    findings: Iterable[Finding] = ()
    accepted: int = 0
    jobs: int = 0


async def check_queue(console: Console, settings: Settings, loaded: Loaded, ceiling: Ceiling | None) -> Queued:
    """Return what would happen to the open jobs under the registry; raise DatabaseUnavailable, Denied, SchemaAbsent."""
    from ..core.store import queued  # noqa: PLC0415 - psycopg costs 170 ms

    if loaded.registry is None:
        settings.require_dsn()
        console.say("the queue was not looked at: the registry has errors")
        return Queued()
    async with database(console, settings) as connection:
        groups, whole = await queued.open_groups(connection)
        check = QueueCheck(loaded, loaded.registry, groups, ceiling)
        async for group, job, document in queued.sampled_jobs(connection, groups):
            check.take(group, job, document)
        alive = await queued.worker_types(connection)
    if not whole:
        console.warn(f"the queue has more than {queued.MOST_GROUPS} kinds of jobs: the rarest were not looked at")
    left, hidden = accepted(check.findings(alive), loaded.sources, lambda _: True)
    jobs = sum(each.jobs for each in groups)
    console.say(f"{amount(jobs, 'open job')} in the queue, {amount(len(groups), 'kind')}")
    return Queued(left, len(hidden), jobs)
