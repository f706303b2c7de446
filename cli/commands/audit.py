"""`audit list|verify`: who executed what under which policy, and whether anybody has touched the record of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ...core import selector as read
from ...core.errors import UsageError
from ..context import database, settings_for
from ..exits import Exit, Finished
from ..leaf import Listed, command, group
from ..options import Target
from ..output.console import Console
from ..output.listed import Part, Table, answer_page, limit_of
from ..selectors import complete, read_ids

if TYPE_CHECKING:
    from ...core.store.audit import EventSelector
    from ...core.store.report import Page

app = group("What was executed and refused, and whether the record of it is whole.")

OUTCOMES = ("succeeded", "failed", "refused", "cancelled", "interrupted", "worker_lost")

_HASH = re.compile(r"[0-9a-f]{64}")

_Words = list[str] | None


@app.callback()
def audit() -> None:
    """What was executed and refused, and whether the record of it is whole."""


@dataclass(frozen=True, slots=True)
class Events:
    """Which events. Different flags AND, commas OR, !x excludes."""

    ids: Annotated[_Words, Argument(metavar="[ID]...", help="Job ids, or - to read them from stdin")] = None
    service: Annotated[_Words, Option("--service", metavar="S", help="Service name")] = None
    operation: Annotated[_Words, Option("--operation", metavar="S.O", help="service.operation")] = None
    outcome: Annotated[_Words, Option("--outcome", metavar="O", help=", ".join(OUTCOMES))] = None
    worker: Annotated[_Words, Option("--worker", metavar="W", help="Worker that executed or refused")] = None
    since: Annotated[str | None, Option("--since", metavar="T", help="At or after T: 15m, 3d, today, 2026-11-23")] = (
        None
    )
    until: Annotated[str | None, Option("--until", metavar="T", help="At or before T")] = None
    limit: Annotated[
        int | None, Option("--limit", "-l", min=0, max=10**9, metavar="N", help="At most N events; 0 means no limit")
    ] = None


@command(
    app,
    "audit list --outcome refused --since 1d",
    "audit list 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d -o json",
    "audit list --service payments --limit 0 -o tsv",
    name="list",
    formats=Listed,
)
async def list_events(console: Console, events: Events, target: Target) -> None:
    """List what was executed and refused, newest first: one line for each attempt of a job.

    Without --limit: 50 on a terminal, 1000 in a pipe or as JSON.
    """
    selector, ids = _selector(events), read_ids(events.ids, prefixes=True)
    limit = limit_of(events.limit, console)
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import audit as trail  # noqa: PLC0415 - psycopg costs 170 ms
        from ...core.store.report import Page  # noqa: PLC0415 - with it

        selector = replace(selector, ids=await complete(connection, ids))
        page = await trail.list_events(connection, selector, limit) if selector.ids or not ids else Page([], 0)
    _show(console, page, limit)


def _selector(events: Events) -> EventSelector:
    from ...core.store.audit import EventSelector  # noqa: PLC0415 - psycopg costs 170 ms

    outcome = read.parse_words("--outcome", events.outcome or ())
    unknown = [word for word in (*outcome.wanted, *outcome.excluded) if word.lower() not in OUTCOMES]
    if unknown:
        raise UsageError(f"--outcome {unknown[0]!r} is none", hint=f"one of {', '.join(OUTCOMES)}")
    return EventSelector(
        service=read.parse_words("--service", events.service or ()),
        operation=read.parse_operations(events.operation or ()),
        outcome=outcome,
        worker=read.parse_words("--worker", events.worker or ()),
        since=read.parse_moment(events.since) if events.since is not None else None,
        until=read.parse_moment(events.until) if events.until is not None else None,
    )


def _show(console: Console, page: Page, limit: int | None) -> None:
    from ..output import audit_text  # noqa: PLC0415 - after the query

    part = Part("events", [audit_text.as_json(row) for row in page.rows], page.total, limit)
    rows = page.rows
    answer_page(console, part, lambda: Table(audit_text.HEADERS, [*map(audit_text.table_row, rows)], audit_text.SPARE))


@command(app, "audit verify", "audit verify --head 3f9a…64 hex digits…c01d", "audit verify -o json", name="verify")
async def verify(
    console: Console,
    target: Target,
    head: Annotated[
        _Words, Option("--head", metavar="HASH", help="A hash that a worker logged; it must still be in the trail")
    ] = None,
) -> None:
    """Check the audit trail link by link; exit 1 names the first link of each chain that does not hold.

    An attacker who owns the database can cut the newest links and move the head back: only a hash that is kept
    elsewhere shows that. Workers log theirs (event audit_head) every ten minutes and when they stop.
    """
    hashes = [_hash(word) for word in head or ()]
    async with database(console, settings_for(console, target)) as connection:
        from ...core.store import audit as trail  # noqa: PLC0415 - psycopg costs 170 ms

        verdict = await trail.verify(connection, hashes)
    from ..output import audit_text  # noqa: PLC0415 - after the query

    console.answer(audit_text.verdict_json(verdict), lambda: "\n".join(audit_text.verdict_lines(verdict, console)))
    raise Finished(Exit.NEGATIVE if verdict.breaks else Exit.OK)


def _hash(word: str) -> str:
    if not _HASH.fullmatch(word.lower()):
        raise UsageError("--head is not a hash of 64 hex digits", hint="take it from a worker's log: event audit_head")
    return word.lower()
