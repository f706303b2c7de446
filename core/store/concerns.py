"""What in a queue's health hinders it, in one sentence each, and what to type. Pure: a Health in, concerns out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .health import Health

#: Held for so long beside a busy queue, a snapshot makes claims several times slower (benchmarks/large_queue.py).
LONG_SNAPSHOT = 300.0  # seconds

#: Slots and standbys tell no time: so many transactions are minutes of a busy queue.
MANY_TRANSACTIONS = 1_000_000

#: Autovacuum is late when there are so many times the dead rows at which it should begin.
LATE = 3.0
FEW_ROWS = 10_000  # below, nothing of this matters

#: An index is bloated when it is this large and takes this much for each entry; a full page has one in about 60 bytes.
LARGE_INDEX = 32 * 2**20
LARGE_ENTRY = 400

#: Half of what can be given back is worth a rewrite, from here on.
LARGE_TABLE = 256 * 2**20

#: The share of autovacuum_freeze_max_age at which the forced vacuum should long have run.
OVERDUE = 1.5

#: The indexes of the migrations, by how their names begin.
OURS = ("ix_tb_job_run_", "uq_tb_job_run_", "idx_tb_job_run_correlation")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that hinders the queue. `fix`: a command or a statement, as it is to be typed."""

    code: str
    message: str
    fix: str


def concerns(health: Health) -> list[Concern]:
    """Return what hinders the queue, in the order in which a tired person should look."""
    return [
        *_workers(health),
        *_external(health),
        *(found for row in health.snapshots for found in _snapshot(row)),
        *(found for row in health.tables for found in _table(row)),
        *(found for row in health.indexes for found in _index(row)),
        *_wraparound(health),
    ]


def _workers(health: Health) -> Iterator[Concern]:
    if health.workers["silent"]:
        silent = health.workers["silent"]
        who, them = ("1 worker has", "it") if silent == 1 else (f"{silent} workers have", "them")
        message = f"{who} been silent for over 15 s and nobody has declared {them} lost"
        yield Concern("workers-silent", message, "specql-jobs rescue")
    if health.unattended and health.ready:
        ready = "1 job is" if health.ready == 1 else f"{health.ready:,} jobs are"
        yield Concern("no-worker", f"{ready} ready and no worker is alive", "specql-jobs worker")


def _external(health: Health) -> Iterator[Concern]:
    if health.long_external:
        them = "1 job was" if health.long_external == 1 else f"{health.long_external:,} jobs were"
        message = f"{them} started by another program over an hour ago; no worker of ours will take such a job back"
        yield Concern("external-stuck", message, "specql-jobs rescue --worker external --force    once it has ended")


def _snapshot(row: Row) -> Iterator[Concern]:
    if (row["seconds"] or 0) < LONG_SNAPSHOT and (row["transactions"] or 0) < MANY_TRANSACTIONS:
        return
    how_long = f"for {row['seconds']:.0f} s" if row["seconds"] else f"for {row['transactions']:,} transactions"
    where = f"{row['kind']} {row['name']}" + (f" ({row['application']})" if row["application"] else "")
    message = f"{where} holds a snapshot {how_long}: dead rows of the queue cannot be removed, claims slow down"
    yield Concern("snapshot-held", message, _release(row))


def _release(row: Row) -> str:
    name = _literal(row["name"])
    return {
        "session": f"SELECT pg_terminate_backend({row['name']});",
        "slot": f"SELECT pg_drop_replication_slot({name});",
        "prepared": f"ROLLBACK PREPARED {name};",
    }.get(row["kind"], "set hot_standby_feedback = off on the standby, or end its long query")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if not name.replace("_", "a").isalnum() or name != name.lower() else name


def _table(row: Row) -> Iterator[Concern]:
    name = f"jobs.{_quoted(row['name'])}"
    if not row["autovacuum"]:
        fix = f"ALTER TABLE {name} SET (autovacuum_enabled = true);    and: ALTER SYSTEM SET autovacuum = on;"
        yield Concern("autovacuum-off", f"autovacuum is off for {name}: dead rows stay for ever", fix)
    if row["dead_rows"] > max(row["vacuum_at"] * LATE, FEW_ROWS):
        message = f"{name} has {row['dead_rows']:,} dead rows, vacuum should begin at {row['vacuum_at']:,.0f}"
        yield Concern("vacuum-late", message, f"VACUUM (ANALYZE) {name};")
    if row["last_analyze"] is None and row["heap_bytes"] > LARGE_INDEX:
        yield Concern("never-analyzed", f"{name} was never analyzed: plans are guesses", f"ANALYZE {name};")
    if row["expected"] and row["heap_bytes"] > max(LARGE_TABLE, 2 * row["expected"]):
        share = 100 - 100 * row["expected"] / row["heap_bytes"]
        message = f"about {share:.0f} % of {name} is empty space: it is filled again, but never given back by itself"
        fix = f"VACUUM (FULL, ANALYZE) {name};    locks it while it runs: stop the workers, or leave it"
        yield Concern("table-bloated", message, fix)


def _index(row: Row) -> Iterator[Concern]:
    name = f"jobs.{_quoted(row['name'])}"
    if not row["valid"]:
        message = f"{name} is invalid: an interrupted CREATE INDEX CONCURRENTLY left it; it costs and serves nobody"
        yield Concern("index-invalid", message, f"DROP INDEX CONCURRENTLY {name};")
    elif row["bytes"] > LARGE_INDEX and row["bytes"] > LARGE_ENTRY * row["entries"]:
        message = f"{name} has {row['bytes'] // 2**20} MiB for {row['entries']:,.0f} entries"
        yield Concern("index-bloated", message, f"REINDEX INDEX CONCURRENTLY {name};")
    if not row["partial"] and not row["constrains"] and not row["name"].startswith(OURS):
        message = f"{name} is no index of ours: each claim and settle writes to it; it was read {row['scans']:,} times"
        yield Concern("index-costly", message, f"DROP INDEX CONCURRENTLY {name};    unless a report of yours needs it")


def _wraparound(health: Health) -> Iterator[Concern]:
    if health.transactions > OVERDUE * health.freeze_at:
        age = f"{health.transactions:,} transactions"
        message = f"jobs.tb_job_run was last frozen {age} ago; at 2,147,483,647 all writes stop"
        yield Concern("wraparound", message, "VACUUM (FREEZE) jobs.tb_job_run;")
