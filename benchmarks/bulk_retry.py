"""A bulk retry of 100,000 failed jobs: its preview, what workers notice of it, and a client that is killed half way.

    python benchmarks/bulk_retry.py
    python benchmarks/bulk_retry.py --failed 100000 --finished 1000000 --folder /tmp/sqj-bulk

The command line runs as a process of its own. Beside it one connection claims batches of 200 through the worker's own
claimer, and another one looks every 10 ms for how long the retry's transaction has been open and whether anybody waits
for a lock. Then the same again with a rate, and a kill -9 in the middle: what is done must be in the ledger, nothing
may be half done, and `changes resume` must do the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from large_queue import enqueue, fill

from specql_jobs.core.store import db, migrate
from specql_jobs.core.store.embedded import EmbeddedServer
from specql_jobs.core.store.store import Scope, Store
from specql_jobs.core.worker.claimer import Claimer, pin_plans
from specql_jobs.core.worker.link import Link

CLAIMED = 200  # jobs of one claim
PENDING = 200_000
LOOK = 0.01  # seconds between two looks at the locks
PREVIEWS = 3
WORKER = "bench:1:0"

FAIL = """
INSERT INTO jobs.tb_job_run (service_name, operation, execution_type, input_data, status, attempts, max_attempts,
  lease_seq, worker_id, error_category, error_message, fingerprint, created_at, run_at, started_at, completed_at)
SELECT 'pay' || n %% 3, 'charge', 'http', jsonb_build_object('n', n), 'failed', 3, 3, 3, 'bench:1:0', 'timeout',
       'the target did not answer within 30 s', 'f' || n %% 7, at, at, at, at
  FROM (SELECT n, now() - n * interval '10 ms' AS at FROM generate_series(1, %(jobs)s) AS n) AS t
"""
AGAIN = """
UPDATE jobs.tb_job_run SET status = 'failed', attempts = 3, worker_id = 'bench:1:0', started_at = now(),
       completed_at = now(), error_category = 'timeout', fingerprint = 'f' WHERE service_name LIKE 'pay%'
"""
LOCKS = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) FILTER (
         WHERE application_name = 'specql-jobs retry'), 0)::float8 AS open_for,
       count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting
  FROM pg_stat_activity WHERE datname = current_database()
"""
STANDING = """
SELECT (SELECT count(*) FROM jobs.tb_job_run WHERE service_name LIKE 'pay%' AND status = 'pending') AS pending,
       (SELECT count(*) FROM jobs.tb_change_job WHERE change_id = c.id AND outcome = 'retried') AS retried,
       (SELECT count(*) FROM jobs.tb_change_job m JOIN jobs.tb_job_run j ON j.id = m.job_id
         WHERE m.change_id = c.id AND (m.outcome = 'retried') <> (j.status = 'pending')) AS disagree, c.id
  FROM jobs.tb_change c ORDER BY c.id DESC LIMIT 1
"""


@dataclass(slots=True)
class Seen:
    """What was noticed beside a retry: seconds of each claim, of its longest transaction, and who waited for locks."""

    claims: list[float] = field(default_factory=list)
    longest: float = 0.0
    waited: int = 0
    looks: int = 0

    def line(self) -> str:
        """Return it for people."""
        parts = statistics.quantiles(self.claims, n=100)
        claims = f"claims p50 {parts[49] * 1000:.1f}, p95 {parts[94] * 1000:.1f}, max {max(self.claims) * 1000:.1f} ms"
        if not self.looks:
            return claims
        return f"{claims}; longest transaction {self.longest * 1000:.0f} ms; {self.waited} waits in {self.looks} looks"


async def ask(connection: db.Connection, statement: str) -> dict[str, Any]:
    """Return the one row of a statement."""
    row = await (await connection.execute(statement.encode())).fetchone()
    assert row is not None
    return row


@asynccontextmanager
async def beside(dsn: str, *, locks: bool) -> AsyncIterator[Seen]:
    """Claim, and look at the locks, for as long as the block lasts."""
    seen, over = Seen(), asyncio.Event()
    tasks = [asyncio.create_task(claim(dsn, seen, over))]
    if locks:
        tasks.append(asyncio.create_task(look(dsn, seen, over)))
    try:
        yield seen
    finally:
        over.set()
        await asyncio.gather(*tasks)


async def claim(dsn: str, seen: Seen, over: asyncio.Event) -> None:
    """Claim batches, one every 20 ms, and give each back."""
    link = Link(dsn, "claim", patience=10, prepare=pin_plans)
    claimer = Claimer(link, WORKER, Scope(), set)
    while not over.is_set():
        begun = time.monotonic()
        await claimer.claim(CLAIMED)
        seen.claims.append(time.monotonic() - begun)
        await asyncio.sleep(0.02)
    await Store((await link.store()).connection).give_back(WORKER)
    await link.close()


async def look(dsn: str, seen: Seen, over: asyncio.Event) -> None:
    """Watch the retry's transactions and everybody's waits."""
    async with await db.connect(dsn, "bench look") as connection:
        while not over.is_set():
            row = await ask(connection, LOCKS)
            seen.longest = max(seen.longest, row["open_for"])
            seen.waited += row["waiting"]
            seen.looks += 1
            await asyncio.sleep(LOOK)


async def command(dsn: str, *words: str) -> asyncio.subprocess.Process:
    """Start the command line on the database."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "specql_jobs.cli", *words, "-o", "json"),
        env={**os.environ, "SPECQL_JOBS_DSN": dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def told(dsn: str, *words: str) -> tuple[dict[str, Any], float]:
    """Run the command line to its end; return its answer and its seconds."""
    begun = time.monotonic()
    out, _ = await (await command(dsn, *words)).communicate()
    return json.loads(out)["data"], time.monotonic() - begun


async def prepare(connection: db.Connection, failed: int, finished: int) -> None:
    """Bring the database to the numbers asked for."""
    await migrate.migrate(connection)
    await fill(connection, finished)
    await connection.execute((FAIL % {"jobs": failed}).encode())
    await enqueue(Store(connection), PENDING)
    await connection.execute("VACUUM (ANALYZE) jobs.tb_job_run")


async def measure(dsn: str, failed: int, finished: int) -> None:
    """Print all figures."""
    chosen = ("retry", "-s", "failed", "--service", "pay0,pay1,pay2")
    async with await db.connect(dsn, "bench") as connection:
        await prepare(connection, failed, finished)
        previews = [await told(dsn, *chosen, "--dry-run") for _ in range(PREVIEWS)]
        matched = previews[0][0]["counts"]["matched"]
        print(f"preview of {matched:,} jobs, the whole command: {min(each[1] for each in previews):.2f} s", flush=True)
        async with beside(dsn, locks=False) as seen:
            await asyncio.sleep(5)
        print(f"  nothing beside:      {seen.line()}", flush=True)
        for pace in ((), ("--rate", "1000/s")):
            async with beside(dsn, locks=True) as seen:
                done, seconds = await told(dsn, *chosen, "--yes", "--reason", "bench", *pace)
            print(f"retry {' '.join(pace)}: {done['counts']['applied']:,} jobs in {seconds:.1f} s", flush=True)
            print(f"  beside the retry:    {seen.line()}", flush=True)
            await connection.execute(AGAIN)
            await connection.execute("VACUUM (ANALYZE) jobs.tb_job_run")
        await kill(connection, dsn, chosen, matched)


async def kill(connection: db.Connection, dsn: str, chosen: tuple[str, ...], matched: int) -> None:
    """Kill the client when a third is done, say how rows and ledger stand, and have the rest done."""
    process = await command(dsn, *chosen, "--yes", "--reason", "killed")
    before = (await ask(connection, STANDING))["id"]
    while (found := await ask(connection, STANDING))["id"] == before or found["retried"] < matched / 3:  # noqa: ASYNC110 - rows tell, no event
        await asyncio.sleep(LOOK)
    process.kill()
    await process.wait()
    found = await ask(connection, STANDING)
    print(f"killed: {found['retried']:,} in the ledger, {found['pending']:,} pending, {found['disagree']} disagree")
    done, seconds = await told(dsn, "changes", "resume", str(found["id"]))
    print(f"resumed: {done['counts']}, state {done['state']}, {seconds:.1f} s")
    print(f"  {await ask(connection, STANDING)}")


def main() -> None:
    """Run on a database of its own, or on the one of --folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failed", type=int, default=100_000)
    parser.add_argument("--finished", type=int, default=0, help="rows of history beside them")
    parser.add_argument("--folder", type=Path, help="keep the database there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sqj-bulk-", dir="/tmp") as made:
        server = EmbeddedServer(given.folder or Path(made))
        server.join()
        try:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            asyncio.run(measure(server.dsn, given.failed, given.finished))
        finally:
            server.leave()


if __name__ == "__main__":
    main()
