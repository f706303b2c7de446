"""No-op jobs that wait in the queue, to fully completed: jobs/s, processor time and memory; ours beside every peer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import floor
from session import Session
from sides import OURS, SideOf
from working import Crew


def throughput(session: Session) -> None:
    """One process, two processes, and one with a hundred jobs at a time."""
    for processes, concurrency in ((1, None), (2, None), (1, 100)):
        at = "each side's best batch" if concurrency is None else f"batch or concurrency {concurrency}"
        runs: dict[str, Callable[[], dict[str, float]]] = {
            side.name: partial(_drained, session, side, processes, concurrency) for side in session.sides
        }
        if processes == 1 and concurrency is None:
            runs |= floor.floors(session)
        title = f"{session.jobs:,} no-op jobs, {processes} process{'es' if processes > 1 else ''}, {at}"
        session.in_turns("throughput", title, runs)


def _drained(session: Session, side: SideOf, processes: int, concurrency: int | None) -> dict[str, float]:
    with session.stage.queue(side, side.jobs(session.jobs)) as dsn:
        return _worked_off(session, Crew(side, dsn, processes, concurrency or side.concurrency))


def _worked_off(session: Session, crew: Crew) -> dict[str, float]:
    """Let processes work a filled queue off; from their start to the last row written."""
    jobs = crew.side.jobs(session.jobs)
    with crew:
        begin, used, served = time.monotonic(), crew.cpu_seconds(), session.stage.server.cpu_seconds()
        crew.go()
        crew.reach(jobs)
        seconds = crew.settle() - begin
        used, served = crew.cpu_seconds() - used, session.stage.server.cpu_seconds() - served
        return {
            "jobs/s": jobs / seconds,
            "worker CPU, us/job": used / jobs * 1e6,
            "Postgres CPU, us/job": served / jobs * 1e6,
            "RSS of one, MiB": crew.memory_mib(),
        }


def limits(session: Session) -> None:
    """What limits that are counted and never reached, and a hundred tenants, cost the same jobs."""
    cases = {
        OURS.name: ("bulk", ()),
        "limits that are not reached": ("bulk", ("limited",)),
        "100 tenants": ("tenants", ()),
    }

    def run(how: str, words: Sequence[str], processes: int) -> dict[str, float]:
        with session.stage.queue(OURS, session.jobs, how) as dsn:
            return _worked_off(session, Crew(OURS, dsn, processes, OURS.concurrency, words))

    for processes in (1, 2):
        runs = {name: partial(run, how, words, processes) for name, (how, words) in cases.items()}
        title = f"{session.jobs:,} no-op jobs of one service, {processes} process{'es' if processes > 1 else ''}"
        session.in_turns("limits", title, runs)


def memory(session: Session) -> None:
    """Resident memory of one process after some, many and very many jobs: what leaks shows."""
    marks = (5_000, 20_000) if session.quick else (10_000, 50_000, 200_000)
    sides = [side for side in session.sides if side.scale == 1.0]
    runs = {side.name: partial(_grown, session, side, marks) for side in sides}
    session.in_turns("memory", "RSS in MiB after so many jobs, batch or concurrency 100", runs, rounds=1)


def _grown(session: Session, side: SideOf, marks: tuple[int, ...]) -> dict[str, float]:
    found = {}
    with session.stage.queue(side, marks[-1]) as dsn, Crew(side, dsn, 1, 100) as crew:
        crew.go()
        for mark in marks:
            crew.reach(mark)
            found[f"{mark:,}"] = crew.memory_mib(peak=False)
    return found
