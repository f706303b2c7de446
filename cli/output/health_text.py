"""`db status`: where the schema stands, and how the queue's tables are doing, for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import pause_text
from .console import Console
from .job_json import timestamp
from .tables import text_table
from .text import age, one_line, size

if TYPE_CHECKING:
    from ...core.store.concerns import Concern
    from ...core.store.health import Count, Health
    from ...core.store.migrate import SchemaStatus

Row = Mapping[str, Any]

HEADERS = ("TABLE", "ROWS", "DEAD", "SIZE", "INDEXES", "EMPTY", "VACUUMED", "ANALYZED", "VACUUM AT")
#: What a narrow terminal does without, the first first.
SPARE = ("ANALYZED", "EMPTY", "VACUUM AT", "INDEXES")
#: Tables below this are listed with -v and in JSON.
SMALL = 1 << 20


def schema_json(now: SchemaStatus) -> dict[str, Any]:
    """Return where the schema stands, as data."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(now).items()}


def schema_lines(now: SchemaStatus) -> Iterator[str]:
    """Yield where the schema stands, and what to type."""
    where = f"version {now.version}" if now.version else "absent"
    yield f"schema jobs: {where}; this specql-jobs needs {now.expected}"
    yield from (f"pending  {name}" for name in now.pending)
    yield from (f"unknown  {name} (applied by a newer specql-jobs)" for name in now.newer)
    if now.pending:
        yield "next     specql-jobs db migrate"


# ---- for programs ----------------------------------------------------------------------------------------------------


def health_json(health: Health, found: Sequence[Concern]) -> dict[str, Any]:
    """Return the data of `db status` beside the schema's."""
    return {
        "jobs": {status: asdict(count) for status, count in health.jobs.items()},
        "ready": health.ready,
        "oldest_ready_seconds": _rounded(health.oldest_ready_seconds),
        "workers": dict(health.workers),
        "pauses": [pause_text.pause_json(each) for each in health.pauses],
        "tables": [_table_json(row) for row in health.tables],
        "indexes": [
            {key: row[key] for key in ("name", "bytes", "scans", "valid")} | {"entries": int(row["entries"])}
            for row in health.indexes
        ],
        "snapshots": [_snapshot_json(row) for row in health.snapshots],
        "sees_all_sessions": health.sees_all,
        "wraparound": {"transactions": health.transactions, "freeze_at": health.freeze_at},
        "concerns": [asdict(each) for each in found],
    }


def _table_json(row: Row) -> dict[str, Any]:
    return {
        "name": row["name"],
        "rows": None if row["rows"] is None else int(row["rows"]),
        "dead_rows": row["dead_rows"],
        "table_bytes": row["table_bytes"],
        "index_bytes": row["index_bytes"],
        "empty_bytes": _empty(row),
        "last_vacuum": timestamp(row["last_vacuum"]),
        "last_analyze": timestamp(row["last_analyze"]),
        "autovacuum": row["autovacuum"],
        "vacuum_at_dead_rows": int(row["vacuum_at"]),
        "settings": row["settings"],
    }


def _empty(row: Row) -> int | None:
    """Bytes of the table that hold no row, estimated; None before it was analyzed."""
    return max(int(row["heap_bytes"] - row["expected"]), 0) if row["expected"] else None


def _snapshot_json(row: Row) -> dict[str, Any]:
    return {**row, "seconds": _rounded(row["seconds"])}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


# ---- for people ------------------------------------------------------------------------------------------------------


def health_lines(health: Health, found: Sequence[Concern], console: Console) -> Iterator[str]:
    """Yield numbers first, then what hinders the queue, each with what to type."""
    waiting = f", the oldest for {age(health.oldest_ready_seconds)}" if health.oldest_ready_seconds is not None else ""
    yield ""
    yield f"jobs       {'   '.join(f'{status} {_count(count)}' for status, count in health.jobs.items())}"
    yield f"ready      {health.ready:,}{waiting}"
    yield f"workers    {', '.join(f'{count} {state}' for state, count in health.workers.items())}"
    if health.pauses:
        yield f"paused     {pause_text.pauses_line(health.pauses)}: specql-jobs pause list"
    yield f"snapshot   {_oldest(health)}"
    yield f"freezing   due in {max(health.freeze_at - health.transactions, 0):,} transactions"
    yield ""
    shown = [row for row in health.tables if console.verbose or row["table_bytes"] + row["index_bytes"] >= SMALL]
    yield text_table(HEADERS, [_cells(row) for row in shown or health.tables[:1]], console.width, SPARE)
    if console.verbose:
        yield ""
        yield text_table(("INDEX", "SIZE", "ENTRIES", "SCANS"), [*map(_index, health.indexes)], console.width)
    if found:
        yield ""
    for each in found:
        yield f"{console.painted(each.code, 'yellow')}  {one_line(each.message)}"
        yield f"  try: {one_line(each.fix)}"


def _count(count: Count) -> str:
    if count.jobs is None:
        return "?"
    return f"{count.jobs:,}" if count.exact else f"~{count.jobs:,}"


def _oldest(health: Health) -> str:
    hidden = "" if health.sees_all else " (sessions of other roles are hidden: GRANT pg_read_all_stats)"
    if not health.snapshots:
        return f"none is held{hidden}"
    row = health.snapshots[0]
    how_long = age(row["seconds"]) if row["seconds"] is not None else f"{row['transactions']:,} transactions"
    who = ", ".join(one_line(part) for part in (row["application"], row["who"], row["state"]) if part)
    return f"held for {how_long} by {row['kind']} {one_line(row['name'])} ({who}){hidden}"


def _cells(row: Row) -> list[str]:
    empty = _empty(row)
    share = "" if empty is None or not row["heap_bytes"] else f"{100 * empty / row['heap_bytes']:.0f} %"
    return [
        row["name"],
        _rows(row),
        f"{row['dead_rows']:,}",
        size(row["table_bytes"]),
        size(row["index_bytes"]),
        share,
        _ago(row, "last_vacuum"),
        _ago(row, "last_analyze"),
        f"{row['vacuum_at']:,.0f} dead" if row["autovacuum"] else "off",
    ]


def _rows(row: Row) -> str:
    """An estimate, but of an empty file; unknown of a table that nobody has analyzed or counted yet."""
    if row["rows"] is None:
        return "?"
    return f"~{row['rows']:,.0f}" if row["heap_bytes"] else "0"


def _ago(row: Row, name: str) -> str:
    return f"{age((row['database_now'] - row[name]).total_seconds())} ago" if row[name] else "never"


def _index(row: Row) -> list[str]:
    return [row["name"], size(row["bytes"]), f"{row['entries']:,.0f}", f"{row['scans']:,}"]
