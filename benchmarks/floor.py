"""What Postgres itself does here, driven by pgbench: the limit that every queue on it has, and the limit of our table.

Bare: a table of an id, a status, a time and a document, one partial index; claim a batch, complete it, two commits.
Ours: our table with its indexes and its audit trail; jobs.claim and then the settling statement, with no worker around.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from server import database, execute
from session import Session
from sides import OURS

BATCH = 200

BARE_TABLE = (
    "CREATE TABLE job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL DEFAULT 'pending', "
    "run_at timestamptz NOT NULL DEFAULT now(), document jsonb, output jsonb, finished_at timestamptz) "
    "WITH (fillfactor = 80)"
)
BARE_INDEX = "CREATE INDEX ON job (run_at, id) WHERE status = 'pending'"
BARE_JOBS = "INSERT INTO job (document) SELECT jsonb_build_object('n', n) FROM generate_series(1, {jobs}) AS n"
BARE_TURN = f"""
WITH taken AS (
  UPDATE job SET status = 'running' WHERE id = ANY (ARRAY(
    SELECT id FROM job WHERE status = 'pending' AND run_at <= now() ORDER BY run_at, id LIMIT {BATCH}
       FOR UPDATE SKIP LOCKED))
  RETURNING id
) SELECT coalesce(array_agg(id), '{{}}') AS ids FROM taken \\gset
UPDATE job SET status = 'completed', finished_at = now(), output = '{{"n": 1}}' WHERE id = ANY (:ids::bigint[]);
"""

OUR_JOBS = (
    "INSERT INTO jobs.tb_job_run (service_name, operation, input_data) "
    "SELECT 'noop', 'run', jsonb_build_object('n', n) FROM generate_series(1, {jobs}) AS n"
)
#: The worker's two statements, with constants where it sends arrays.
OUR_TURN = f"""
WITH taken AS (
  SELECT id, lease_seq FROM jobs.claim('bench', '{{0}}', '{{noop}}', '{{run}}',
                                       '{{00000000-0000-0000-0000-000000000000}}', '{{http}}',
                                       '{{-infinity}}', '{{{BATCH}}}', {BATCH})
) SELECT coalesce(array_agg(id), '{{}}') AS ids, coalesce(array_agg(lease_seq), '{{}}') AS leases FROM taken \\gset
WITH settled AS (
  UPDATE jobs.tb_job_run j
     SET status = 'completed', completed_at = now(), updated_at = now(), output_data = '{{"n": 1}}',
         resource_usage = '{{"duration_seconds": 0.001}}', max_attempts = 4, execution_type = 'http',
         runner_version = 'noop/1', registry_digest = repeat('0', 64)
    FROM unnest(:ids::uuid[], :leases::bigint[]) AS s (id, lease)
   WHERE j.id = s.id AND coalesce(j.status, '') = 'running' AND j.lease_seq = s.lease
  RETURNING j.id, j.lease_seq, j.attempts, j.service_name, j.operation, j.tenant_id, j.started_at
) INSERT INTO jobs.tb_audit_event
    (chain, outcome, job_id, lease_seq, attempt, service_name, operation, execution_type, tenant_id, status, worker_id,
     runner_version, registry_digest, policy_digest, duration_ms)
  SELECT 'bench' || :client_id, 'succeeded', id, lease_seq, attempts, service_name, operation, 'http', tenant_id,
         'completed', 'bench', 'noop/1', repeat('0', 64), repeat('0', 64), extract(epoch FROM now() - started_at) * 1000
    FROM settled;
"""

TPS = re.compile(r"tps = ([0-9.]+)")


def floors(session: Session) -> dict[str, Callable[[], dict[str, float]]]:
    """Return the floors as sides of the throughput of one process."""
    return {
        f"pgbench, bare table, batch {BATCH}": partial(_bare, session),
        f"pgbench, our table, batch {BATCH}": partial(_ours, session),
    }


def _bare(session: Session) -> dict[str, float]:
    with database(session.stage.server) as dsn:
        execute(dsn, BARE_TABLE, BARE_INDEX, BARE_JOBS.format(jobs=session.jobs), "VACUUM ANALYZE job")
        return _turned(session, dsn, BARE_TURN)


def _ours(session: Session) -> dict[str, float]:
    with session.stage.queue(OURS) as dsn:
        execute(dsn, OUR_JOBS.format(jobs=session.jobs), "VACUUM ANALYZE jobs.tb_job_run")
        return _turned(session, dsn, OUR_TURN)


def _turned(session: Session, dsn: str, turn: str) -> dict[str, float]:
    """Run the script once per batch by one client."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(turn.replace(" \n", "\n"))
        script.flush()
        served, turns = session.stage.server.cpu_seconds(), session.jobs // BATCH
        pgbench = str(Path(session.stage.server.programs, "pgbench"))
        words = [pgbench, "-n", "-M", "prepared", "-t", str(turns), "-f", script.name, dsn]
        done = subprocess.run(words, capture_output=True, check=True, text=True)
        found = TPS.search(done.stdout)
        if found is None:
            raise SystemExit(f"pgbench said: {done.stdout}{done.stderr}")
        served = session.stage.server.cpu_seconds() - served
        return {"jobs/s": float(found[1]) * BATCH, "Postgres CPU, us/job": served / session.jobs * 1e6}
