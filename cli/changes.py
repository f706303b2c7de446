"""retry, cancel and discard are one walk: a snapshot, a breakdown, a question, a change written down and then made."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.dsn import scrub
from ..core.errors import Conflict, UsageError
from ..core.selector import Selector, Words
from .carrying_out import carry_out, progress
from .catalogue import PROGRAM
from .confirmation import Change, confirm_change
from .context import database, settings_for
from .exits import Exit, Finished
from .options import Safety, Selection, Target
from .output.change import MOST_LISTED, ChangeReport, Made, Match, Verb, breakdown
from .output.console import Console
from .pace import Pace
from .plan_token import Plan, plan_of, read_plan, settled
from .selectors import Ids, as_record, read_ids, read_selector

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.db import Connection

#: From here on a person is told how to go on should this process die.
WORTH_TELLING = 1000

#: Of so many jobs, and of one job of so many groups, it is looked up beforehand what would keep them back.
MOST_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Bulk:
    """What one command line asks for. `wait`: seconds to follow jobs that were asked to stop; None: not at all."""

    verb: Verb
    selection: Selection
    safety: Safety
    pace: Pace = field(default_factory=Pace)
    wait: float | None = None


async def change(console: Console, bulk: Bulk, target: Target) -> None:
    """Apply the verb to the selected jobs; ends by Finished with 0, 3, 6, 7 or 8."""
    ids, selector = read_ids(bulk.selection.ids), read_selector(bulk.selection)
    _refuse_everything(ids, selector, bulk.safety)
    planned = read_plan(bulk.safety.plan) if bulk.safety.plan else None
    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        second = planned.second if planned else await _second(connection)
        selector = settled(selector, second)
        found = await _match(connection, bulk, ids, selector)
        plan = plan_of(bulk.verb.name, found.jobs, [group["digest"] for group in found.applies], second)
        _guard(bulk.safety, plan, planned)
        await _note_gates(console, connection, bulk, found)
        made = None
        if found.jobs and not bulk.safety.dry_run:
            discarded = await _discarded(connection, bulk, found)
            _ask(console, settings, bulk, found, discarded)
            record = as_record(selector, bulk.selection.limit)
            made = await _make(console, connection, bulk, found, _Written(str(plan), record, settings.actor))
    report = ChangeReport(
        bulk.verb,
        found,
        made,
        bulk.pace,
        str(plan),
        _again(console.words, str(plan)),
        named=bool(ids.whole),
        dry_run=bulk.safety.dry_run,
    )
    problem = report.problem()
    console.answer(report.as_json(bulk.safety.reason), report.text, problem=problem)
    if made and not problem:
        console.detail(f"change {made.change}: specql-jobs changes show {made.change}")
    raise Finished(problem.exit_code if problem else Exit.OK)


def _again(words: Sequence[str], plan: str) -> str:
    """The command line that makes what was rehearsed: as typed, with the plan, a DSN's password masked."""
    kept = [word for word in words if word not in ("-n", "--dry-run")]
    return scrub(shlex.join([PROGRAM, *kept, "--plan", plan]))


def _refuse_everything(ids: Ids, selector: Selector, safety: Safety) -> None:
    selected = bool(ids or selector)
    if not selected and not safety.all:
        raise UsageError(
            "no job is selected",
            code="E205",
            name="selector-missing",
            hint="repeat beside --plan the ids or selectors of the dry run"
            if safety.plan
            else "give ids or a selector (--status failed --service S), or --all to mean every job",
        )
    if ids and safety.all:
        raise UsageError("ids and --all together", hint="leave one of them out")


async def _second(connection: Connection) -> datetime:
    from ..core.store import changes  # noqa: PLC0415 - psycopg costs 170 ms

    return await changes.second(connection)


async def _match(connection: Connection, bulk: Bulk, ids: Ids, selector: Selector) -> Match:
    from ..core.store import report  # noqa: PLC0415 - see above

    if ids and not ids.whole:
        return Match([], [], [])
    verb = bulk.verb
    applicable = selector if ids or selector.status else replace(selector, status=Words(verb.statuses))
    groups = await report.snapshot(connection, replace(applicable, ids=ids.whole), bulk.selection.limit or None)
    applies = [group for group in groups if group["status"] in verb.statuses]
    skipped = [group for group in groups if group["status"] not in verb.statuses]
    found = sum(group["jobs"] for group in groups)
    existing = await report.existing(connection, ids.whole) if found < len(ids.whole) else set(ids.whole)
    return Match(applies, skipped, [str(id_) for id_ in ids.whole if id_ not in existing])


def _guard(safety: Safety, plan: Plan, planned: Plan | None) -> None:
    if safety.expect is not None and plan.jobs != safety.expect:
        raise Conflict(
            f"{plan.jobs} jobs match, {safety.expect} were expected; nothing was changed",
            code="E602",
            name="count-unexpected",
            hint="look at them with --dry-run",
        )
    if planned is not None and not plan.is_for(planned):
        raise Conflict(
            f"the jobs are no longer those of the plan ({planned.jobs} then, {plan.jobs} now); nothing was changed",
            code="E604",
            name="plan-stale",
            hint="look again with --dry-run, which prints a new plan; the selectors have to be the same as then",
        )


async def _note_gates(console: Console, connection: Connection, bulk: Bulk, found: Match) -> None:
    """Warn of what would keep the retried jobs back: pauses, and where the first ones are waited for all else too."""
    from ..core.store import report  # noqa: PLC0415 - see above
    from .output.job_why import kept_back  # noqa: PLC0415 - after the query

    if "retried" not in bulk.verb.done or not found.jobs:
        return
    first = found.ids[: min(bulk.pace.canary, MOST_LOOKED_AT)] if bulk.pace.canary else []
    each_group = [group["ids"][0] for group in found.applies[:MOST_LOOKED_AT]]
    rows = {row["id"]: row for row in await report.gated(connection, [*first, *each_group])}
    for words in dict.fromkeys(kept_back(row) for id_, row in rows.items() if row["pause"] or id_ in first):
        if words:
            console.warn(words)


async def _discarded(connection: Connection, bulk: Bulk, found: Match) -> int:
    """Return how many of the jobs somebody had given up, where neither an id nor a status says that they are meant."""
    from ..core.store import changes  # noqa: PLC0415 - see above

    cancelled = [id_ for group in found.applies if group["status"] == "cancelled" for id_ in group["ids"]]
    if bulk.verb.name != "retry" or bulk.selection.ids or bulk.selection.status or not cancelled:
        return 0
    return await changes.discarded(connection, cancelled)


def _ask(console: Console, settings: Settings, bulk: Bulk, found: Match, discarded: int) -> None:
    if found.jobs > 1 and console.format == "text":
        console.say(breakdown(bulk.verb, found, bulk.pace))
    confirm_change(console, settings, bulk.safety, Change(bulk.verb.name, found.jobs, found.running, discarded))


# ---- making it -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """What the ledger keeps beside the jobs."""

    plan: str
    selector: dict[str, Any]
    actor: str


async def _make(console: Console, connection: Connection, bulk: Bulk, found: Match, written: _Written) -> Made:
    from ..core.store import changes  # noqa: PLC0415 - see above

    pace = bulk.pace
    order = changes.Order(
        kind=bulk.verb.name,
        actor=written.actor,
        reason=bulk.safety.reason,
        selector=written.selector,
        plan=written.plan,
        rate=pace.rate,
        canary=min(pace.canary, found.jobs) if pace.canary else None,
        percent=pace.percent if pace.canary else None,
    )
    entry = await changes.open_change(connection, order, found.ids)
    if found.jobs >= WORTH_TELLING or pace.canary:
        console.say(f"change {entry} is written down; if this ends early: specql-jobs changes resume {entry}")
    await carry_out(console, connection, entry, pace.seconds)
    members = await changes.members(connection, entry, MOST_LISTED)
    ended = await _follow(connection, await changes.requested(connection, entry), bulk.wait)
    return Made(entry, members, ended, **await progress(connection, entry))


async def _follow(connection: Connection, ids: Sequence[UUID], seconds: float | None) -> dict[UUID, str] | None:
    """Return what jobs that were asked to stop are once all have ended, or when time is up; None: nobody waits."""
    from ..core.store import changes  # noqa: PLC0415 - see above
    from .waiting import looks  # noqa: PLC0415 - asyncio, 55 ms

    if seconds is None:
        return None
    found: dict[UUID, str] = {}
    async for _ in looks(seconds):
        found = await changes.statuses(connection, ids)
        if "running" not in found.values():
            break
    return found
