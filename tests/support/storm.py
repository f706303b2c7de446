"""Many jobs through several worker processes while workers are killed and PostgreSQL is restarted; then the reckoning.

By hand, from the checkout (ten minutes):

    PYTHONPATH=tests .venv/bin/python -m support.storm --jobs 100000 --workers 4 --kill-every 2 --restarts 2
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from specql_jobs.core.job import NewJob
from specql_jobs.core.store import audit, db, migrate
from specql_jobs.core.store.store import Store

from .ledger import Execution, Ledger
from .postgres import Server, serve_private
from .processes import COMMAND, Started, started
from .registries import far_end

BATCH: Final = 1000  # jobs of one enqueue statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How large the storm is. Seconds, unless said otherwise; kills and restarts are spread over the jobs' progress."""

    jobs: int
    workers: int = 4
    concurrency: int = 25
    work: float = 0.02  # what one execution takes at the far end
    kill_every: float | None = None  # by the clock; None: `kills` of them, spread
    kills: int = 0
    restarts: int = 2
    patience: float = 120.0  # without a single further job's end


@dataclass(slots=True)
class Reckoning:
    """What came of it: the ledger's executions beside the rows, the audit events and the kept attempts."""

    terms: Terms
    seconds: float = 0.0
    kills: int = 0
    restarts: int = 0
    overlaps: int = 0
    executions: list[Execution] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    breaks: int = 0

    def check(self) -> None:
        """Fail unless every job ended once and every result is of the lease that it is recorded under."""
        assert len(self.rows) == self.terms.jobs
        assert {row["status"] for row in self.rows} <= {"completed", "failed"}
        assert self.breaks == 0
        self._every_lease_ended_once()
        self._every_result_is_of_its_own_lease()
        self._every_execution_is_accounted_for()
        assert self.overlaps == 0

    def _every_lease_ended_once(self) -> None:
        leases = Counter((event["job_id"], event["lease_seq"]) for event in self.events)
        assert not [key for key, count in leases.items() if count > 1]
        ends = Counter(event["job_id"] for event in self.events if event["status"] in ("completed", "failed"))
        assert ends == Counter({row["id"]: 1 for row in self.rows})

    def _every_result_is_of_its_own_lease(self) -> None:
        by_number = {execution.number: execution for execution in self.executions}
        done = {event["job_id"]: event for event in self.events if event["outcome"] == "succeeded"}
        for row in self.rows:
            if row["status"] == "completed":
                source = by_number[row["execution"]]
                assert source.answered
                assert (UUID(source.job), source.lease) == (row["id"], row["lease_seq"])
                assert done[row["id"]]["lease_seq"] == row["lease_seq"]

    def _every_execution_is_accounted_for(self) -> None:
        """At most one execution a lease, and each lease that executed ended with an audit event of its own."""
        executed = Counter((UUID(each.job), each.lease) for each in self.executions)
        assert set(executed.values()) <= {1}
        assert executed.keys() <= {(event["job_id"], event["lease_seq"]) for event in self.events}

    def __str__(self) -> str:
        statuses = Counter(row["status"] for row in self.rows)
        outcomes = Counter(event["outcome"] for event in self.events)
        terms, crashed = self.terms, sum(row["crash_count"] > 0 for row in self.rows)
        unanswered = sum(not each.answered for each in self.executions)
        return (
            f"{terms.jobs} jobs, {terms.workers} workers of concurrency {terms.concurrency}: {self.seconds:.0f} s, "
            f"{terms.jobs / self.seconds:.0f} jobs/s; {self.kills} killed, {self.restarts} restarts of Postgres\n"
            f"rows: {dict(statuses)}; crashed at least once: {crashed}, "
            f"most crashes of one job: {max(row['crash_count'] for row in self.rows)}\n"
            f"ended leases: {dict(outcomes)}\n"
            f"executions in the ledger: {len(self.executions)} ({unanswered} without an answer), "
            f"two at once on one job: {self.overlaps}"
        )


class Storm:
    """One run: the server, the ledger and the worker processes of the moment."""

    def __init__(self, terms: Terms, server: Server, ledger: Ledger, folder: Path) -> None:
        self.terms = terms
        self.server = server
        self.ledger = ledger
        self.reckoning = Reckoning(terms)
        self._registry = folder / "services.yaml"
        self._registry.write_text(far_end(ledger.url, "ledger", note={"max_retries": 50, "timeout": 60}))
        self._workers: list[Started] = []
        self._processes = AsyncExitStack()
        self._last_failure: Exception | None = None

    async def run(self) -> Reckoning:
        """Enqueue, work under fire until every job has ended, stop the workers, and count."""
        await self._enqueue()
        began = time.monotonic()
        async with self._processes:
            for _ in range(self.terms.workers):
                self._start_worker()
            await self._under_fire()
            self.reckoning.seconds = time.monotonic() - began
            for worker in self._workers:
                worker.terminate()
            for worker in self._workers:
                code = await asyncio.to_thread(worker.finish)
                assert code == 0 or "worker_started" not in worker.said(), worker.said()
        await self._count()
        return self.reckoning

    async def _enqueue(self) -> None:
        async with await db.connect(self.server.dsn) as connection:
            await migrate.migrate(connection)
            for first in range(0, self.terms.jobs, BATCH):
                numbers = range(first, min(first + BATCH, self.terms.jobs))
                await Store(connection).enqueue([NewJob("ledger", "note", f'{{"n": {n}}}') for n in numbers])

    def _start_worker(self) -> None:
        words = ("--registry", str(self._registry), "--concurrency", str(self.terms.concurrency))
        begin = started(str(COMMAND), "worker", *words, "--dsn", self.server.dsn)
        self._workers.append(self._processes.enter_context(begin))

    # ---- under fire -------------------------------------------------------------------------------------------------

    async def _under_fire(self) -> None:
        """Kill and restart as the terms say, until nothing is open."""
        restarts = [(n + 1) / (self.terms.restarts + 1) for n in range(self.terms.restarts)]
        kills = [(n + 1) / (self.terms.kills + 1) for n in range(self.terms.kills)]
        ended, since, next_kill = 0, time.monotonic(), time.monotonic()
        while ended < self.terms.jobs:
            found = await self._ended()
            if found > ended:
                ended, since = found, time.monotonic()
            assert time.monotonic() < since + self.terms.patience, self._stuck(ended)
            self._replace_those_that_found_no_database()
            if self.terms.kill_every and time.monotonic() > next_kill:
                next_kill = time.monotonic() + self.terms.kill_every
                await self._kill_one()
            if kills and ended > kills[0] * self.terms.jobs:
                kills.pop(0)
                await self._kill_one()
            if restarts and ended > restarts[0] * self.terms.jobs:
                restarts.pop(0)
                await self._restart()
            await asyncio.sleep(0.1)

    async def _ended(self) -> int:
        """How many jobs are no longer open; counted from the open ones, which are few in the end."""
        try:
            async with await db.connect(self.server.dsn) as connection:
                sql = "SELECT count(*) AS n FROM jobs.tb_job_run WHERE status IN ('pending', 'running')"
                row = await (await connection.execute(sql)).fetchone()
        except db.FAILURES as error:
            self._last_failure = error
            return 0
        assert row is not None
        return self.terms.jobs - int(row["n"])

    async def _kill_one(self) -> None:
        victim = self._workers.pop(random.randrange(len(self._workers)))
        await asyncio.to_thread(victim.kill)
        self.reckoning.kills += 1
        self._start_worker()

    async def _restart(self) -> None:
        """The planned way first, then as a power cut would."""
        self.reckoning.restarts += 1
        await asyncio.to_thread(self.server.restart if self.reckoning.restarts % 2 else self.server.crash)

    def _stuck(self, ended: int) -> str:
        said = "\n".join(worker.said()[-1000:] for worker in self._workers)
        return f"{ended} of {self.terms.jobs} jobs have ended; last failure: {self._last_failure}; the workers:\n{said}"

    def _replace_those_that_found_no_database(self) -> None:
        """As a supervisor would; one that had started has no other reason to end than a kill."""
        for worker in [each for each in self._workers if not each.running]:
            assert worker.finish() == 5, worker.said()
            assert "worker_started" not in worker.said(), worker.said()
            self._workers.remove(worker)
            self._start_worker()

    # ---- afterwards -------------------------------------------------------------------------------------------------

    async def _count(self) -> None:
        self.reckoning.executions = self.ledger.executions
        self.reckoning.overlaps = len(self.ledger.overlaps)
        async with await db.connect(self.server.dsn) as connection:
            self.reckoning.rows = await _all(
                connection,
                "SELECT id, status, lease_seq, crash_count, (output_data->>'execution')::int AS execution "
                "FROM jobs.tb_job_run",
            )
            self.reckoning.events = await _all(
                connection, "SELECT job_id, lease_seq, outcome, status FROM jobs.tb_audit_event"
            )
            self.reckoning.breaks = len((await audit.verify(connection)).breaks)


async def _all(connection: db.Connection, sql: str) -> list[dict[str, Any]]:
    return await (await connection.execute(sql.encode())).fetchall()


async def storm(terms: Terms, server: Server, folder: Path) -> Reckoning:
    """Run one storm on a server of its own."""
    async with Ledger(terms.work) as ledger:
        return await Storm(terms, server, ledger, folder).run()


def main(words: Sequence[str] | None = None) -> None:
    """Run a storm by hand on a durable server, check it, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=25)
    parser.add_argument("--kill-every", type=float, default=2.0, help="seconds")
    parser.add_argument("--restarts", type=int, default=2)
    given = parser.parse_args(words)
    with serve_private(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        reckoning = asyncio.run(storm(Terms(**vars(given)), server, Path(folder)))
    print(reckoning)  # noqa: T201 - run by hand
    reckoning.check()


if __name__ == "__main__":
    main()
