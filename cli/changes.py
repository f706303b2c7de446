"""retry and cancel are one walk: a snapshot of the selected jobs, a breakdown, a question, one change, the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.errors import Conflict, UsageError
from ..core.selector import Selector, Words
from .confirmation import confirm
from .context import database, settings_for
from .exits import Exit, Finished
from .options import Safety, Selection, Target
from .output.change import ChangeReport, Match, Verb, breakdown
from .output.console import Console
from .selectors import Ids, read_ids, read_selector

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.db import Connection
    from ..core.store.store import Changed

#: Jobs changed per statement: a bulk change never holds its row locks for long.
BATCH = 1000


async def change(console: Console, verb: Verb, selection: Selection, target: Target, safety: Safety) -> None:
    """Apply the verb to the selected jobs; ends by Finished with 0, 3, 6 or 7."""
    ids, selector = read_ids(selection.ids), read_selector(selection)
    _refuse_everything(ids, selector, safety)
    settings = settings_for(console, target)
    async with database(console, settings) as connection:
        found = await _match(connection, verb, ids, selector, selection.limit)
        _guard(safety, len(found.applies))
        if safety.dry_run:
            outcomes: list[Changed] = []
        else:
            if len(found.applies) > 1 and console.format == "text":
                console.say(breakdown(verb, found))
            if found.applies:
                confirm(console, settings, safety, found.applies, verb.name)
            outcomes = await _apply(connection, verb, found.applies, safety, settings)
    report = ChangeReport(verb, found, tuple(outcomes), named=bool(ids.whole), dry_run=safety.dry_run)
    problem = report.problem()
    console.answer(report.as_json(safety.reason), report.text, problem=problem)
    raise Finished(problem.exit_code if problem else Exit.OK)


def _refuse_everything(ids: Ids, selector: Selector, safety: Safety) -> None:
    selected = bool(ids or selector)
    if not selected and not safety.all:
        raise UsageError(
            "no job is selected",
            code="E205",
            name="selector-missing",
            hint="give ids or a selector (--status failed --service S), or --all to mean every job",
        )
    if ids and safety.all:
        raise UsageError("ids and --all together", hint="leave one of them out")


async def _match(connection: Connection, verb: Verb, ids: Ids, selector: Selector, limit: int | None) -> Match:
    from ..core.store import report  # noqa: PLC0415 - psycopg costs 170 ms

    if ids and not ids.whole:
        return Match([], [], [])
    applicable = selector if ids or selector.status else replace(selector, status=Words(verb.statuses))
    rows = await report.matching(connection, replace(applicable, ids=ids.whole), limit or None)
    applies = [row for row in rows if row["status"] in verb.statuses]
    skipped = [row for row in rows if row["status"] not in verb.statuses]
    existing = await report.jobs(connection, ids.whole) if ids and len(rows) < len(ids.whole) else None
    unknown = [] if existing is None else [str(id_) for id_ in ids.whole if id_ not in existing]
    return Match(applies, skipped, unknown)


def _guard(safety: Safety, count: int) -> None:
    if safety.expect is not None and count != safety.expect:
        raise Conflict(
            f"{count} jobs match, {safety.expect} were expected; nothing was changed",
            code="E602",
            name="count-unexpected",
            hint="look at them with --dry-run",
        )


async def _apply(
    connection: Connection, verb: Verb, rows: Sequence[dict[str, Any]], safety: Safety, settings: Settings
) -> list[Changed]:
    from ..core.store.store import Store  # noqa: PLC0415 - psycopg costs 170 ms

    act = getattr(Store(connection), verb.name)
    ids = [row["id"] for row in rows]
    done: list[Changed] = []
    for start in range(0, len(ids), BATCH):
        done += await act(ids[start : start + BATCH], safety.reason, settings.actor)
    return done
