"""How many jobs are selected, in all and by group: exactly where that is quick, else estimated and said to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg

from ..job import EXECUTION_TYPE_ALIASES, Status
from ..selector import Selector
from . import selection
from .db import Connection, translate


class Patience(NamedTuple):
    """What an exact count may take before it is estimated: so long, and by the planner's own units so much."""

    seconds: float
    cost: float


#: With the program's start it is under a second; dearer than a scan of 2,000,000 entries of an index is not even tried.
PATIENCE: Final = Patience(seconds=0.4, cost=60_000.0)

#: Pages that an estimate reads of the ended jobs: some 40,000 rows, which makes 10,000,000 good to 1 % or so.
_SAMPLED_PAGES: Final = 2500

#: What each field of --group-by is, as SQL over a row of jobs or of failures; times in UTC.
EXPRESSIONS: Final = {
    "status": "j.status",
    "service": "lower(j.service_name)",
    "operation": "lower(j.service_name || '.' || j.operation)",
    "type": "coalesce(%(aliases)s::jsonb ->> lower(j.execution_type), lower(j.execution_type))",
    "tenant": "j.tenant_id::text",
    "worker": "j.worker_id",
    "category": "j.error_category",
    "fingerprint": "j.fingerprint",
    "correlation": "j.correlation_id",
    "registry": "j.registry_digest",
    "minute": "date_trunc('minute', j.changed_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
    "hour": "date_trunc('hour', j.changed_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
    "day": "date_trunc('day', j.changed_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many in all, and by group, the largest first: rows of the fields and `count`. Not `exact`: about so many."""

    total: int
    exact: bool
    groups: list[Row]
    all_groups: int  # however many `groups` has


NOTHING: Final = Tally(0, True, [], 0)  # noqa: FBT003 - its fields stand above


async def tally(
    connection: Connection,
    selector: Selector,
    fields: Sequence[str] = (),
    limit: int | None = None,
    patience: Patience | None = PATIENCE,
) -> Tally:
    """Return the number of selected jobs by `fields`, of EXPRESSIONS; `patience` None: exact, however long it takes."""
    given, text = selector.parameters() | {"limit": limit}, selection.chosen(selector)
    statement = grouped(text, fields)
    try:
        planned = await _planned(connection, text, given) if patience is not None and _has_history(selector) else None
        if planned is None or patience is None or planned.cost < patience.cost:
            within = patience.seconds if planned and patience else None
            return as_tally(await _within(connection, statement, given, within), fields)
    except psycopg.errors.QueryCanceled:
        pass  # longer than it may take
    except psycopg.Error as error:
        raise translate(error) from None
    if planned and not fields:
        return Tally(planned.rows, exact=False, groups=[], all_groups=0)
    return await _estimate(connection, selector, fields, limit)


class _Planned(NamedTuple):
    """What the planner expects of a selection."""

    rows: int
    cost: float


async def _planned(connection: Connection, text: str, given: Row) -> _Planned:
    explained = f"EXPLAIN (FORMAT JSON) SELECT FROM {text} j"
    row = await (await connection.execute(explained.encode(), given)).fetchone()
    plan = row["QUERY PLAN"][0]["Plan"] if row else {"Plan Rows": 0, "Total Cost": 0.0}
    return _Planned(int(plan["Plan Rows"]), float(plan["Total Cost"]))


def _has_history(selector: Selector) -> bool:
    """Whether jobs that ended well are among those that are meant; the others are few enough to be counted."""
    statuses = {Status(word) for word in selector.status.wanted or tuple(Status)} - set(selector.status.excluded)
    return bool(statuses & {Status.COMPLETED, Status.CANCELLED})


def grouped(source: str, fields: Sequence[str], number: str = "count(*)") -> str:
    """Return the statement that counts the rows `j` of a source; beside the source's, its parameters are two more."""
    keys = "".join(f"{EXPRESSIONS[each]} AS {each}, " for each in fields)
    by = ", ".join(map(str, range(1, len(fields) + 1)))
    by = f" GROUP BY {by}" if fields else ""
    inner = f"SELECT {keys}{number} AS count FROM {source} j{by}"  # noqa: S608 - as _planned
    order = ", ".join(["count DESC", *(f"{each} NULLS LAST" for each in fields)])
    outer = "SELECT *, coalesce(sum(g.count) OVER (), 0)::int8 AS total, count(*) OVER () AS all_groups"
    return f"{outer} FROM ({inner}) g ORDER BY {order} LIMIT %(limit)s"


def as_tally(rows: Sequence[Row], fields: Sequence[str], *, exact: bool = True) -> Tally:
    """Return the rows of a `grouped` statement as a tally."""
    total = int(rows[0]["total"]) if rows else 0
    groups = (
        [{each: row[each] for each in fields} | {"count": int(row["count"] or 0)} for row in rows] if fields else []
    )
    return Tally(total, exact, groups, int(rows[0]["all_groups"]) if rows and fields else 0)


async def _within(connection: Connection, text: str, given: Row, seconds: float | None) -> list[Row]:
    async with connection.transaction():
        await connection.execute("SET TRANSACTION READ ONLY")
        if seconds is not None:
            await connection.execute(f"SET LOCAL statement_timeout = {max(int(seconds * 1000), 1)}".encode())
        return await (await connection.execute(text.encode(), given | {"aliases": ALIASES})).fetchall()


async def _estimate(connection: Connection, selector: Selector, fields: Sequence[str], limit: int | None) -> Tally:
    """Open and failed jobs are counted, their indexes have them; of the others some pages are."""
    percent = await _percent(connection)
    given = selector.parameters() | {"percent": percent, "weight": 100.0 / percent, "limit": limit}
    text = grouped(selection.sampled(), fields, "round(sum(j.weight))::int8")
    try:
        return as_tally(await _within(connection, text, given, None), fields, exact=False)
    except psycopg.Error as error:
        raise translate(error) from None


async def _percent(connection: Connection) -> float:
    """The share of the table that makes so many pages."""
    pages = "SELECT pg_relation_size('jobs.tb_job_run') / current_setting('block_size')::int8 AS pages"
    row = await (await connection.execute(pages.encode())).fetchone()
    return min(100.0 * _SAMPLED_PAGES / max(int(row["pages"]) if row else 1, 1), 100.0)


#: Stored names of execution types that have another one, as a JSON object.
ALIASES: Final = json.dumps({str(alias): str(plain) for alias, plain in EXECUTION_TYPE_ALIASES.items()})
