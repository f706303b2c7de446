"""What an operator reads at 3 a.m., beside ten million ended jobs: how long each command takes, and by which plan.

    python benchmarks/triage.py --folder /tmp/sqj-triage      fills 10,000,000 rows (5 GB), then measures
    python benchmarks/triage.py --finished 200000             a small one, in a folder that is removed

Whole commands as processes, their start included: the first run, and the median of three. Ended jobs are spread over
120 days; on top of them comes an incident: 100,000 jobs completed and 4,000 failed within the last hour, after three
attempts each, and 50,000 wait. tests/postgres/test_read_plans.py holds which indexes are used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from large_queue import count, fill
from measuring import HERE

from specql_jobs.cli.worker_process import in_loop
from specql_jobs.core.store import db, migrate
from specql_jobs.core.store.embedded import EmbeddedServer

RUNS = 3
SLOWEST = 60  # seconds that one command may take

#: The last hour: of each 26 jobs one fails after three attempts; seven services, three tenants, nine workers.
INCIDENT = """
INSERT INTO jobs.tb_job_run
  (service_name, operation, execution_type, input_data, status, attempts, max_attempts, lease_seq, worker_id, tenant_id,
   error_category, error_message, fingerprint, created_at, run_at, started_at, completed_at, updated_at)
SELECT CASE WHEN n % 26 = 0 THEN 'payments' ELSE 'svc' || n % 7 END, CASE WHEN n % 26 = 0 THEN 'charge' ELSE 'op' END,
       CASE n % 3 WHEN 0 THEN 'HTTP' ELSE 'shell' END,
       jsonb_build_object('customer', jsonb_build_object('id', n % 1000)),
       CASE WHEN n % 26 = 0 THEN 'failed' ELSE 'completed' END, CASE WHEN n % 26 = 0 THEN 3 ELSE 1 END, 3, 3,
       'host' || n % 9 || ':1:0', ('6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b1' || n % 3)::uuid,
       CASE WHEN n % 26 = 0 THEN 'target_unavailable' END,
       CASE WHEN n % 26 = 0 THEN 'the target answered with status 503' END,
       CASE WHEN n % 26 = 0 THEN 'f503f503f50' || n / 26 % 3 END, at - interval '2 min', at - interval '2 min',
       at - n % 900 * interval '1 ms', at, at
  FROM (SELECT n, now() - n * interval '34 ms' AS at FROM generate_series(1, 104000) AS n) AS t;
INSERT INTO jobs.tb_job_run (service_name, operation, run_at, created_at)
SELECT 'svc' || n % 7, 'op', now() - n * interval '20 ms', now() - n * interval '20 ms'
  FROM generate_series(1, 50000) AS n;
INSERT INTO jobs.tb_job_run (service_name, operation, status, started_at, worker_id, lease_seq)
SELECT 'svc' || n % 7, 'op', 'running', now(), 'host' || n % 9 || ':1:0', 1
  FROM generate_series(1, 100) AS n;
INSERT INTO jobs.tb_job_attempt
  (job_id, lease_seq, attempt, worker_id, started_at, ended_at, error_category, error_message, fingerprint,
   resource_usage)
SELECT j.id, k, k, j.worker_id, j.started_at, j.completed_at - (3 - k) * interval '5 s', j.error_category,
       j.error_message, j.fingerprint, '{"status_code": 503}'
  FROM jobs.tb_job_run j CROSS JOIN generate_series(1, 3) AS k WHERE j.status = 'failed'
"""

COMMANDS = (
    "version",
    "list --limit 50",
    "list --status failed --since 1h --limit 50",
    "list --service svc3 --since 1h --limit 50",
    "list --status pending --limit 50",
    "list --fingerprint f503f503f501 --limit 50",
    "list --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 --limit 50",
    "list --input customer.id=42 --since 1h --limit 50",
    "list --category target_unavailable --limit 50",
    "show {id}",
    "errors --since 1h",
    "errors --since 1d --service noop",
    "errors --since 1h --group-by worker",
    "count",
    "count --group-by status",
    "count --status failed --group-by service,operation",
    "count --since 1h --group-by service",
    "count --since 1d --group-by hour",
    "count --service noop",
    "stats",
    "stats --by worker",
    "stats --since 1d --by type",
    "list --service nowhere --limit 50",
    "list --error 503 --limit 50",
)


async def prepare(dsn: str, finished: int) -> str:
    """Fill what is missing, and return the id of a failed job."""
    async with await db.connect(dsn) as connection:
        await migrate.migrate(connection)
        begun = time.monotonic()
        if not await count(connection, "count(*) FROM jobs.tb_worker WHERE worker_id = 'filled'"):
            await fill(connection, finished)
            await connection.execute(b"SET session_replication_role = replica")
            await connection.execute(INCIDENT.encode())
            await connection.execute(b"RESET session_replication_role")
            await connection.execute(
                b"INSERT INTO jobs.tb_worker (worker_id, host, pid, version, lock_key, concurrency, state)"
                b" VALUES ('filled', 'bench', 1, '0', 1, 1, 'stopped')"
            )
        await connection.execute(b"VACUUM (ANALYZE) jobs.tb_job_run")
        await connection.execute(b"VACUUM (ANALYZE) jobs.tb_job_attempt")
        size = await count(connection, "pg_total_relation_size('jobs.tb_job_run')")
        print(f"{finished:,} ended jobs, {size / 2**30:.1f} GiB with indexes, {time.monotonic() - begun:.0f} s to fill")
        row = await (
            await connection.execute(
                b"SELECT id FROM jobs.tb_job_run WHERE status = 'failed' ORDER BY completed_at DESC LIMIT 1"
            )
        ).fetchone()
        assert row is not None
        return str(row["id"])


def run(words: list[str], dsn: str) -> float:
    """Run one command, its answer thrown away; return seconds, or infinity where it took too long."""
    env = {**os.environ, "SPECQL_JOBS_DSN": dsn, "PYTHONPATH": os.pathsep.join(sys.path)}
    begun = time.monotonic()
    try:
        subprocess.run(
            [sys.executable, "-m", "specql_jobs.cli", *words],
            env=env, cwd=HERE, check=True, timeout=SLOWEST, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return float("inf")
    return time.monotonic() - begun


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--finished", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="keep the database there; delete it yourself")
    parser.add_argument("--only", default="", help="commands that contain this text")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sqj-triage-", dir="/tmp") as made:
        server = EmbeddedServer(given.folder or Path(made))
        server.join()
        try:
            id_ = in_loop(prepare(server.dsn, given.finished))
            print(
                f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; seconds of {RUNS} runs: first, median",
                flush=True,
            )
            for each in COMMANDS:
                if given.only in each:
                    times = [run(each.format(id=id_).split(), server.dsn) for _ in range(RUNS)]
                    print(f"  {times[0]:6.2f} {statistics.median(times):6.2f}  {each}", flush=True)
        finally:
            server.leave()


if __name__ == "__main__":
    main()
