"""The table that SpecQL made, looked at before `db migrate` takes it over: what would change, and what hinders it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import Conflict
from .db import Connection
from .health import reading
from .statements import Questions, Row

#: Rows that are taken over in a second: 1,000,000 rows (763 MB) with all of SpecQL's indexes took
#: 20 s, on two cores at a load of 4.
ROWS_A_SECOND = 50_000

#: What both generators of SpecQL make; without these it is another table.
_OLDER = """
id identifier idempotency_key service_name operation input_data output_data error_message status attempts
max_attempts timeout_seconds tenant_id triggered_by correlation_id entity_type entity_pk
created_at started_at completed_at updated_at
"""
COLUMNS = frozenset(_OLDER.split())

_rows = Questions("adoption.sql").fetch


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What stands in the way of an adoption, in one sentence, and what to type."""

    message: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """One look at an older table. `rows` has the columns of the query of that name in adoption.sql."""

    bytes: int
    rows: Row
    objects: dict[str, list[str]]  # by kind, as the query `objects` names them
    holders: list[Row]
    repeats: bool  # identifiers are not held to be unique
    owner: str | None  # whose the table is, where this role may not alter it
    in_the_way: list[Hindrance]  # whoever migrates

    @property
    def hindrances(self) -> list[Hindrance]:
        """What must be mended before, the table's owner among it."""
        return [*self.in_the_way, *_of_owner(self.owner)]

    @property
    def seconds(self) -> float:
        """For how long the table is locked, by `ROWS_A_SECOND`, and a second for what does not grow: an estimate."""
        return 1.0 + int(self.rows.get("rows", 0)) / ROWS_A_SECOND


async def look(connection: Connection) -> Adoption | None:
    """Return what an adoption would find; None where there is no table of SpecQL's. Reads only."""
    async with reading(connection):
        return await _look(connection)


async def _look(connection: Connection) -> Adoption | None:
    found = await _rows(connection, "found")
    if not found:
        return None
    wrong = _not_the_table(found[0])
    rows = {} if wrong or not found[0]["readable"] else await _counted(connection, found[0]["columns"])
    return Adoption(
        bytes=found[0]["bytes"],
        rows=rows,
        objects={} if wrong else await _objects(connection),
        holders=await _rows(connection, "holders"),
        repeats=found[0]["repeats"],
        owner=None if found[0]["mine"] else found[0]["owner"],
        in_the_way=[*wrong, *_of_rows(rows)],
    )


async def _counted(connection: Connection, columns: list[str]) -> Row:
    (rows,) = await _rows(connection, "rows")
    (types,) = await _rows(connection, "types") if "execution_type" in columns else [{"type_unknown": 0}]
    return rows | types


async def _objects(connection: Connection) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for row in await _rows(connection, "objects"):
        kinds.setdefault(row["kind"], []).append(row["name"])
    return kinds


async def require_adoptable(connection: Connection) -> None:
    """Raise Conflict when nobody could take the table over, with the first reason; for inside the migration."""
    found = await _look(connection)
    if not found or not found.in_the_way:
        return
    first, *others = found.in_the_way
    more = f" (and {len(others)} more: specql-jobs db migrate --dry-run)" if others else ""
    message = f"{first.message}; nothing was changed{more}"
    raise Conflict(message, hint=first.fix, code="E611", name="adoption-hindered")


# ---- what hinders it -------------------------------------------------------------------------------------------------


def _not_the_table(found: Row) -> list[Hindrance]:
    if found["kind"] != "r":
        what = {"v": "a view", "p": "a partitioned table", "m": "a materialized view"}.get(found["kind"], "no table")
        fix = "rename it, or copy its rows into a plain table of that name"
        return [Hindrance(f"jobs.tb_job_run is {what}, which cannot be taken over", fix)]
    missing = sorted(COLUMNS - set(found["columns"]))
    if missing:
        lacks = f"jobs.tb_job_run lacks {', '.join(missing)}, which SpecQL's table has"
        return [Hindrance(lacks, "add the columns, or rename the table if it is something else")]
    return []


def _of_owner(owner: str | None) -> Iterator[Hindrance]:
    if owner is not None:
        yield Hindrance(f"jobs.tb_job_run belongs to {owner}", f"log in as {owner} for this once")


def _of_rows(rows: Row) -> Iterator[Hindrance]:
    for column, count, example in (
        ("status", rows.get("status_unknown"), rows.get("status_example")),
        ("execution_type", rows.get("type_unknown"), rows.get("type_example")),
    ):
        if count:
            message = f"{_jobs(count)} no known {column}, such as {example!r:.60}"
            yield Hindrance(message, f"set {column} to a known one in those rows of jobs.tb_job_run")
    if rows.get("attempts_negative"):
        message = f"{_jobs(rows['attempts_negative'])} fewer than no attempts"
        yield Hindrance(message, "UPDATE jobs.tb_job_run SET attempts = 0 WHERE attempts < 0;")


def _jobs(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"
