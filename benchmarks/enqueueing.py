"""Enqueued jobs per second: each side's single call, its best bulk call, and the ways that SQL has."""

from __future__ import annotations

from functools import partial

from session import Session
from sides import OURS, SideOf
from working import call

SINGLES, BULK_JOBS = 2_000, 50_000

#: Our further ways: what each is called in the table.
IN_SQL = {"single-sql": "one by one, SELECT jobs.enqueue(…)", "sql": "jobs.enqueue over a query", "copy": "COPY"}


def enqueue(session: Session) -> None:
    """One job and one commit at a time, then 1,000 jobs a call; one connection."""
    part = 0.2 if session.quick else 1.0
    for how, title, jobs in (("single", "one by one", SINGLES), ("bulk", "1,000 at a time", BULK_JOBS)):
        runs = {side.name: partial(_enqueued, session, side, how, int(jobs * part)) for side in session.sides}
        for ours, name in IN_SQL.items():
            if ours.startswith("single") == (how == "single"):
                runs[name] = partial(_enqueued, session, OURS, ours, int(jobs * part))
        session.in_turns("enqueue", title, runs)


def _enqueued(session: Session, side: SideOf, how: str, jobs: int) -> dict[str, float]:
    if side.scale < 1 and not how.startswith("single"):
        jobs //= 5
    with session.stage.queue(side) as dsn:
        served = session.stage.server.cpu_seconds()
        seconds = call(side, "enqueue", dsn, str(jobs), how)["seconds"]
        served = session.stage.server.cpu_seconds() - served
        return {"jobs/s": jobs / seconds, "Postgres CPU, us/job": served / jobs * 1e6}
