"""How soon an idle worker starts a job, and how soon the jobs of a killed worker are taken over."""

from __future__ import annotations

import os
import signal
import statistics
import time
from functools import partial

import psycopg
from session import Session
from sides import OURS, SideOf
from working import Working, call

PICKUPS = 200
PICKUP_EVERY = 0.02  # seconds
SETTLING_IN = 2.5  # seconds until a worker that has just started is idle
HELD = 50


def pickup(session: Session) -> None:
    """Commit to start of the handler, idle worker, one job every 20 ms; the floor is LISTEN/NOTIFY alone."""
    jobs = 100 if session.quick else PICKUPS
    runs = {side.name: partial(_latencies, session, side, jobs) for side in session.sides}
    runs["LISTEN/NOTIFY alone"] = partial(_floor, session, jobs)
    session.in_turns("pickup", f"ms from the commit to the handler, {jobs} single jobs", runs)


def _latencies(session: Session, side: SideOf, jobs: int) -> dict[str, float]:
    with session.stage.queue(side) as dsn:
        worker = Working(side, dsn, 10, "timed")
        try:
            worker.ready()
            worker.go()
            time.sleep(SETTLING_IN)
            committed = dict(call(side, "produce", dsn, str(jobs), str(PICKUP_EVERY))["committed"])
            deadline = time.monotonic() + 10
            while worker.count < jobs and time.monotonic() < deadline:
                time.sleep(0.02)
        finally:
            started = dict(worker.end().get("started", ()))
    return _percentiles([(at - committed[n]) * 1000 for n, at in started.items()])


def _floor(session: Session, jobs: int) -> dict[str, float]:
    """One NOTIFY to its receipt on another connection, its commit included: nothing can be quicker."""
    found = []
    admin = session.stage.server.admin
    with psycopg.connect(admin, autocommit=True) as one, psycopg.connect(admin, autocommit=True) as other:
        one.execute("LISTEN floor")
        for _ in range(jobs):
            sent = time.monotonic()
            other.execute("NOTIFY floor")
            list(one.notifies(timeout=1.0, stop_after=1))
            found.append((time.monotonic() - sent) * 1000)
    return _percentiles(found)


def _percentiles(found: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(found, n=100)
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def recovery(session: Session) -> None:
    """kill -9 of a worker with 50 jobs running, until another worker has started the first and the last of them."""
    session.in_turns(
        "recovery", f"seconds from kill -9 of a worker with {HELD} jobs", {OURS.name: partial(_taken_over, session)}, 1
    )


def _taken_over(session: Session) -> dict[str, float]:
    with session.stage.queue(OURS, HELD) as dsn:
        killed, other = Working(OURS, dsn, HELD, "hold"), Working(OURS, dsn, HELD, "timed")
        try:
            killed.ready()
            killed.go()
            _wait(dsn, f"SELECT count(*) = {HELD} FROM jobs.tb_job_run WHERE status = 'running'")
            other.ready()
            other.go()
            _wait(dsn, "SELECT count(*) = 2 FROM jobs.tb_worker WHERE state = 'running'")
            # For 15 s after its start Postgres' free locks prove nothing.
            _wait(dsn, "SELECT pg_postmaster_start_time() < clock_timestamp() - interval '16 seconds'")
            os.kill(killed.process.pid, signal.SIGKILL)
            at = time.monotonic()
            while other.count < HELD and time.monotonic() < at + 60:
                time.sleep(0.02)
        finally:
            killed.process.kill()
            started = [when - at for _, when in other.end()["started"]]
    return {"first job taken over": min(started), "last": max(started)}


def _wait(dsn: str, question: str) -> None:
    deadline = time.monotonic() + 60
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute(question.encode()).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise SystemExit(f"waited in vain: {question}")
            time.sleep(0.02)
