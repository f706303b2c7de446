"""What people look at: jobs selected, shown, counted and followed. Reads only; rows are dicts."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from ..selector import Selector
from . import selection
from .counting import PATIENCE, tally
from .db import UNSTORABLE, Connection, queries, translate
from .statements import Questions, Row

#: A larger document is named, not shown. Bytes of JSON text.
LARGEST_SHOWN = 8 * 1024 * 1024
DEEPEST_SHOWN = 200  # levels; the deepest that a worker accepts is 100
UNREADABLE = "(not shown: nested too deeply, or a number of too many digits)"

#: Of what a job waits for, and of what waits for it, one look fetches so many.
SHOWN_LINKS = 1000

#: Jobs of higher priority are counted so far.
MOST_AHEAD = 10_000

#: Chunks of captured output that one look at a job fetches; the worker bounds each chunk's size.
SHOWN_CHUNKS = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the selected jobs, and how many there are in all; `exact` False: about so many."""

    rows: list[Row]
    total: int
    exact: bool = True


def _readable(text: str | bytes) -> Any:
    """Return JSON data, or a sentence instead: jsonb holds depths and numbers that programs choke on."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return UNREADABLE
    return value if _is_shallow(value) else UNREADABLE


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST_SHOWN):
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [below for item in nested for below in (item.values() if isinstance(item, dict) else item)]
    return not level


_ask = Questions("report.sql", loads=_readable)


async def list_jobs(connection: Connection, selector: Selector, limit: int | None, *, exact: bool = False) -> Page:
    """Return the selected jobs whose state changed last, and the number of all; `limit` None means every one."""
    rows = await _selected(connection, "list_jobs", selector, limit)
    if limit is None or len(rows) < limit:
        return Page(rows, len(rows))
    found = await tally(connection, selector, patience=None if exact else PATIENCE)
    return Page(rows, max(found.total, len(rows)), found.exact)


async def snapshot(connection: Connection, selector: Selector, limit: int | None = None) -> list[Row]:
    """Return what a bulk change would meet: ids, number and digest by status, service, operation and fingerprint."""
    return await _selected(connection, "snapshot", selector, limit)


async def existing(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the ids that jobs have."""
    return {row["id"] for row in await _rows(connection, "existing", {"ids": list(ids)})}


async def other_inputs(connection: Connection, ids: Sequence[UUID], inputs: Sequence[str]) -> list[int]:
    """Return the places, from 0, of the inputs (JSON text) that are not those of the jobs at the same places."""
    rows = await _rows(connection, "other_inputs", {"ids": list(ids), "inputs": list(inputs)})
    return [row["place"] - 1 for row in rows]


async def ids_between(connection: Connection, low: UUID, high: UUID) -> list[UUID]:
    """Return at most two ids within the bounds: enough to know whether a prefix is unique."""
    return [row["id"] for row in await _rows(connection, "ids_between", {"low": low, "high": high})]


async def jobs(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Return whole rows by id, with the database's `database_now` and whether a worker `has_worker` serves them."""
    given = {"ids": list(ids), "documents": True, "cap": LARGEST_SHOWN}
    try:
        rows = await _ask.fetch(connection, "job", given)
    except UNSTORABLE:
        rows = await _rows(connection, "job", given | {"documents": False})
    except psycopg.Error as error:
        raise translate(error) from None
    return {row["id"]: row for row in rows}


async def gated(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """Return the same rows without their documents, in any order: for what keeps them back."""
    return await _rows(connection, "job", {"ids": list(ids), "documents": False, "cap": LARGEST_SHOWN})


async def ahead(connection: Connection, priorities: Collection[int]) -> dict[int, int]:
    """Return for each priority how many due jobs have a higher one; MOST_AHEAD means that many or more."""
    rows = await _rows(connection, "ahead", {"priorities": list(priorities), "most": MOST_AHEAD}) if priorities else []
    return {row["priority"]: row["jobs"] for row in rows}


async def attempts(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return each job's failed attempts, oldest first."""
    found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
    for row in await _rows(connection, "attempts", {"ids": list(ids)}):
        found[row["job_id"]].append(row)
    return found


async def changes(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return what people did to each job: kind, actor, reason, outcome; oldest first."""
    found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
    for row in await _rows(connection, "changes", {"ids": list(ids)}):
        found[row["job_id"]].append(row)
    return found


async def links(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return what each job waits for (`kind` depends_on) and what waits for it (dependents)."""
    found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
    for row in await _rows(connection, "links", {"ids": list(ids), "limit": SHOWN_LINKS}):
        found[row["job_id"]].append(row)
    return found


async def output_chunks(connection: Connection, job_id: UUID) -> list[Row]:
    """Return a job's latest captured output, in order."""
    return await _rows(connection, "output_chunks", {"id": job_id, "limit": SHOWN_CHUNKS})


async def latest_events(connection: Connection, selector: Selector, limit: int | None) -> list[Row]:
    """Return the last change of the selected jobs, oldest first: at most the `limit` latest ones."""
    return await _rows(connection, "latest_events", selector.parameters() | {"limit": limit})


async def events_after(connection: Connection, selector: Selector, after: datetime) -> list[Row]:
    """Return the changes of the selected jobs at or after a time, oldest first."""
    return await _rows(connection, "events_after", selector.parameters() | {"after": after})


async def _selected(connection: Connection, name: str, selector: Selector, limit: int | None) -> list[Row]:
    """Rows of a query over {chosen} or {latest}, which are made for the selector."""
    text = queries("report.sql")[name]
    for mark, source in (("{chosen}", selection.chosen), ("{latest}", selection.latest)):
        text = text.replace(mark, source(selector)) if mark in text else text
    return await _ask.answer(connection, text, selector.parameters() | {"limit": limit})


async def _rows(connection: Connection, name: str, parameters: Row) -> list[Row]:
    text = queries("report.sql")[name].replace("{selection}", selection.everywhere())
    return await _ask.answer(connection, text, parameters)
