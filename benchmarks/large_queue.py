"""Claim and settle with many finished rows beside them: does the queue stay as fast as it was on its first day?

    python benchmarks/large_queue.py --finished 0,1000000,10000000 --pending 200000 --folder /tmp/sqj-large
    python benchmarks/large_queue.py --finished 10000000 --folder /tmp/sqj-large --prune

One connection claims batches of 200 through the worker's own claimer and settles them, over 200,000 pending jobs:
quietly, while another session holds a snapshot, and beside a second process that enqueues as fast as it can. With
--folder the database stays, and the next run adds what is missing; 10,000,000 rows take 6 GB and two minutes. --prune
then deletes ended rows, alone and beside the same claims.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from specql_jobs.cli.worker_process import in_loop
from specql_jobs.core.job import JobRecord, NewJob, Status
from specql_jobs.core.lifecycle import Event, Origin, Settlement
from specql_jobs.core.retention import Retention
from specql_jobs.core.store import db, migrate, prune
from specql_jobs.core.store.embedded import EmbeddedServer
from specql_jobs.core.store.store import Scope, Store
from specql_jobs.core.worker.claimer import Claimer, pin_plans
from specql_jobs.core.worker.link import Link

BATCH = 200  # jobs of one claim
ROUNDS = 150  # claims of one measurement
PRUNED = 100_000  # rows deleted by one measurement
CHUNK = 250_000  # finished rows of one INSERT
ENQUEUED = 1000  # jobs of one enqueue statement
DAYS = 120  # the finished rows' times are spread over so many
ORIGIN = Origin("http", "http/1", "0" * 64, "0" * 64)
SAID = {"output": {"ok": True}, "usage": {"duration_seconds": 0.25, "cpu_seconds": 0.01, "memory_mb": 12.5}}

#: Finished rows as a worker leaves them, oldest first, with the ids (UUIDv7) that they would have got then.
FILL = """
INSERT INTO jobs.tb_job_run
  (id, service_name, operation, execution_type, input_data, output_data, resource_usage, status, attempts, max_attempts,
   lease_seq, worker_id, runner_version, registry_digest, error_category, error_message, fingerprint, run_at,
   created_at, started_at, completed_at, updated_at)
SELECT encode(set_bit(set_bit(
         overlay(uuid_send(gen_random_uuid()) PLACING
                 substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1),
         'hex')::uuid,
       'noop', 'run', 'http', jsonb_build_object('n', n), CASE WHEN n %% 50 > 0 THEN '{"ok": true}'::jsonb END,
       '{"duration_seconds": 0.25, "cpu_seconds": 0.01, "memory_mb": 12.5}',
       CASE WHEN n %% 50 > 0 THEN 'completed' WHEN n %% 100 = 0 THEN 'failed' ELSE 'cancelled' END, 1, 3, 1,
       'bench:1:0', 'http/1', repeat('0', 64), CASE WHEN n %% 100 = 0 THEN 'timeout' END,
       CASE WHEN n %% 100 = 0 THEN 'the target did not answer within 30 s' END,
       CASE WHEN n %% 100 = 0 THEN '8c1d03aa77e0' END, at, at, at, at, at
  FROM (SELECT n, now() - interval '%(days)s days' * (1 - n::float8 / %(total)s) AS at
          FROM generate_series(%(first)s, %(last)s) AS n) AS t
"""


@dataclass(slots=True)
class Times:
    """Seconds of each claim and settle of one measurement, how long it took in all, and what it cost Postgres.

    `cpu`: seconds of the two backends. Where others use the machine too, this is the figure to compare.
    """

    claims: list[float] = field(default_factory=list)
    settles: list[float] = field(default_factory=list)
    jobs: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    def line(self, name: str) -> str:
        """Return the measurement for people: milliseconds a batch, jobs a second."""
        claim, settle = (statistics.quantiles(each, n=100) for each in (self.claims, self.settles))
        times = [f"{each * 1000:7.2f}" for each in (claim[49], claim[94], claim[98], settle[49], settle[94])]
        return (
            f"  {name:<26} claim p50 {times[0]} p95 {times[1]} p99 {times[2]} ms   settle p50 {times[3]} "
            f"p95 {times[4]} ms   {self.jobs / self.seconds:8,.0f} jobs/s   "
            f"{self.cpu / self.jobs * 1e6:5.1f} us of Postgres a job"
        )


async def count(connection: db.Connection, what: str) -> int:
    """Return one number."""
    row = await (await connection.execute(f"SELECT (SELECT {what}) AS n".encode())).fetchone()
    assert row is not None
    return int(row["n"])


async def fill(connection: db.Connection, wanted: int) -> None:
    """Bring the finished rows up to a number, then vacuum and analyze."""
    there = await count(connection, "count(*) FROM jobs.tb_job_run WHERE status NOT IN ('pending', 'running')")
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for first in range(there + 1, wanted + 1, CHUNK):
        numbers = {"days": DAYS, "total": wanted, "first": first, "last": min(first + CHUNK - 1, wanted)}
        await connection.execute((FILL % numbers).encode())
    await connection.execute("RESET session_replication_role; RESET synchronous_commit")


async def enqueue(store: Store, jobs: int) -> None:
    """Put jobs in the queue in statements of a thousand."""
    for first in range(0, jobs, ENQUEUED):
        await store.enqueue([NewJob("noop", "run", f'{{"n": {n}}}') for n in range(first, min(first + ENQUEUED, jobs))])


async def replenish(connection: db.Connection, pending: int) -> None:
    """Bring the pending jobs up to a number, then vacuum and analyze: every measurement starts alike."""
    there = await count(connection, "count(*) FROM jobs.tb_job_run WHERE status = 'pending'")
    await enqueue(Store(connection), pending - there)
    await connection.execute("VACUUM (ANALYZE) jobs.tb_job_run")
    await connection.execute("CHECKPOINT")


async def work(dsn: str, rounds: int = ROUNDS, until: asyncio.Task[float] | None = None) -> Times:
    """Claim and settle as a worker does, one batch after another."""
    claiming = Link(dsn, "claim", patience=10, prepare=pin_plans)
    settling = Link(dsn, "settle", patience=10, prepare=pin_plans)
    claimer, times = Claimer(claiming, "bench:1:0", Scope(), set), Times()
    store, begun = await settling.store(), time.monotonic()
    backends = [(await link.store()).connection.info.backend_pid for link in (claiming, settling)]
    before = sum(map(used_cpu, backends))
    while len(times.claims) < rounds and not (until and until.done()):
        asked = time.monotonic()
        jobs = [claimed.job for claimed in await claimer.claim(BATCH)]
        claimed = time.monotonic()
        if not jobs:
            break
        await store.settle([_completed(job) for job in jobs], "bench:1:0", "0" * 64)
        times.claims.append(claimed - asked)
        times.settles.append(time.monotonic() - claimed)
        times.jobs += len(jobs)
    times.seconds, times.cpu = time.monotonic() - begun, sum(map(used_cpu, backends)) - before
    for link in (claiming, settling):
        await link.close()
    return times


def used_cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far; 0.0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _completed(job: JobRecord) -> Settlement:
    return Settlement(
        job=job,
        status=Status.COMPLETED,
        event=Event.SUCCEED,
        max_attempts=3,
        origin=ORIGIN,
        **SAID,  # type: ignore[arg-type] # a dict of two different fields
    )


@asynccontextmanager
async def held_snapshot(dsn: str) -> AsyncIterator[None]:
    """Keep a snapshot open, as a report or a forgotten psql does: nothing that dies meanwhile can be vacuumed."""
    async with await db.connect(dsn, "bench snapshot") as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.execute("SELECT count(*) FROM jobs.tb_worker")
        yield
        await connection.execute("ROLLBACK")


@asynccontextmanager
async def churn(dsn: str) -> AsyncIterator[None]:
    """Have a second process enqueue for as long."""
    producer = await asyncio.create_subprocess_exec(sys.executable, __file__, "--produce", dsn)
    try:
        yield
    finally:
        producer.terminate()
        await producer.wait()


async def produce(dsn: str) -> None:
    """Enqueue until killed."""
    async with await db.connect(dsn) as connection:
        while True:
            await enqueue(Store(connection), ENQUEUED)


async def measure(dsn: str, finished: int, pending: int) -> None:
    """Print one size's table."""
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)
        await fill(connection, finished)
        await replenish(connection, pending)
        size = await count(connection, "pg_total_relation_size('jobs.tb_job_run')")
        print(f"\n{finished:,} finished rows, {pending:,} pending, {size / 2**30:.1f} GiB with indexes", flush=True)
        await work(dsn, 5)  # the caches, the plans
        print((await work(dsn)).line("quiet"), flush=True)
        await replenish(connection, pending)
        async with held_snapshot(dsn):
            print((await work(dsn)).line("snapshot held, first third"), flush=True)
            print((await work(dsn)).line("second third"), flush=True)
            print((await work(dsn)).line("last third"), flush=True)
        await replenish(connection, pending)
        async with churn(dsn):
            print((await work(dsn, ROUNDS * 2)).line("beside an enqueuer"), flush=True)


async def measure_prune(dsn: str, pending: int) -> None:
    """Print how quickly ended rows go, and what claims beside it notice."""
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)
        await replenish(connection, pending)
        print(f"\nprune, {PRUNED:,} rows, {pending:,} pending", flush=True)
        print((await work(dsn)).line("claims, nothing beside"), flush=True)
        print(f"  alone, batches of 5,000       {await pruned(dsn, 5000, 0.0):,.0f} rows/s", flush=True)
        for batch, pause in ((5000, 0.0), (5000, 0.1), (1000, 0.1)):
            await replenish(connection, pending)
            beside = asyncio.create_task(pruned(dsn, batch, pause))
            times = await work(dsn, 10 * ROUNDS, until=beside)
            print(times.line(f"beside {batch:,} / {pause:g} s"), f"{await beside:8,.0f} rows/s pruned", flush=True)


async def pruned(dsn: str, batch: int, pause: float) -> float:
    """Delete PRUNED of the oldest rows; return how many a second."""
    deleted, begun = 0, time.monotonic()
    async with await db.connect(dsn, "bench prune") as connection:
        async for done in prune.walk(connection, Retention(completed=0.0, failed=0.0, cancelled=0.0), batch):
            deleted += done.deleted.total()
            if deleted >= PRUNED:
                break
            await asyncio.sleep(pause)
    return deleted / (time.monotonic() - begun)


async def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", default="0,1000000", help="numbers of finished rows, ascending")
    parser.add_argument("--pending", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="keep the database there")
    parser.add_argument("--prune", action="store_true", help="measure pruning alone, on the database of --folder")
    parser.add_argument("--produce", metavar="DSN", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.produce:
        await produce(given.produce)
        return
    with tempfile.TemporaryDirectory(prefix="sqj-large-", dir="/tmp") as made:
        server = EmbeddedServer(given.folder or Path(made))
        server.join()
        try:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, claims of {BATCH}")
            if given.prune:
                await measure_prune(server.dsn, given.pending)
                return
            for finished in map(int, given.finished.split(",")):
                await measure(server.dsn, finished, given.pending)
        finally:
            server.leave()


if __name__ == "__main__":
    in_loop(main())
