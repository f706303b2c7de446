"""How fast a queue is worked off that is long, old, busy, or watched by a transaction that does not end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from server import execute
from session import Session
from sides import OURS, SideOf
from working import Crew, call

CHUNK = 100_000

#: Between the bursts of the churn, and the jobs of one.
CHURN_EVERY, CHURN_JOBS = 0.1, 1_000

FINISHED = """
INSERT INTO jobs.tb_job_run
  (service_name, operation, execution_type, input_data, output_data, resource_usage, status, attempts,
   max_attempts, lease_seq, worker_id, runner_version, registry_digest,
   created_at, run_at, started_at, completed_at, updated_at)
SELECT 'noop', 'run', 'http', jsonb_build_object('n', n), jsonb_build_object('n', n), '{{"duration_seconds": 0.001}}',
       CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'completed' END, 1, 4, 1, 'bench', 'noop/1', repeat('0', 64),
       t, t, t, t, t
  FROM (SELECT n, now() - interval '30 days' + n * interval '1 second' AS t
          FROM generate_series({first}, {last}) AS n) AS old
"""


def backlog(session: Session) -> None:
    """A short and a long queue on every side; a long one with our finished rows still there."""
    long = 40_000 if session.quick else 200_000
    sides = [side for side in session.sides if side.scale == 1.0]
    for pending in (long,) if session.quick else (session.jobs, long):
        runs = {side.name: partial(_of_long_queue, session, side, pending) for side in sides}
        title = f"jobs/s of one process, {pending:,} pending"
        if pending == long:
            runs[f"{OURS.name}, {session.finished:,} finished rows"] = partial(_of_old_queue, session, long)
        session.in_turns("backlog", title, runs, rounds=1)


def _of_long_queue(session: Session, side: SideOf, pending: int) -> dict[str, float]:
    with session.stage.queue(side, pending) as dsn:
        return _under_all(session, side, dsn, pending)


def _of_old_queue(session: Session, pending: int) -> dict[str, float]:
    with session.stage.queue(OURS) as dsn:
        for first in range(1, session.finished + 1, CHUNK):
            execute(dsn, FINISHED.format(first=first, last=min(first + CHUNK - 1, session.finished)))
        call(OURS, "enqueue", dsn, str(pending), "bulk")
        execute(dsn, "VACUUM ANALYZE jobs.tb_job_run")
        return _under_all(session, OURS, dsn, pending)


def _under_all(session: Session, side: SideOf, dsn: str, pending: int) -> dict[str, float]:
    """Work a part off in each condition, the queue made as long again before each."""
    part = min(session.jobs, pending) * 9 // 10
    top_up = partial(call, side, "enqueue", dsn, str(part), "bulk")
    found = {"quiet": _rate(side, dsn, part)}
    top_up()
    with _churn(side, dsn):
        found["while jobs come in"] = _rate(side, dsn, part)
    top_up()
    with _snapshot(dsn):
        found["under a held snapshot"] = _rate(side, dsn, part)
        top_up()
        found["and later under it"] = _rate(side, dsn, part)
    return found


def _rate(side: SideOf, dsn: str, jobs: int) -> float:
    """Return the jobs/s of one process between its first job and so many."""
    with Crew(side, dsn, 1, side.concurrency) as crew:
        crew.go()
        begin, first = crew.reach(1), crew.count
        return (jobs - first) / (crew.reach(jobs) - begin)


@contextmanager
def _churn(side: SideOf, dsn: str) -> Iterator[None]:
    """Enqueue a burst every 100 ms: 10,000 jobs/s."""
    command = [*side.command, "produce", dsn, str(CHURN_JOBS * 10_000), str(CHURN_EVERY), "bulk"]
    with subprocess.Popen(command, env={**os.environ, **side.environment()}, stdout=subprocess.DEVNULL) as producer:
        try:
            yield
        finally:
            producer.kill()


@contextmanager
def _snapshot(dsn: str) -> Iterator[None]:
    """Hold a snapshot, as a long report or an idle transaction does: nothing that dies meanwhile can be removed."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        yield
