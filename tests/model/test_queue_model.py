"""Any order of verbs, from two workers and a person, leaves the table as the model of the queue says.

The usual run takes the same few dozen programs every time; `--hypothesis-profile=long` looks for new ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.queue import claim
from support.queue_model import DEFAULT_MAX_ATTEMPTS, KINDS, OPEN, Lease, ModelJob

from specql_jobs.core.contract import Cancelled, Failed, Interrupted, JobResult, LogChunk, Outcome, Refused, Succeeded
from specql_jobs.core.errors import Conflict
from specql_jobs.core.footprint import Violation
from specql_jobs.core.job import Category, JobRecord, NewJob
from specql_jobs.core.lifecycle import TRANSITIONS, RetryPolicy, Settlement, settle
from specql_jobs.core.store import audit, db
from specql_jobs.core.store.store import Scope, Store

LONG: Final = settings.get_profile("long")
BOUNDED: Final = (
    settings(LONG, max_examples=400, stateful_step_count=100)
    if settings.default is LONG
    else settings(
        max_examples=80,
        stateful_step_count=50,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
)

FAR: Final = 3600.0  # seconds; "later" for this test
TENANT: Final = uuid4()
OUTCOMES: Final[dict[str, Outcome]] = {
    "succeed": Succeeded({"ok": True}),
    "fail_final": Failed(Category.TARGET_ERROR, "no"),
    "fail_now": Failed(Category.TARGET_UNAVAILABLE, "down", retryable=True, retry_after=0.0),
    "fail_later": Failed(Category.TARGET_UNAVAILABLE, "down", retryable=True, retry_after=FAR),
    "refuse": Refused((Violation("no", "not allowed", "field"),)),
    "cancel": Cancelled(),
    "interrupt": Interrupted(),
}
PATIENT: Final = RetryPolicy(max_seconds=FAR)
STEPS: Final = {(before.value, after.value) for (before, _), after in TRANSITIONS.items()}

ROWS: Final = """
SELECT j.id, j.status, j.attempts, j.lease_seq, j.crash_count, j.worker_id, j.cancel_requested_at IS NOT NULL AS cancel,
       j.error_category, j.max_attempts, j.run_at <= clock_timestamp() AS due, j.run_at,
       ARRAY(SELECT (e.lease_seq, e.outcome, e.status)::text FROM jobs.tb_audit_event e WHERE e.job_id = j.id
              ORDER BY e.id) AS audit,
       ARRAY(SELECT (a.lease_seq, a.error_category)::text FROM jobs.tb_job_attempt a WHERE a.job_id = j.id
              ORDER BY a.lease_seq) AS kept
  FROM jobs.tb_job_run j
"""

#: What the model pauses, as arguments of jobs.pause().
SCOPES: Final = (
    ("operation", "'svc.op'"),
    ("operation", "'svc.other'"),
    ("tenant_id", f"'{TENANT}'"),
    ("everything", "true"),
)

T = TypeVar("T")
Row = dict[str, Any]


@dataclass
class Life:
    """One identity of one of the two workers."""

    worker_id: str
    store: Store
    state: str = "running"


@dataclass
class Bench:
    """The real side: three sessions on one database."""

    dsn: str
    loop: asyncio.Runner
    person: Store
    workers: list[Store]
    programs: int = field(default=0)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end in the bench's own loop."""
        return self.loop.run(work)

    async def rows(self, sql: str, *parameters: Any) -> list[Row]:
        """Return a statement's rows."""
        cursor = await self.person.connection.execute(sql.encode(), parameters or None)
        return await cursor.fetchall() if cursor.description else []


class QueueMachine(RuleBasedStateMachine):
    """Hypothesis writes the program; `bench` is set by the test."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[UUID, ModelJob] = {}
        self.leases: list[Lease] = []
        self.lives: list[Life] = []
        self.before: dict[UUID, Row] = {}
        self.paused: set[tuple[str, str]] = set()

    @initialize()
    def an_empty_queue(self) -> None:
        """Audit events stay: nobody may delete them, and job ids are never used again."""
        self.bench.run(self.bench.rows("DELETE FROM jobs.tb_job_run"))
        self.bench.run(self.bench.rows("DELETE FROM jobs.tb_worker"))
        self.bench.run(self.bench.rows("DELETE FROM jobs.tb_pause"))
        for store in self.bench.workers:
            self._born(store)

    def _born(self, store: Store) -> None:
        self.bench.programs += 1
        life = Life(f"w{self.bench.programs}", store)
        row = {"worker_id": life.worker_id, "host": "h", "pid": 1, "version": "0", "lock_key": self.bench.programs}
        rest = {"types": [], "services": None, "concurrency": 9, "digest": ""}
        assert self.bench.run(store.register(row | rest))
        self.lives = [each for each in self.lives if each.store is not store] + [life]

    def _life(self, number: int) -> Life:
        return self.lives[number % len(self.lives)]

    # ---- producers --------------------------------------------------------------------------------------------------

    @rule(
        operation=st.sampled_from(["op", "other"]),
        tenant=st.sampled_from([None, TENANT]),
        key=st.sampled_from([None, None, "k1", "k2"]),
        priority=st.integers(-2, 2),
        later=st.booleans(),
        most=st.sampled_from([None, 1, 2, 3]),
        count=st.integers(1, 3),
    )
    def enqueue(  # noqa: PLR0917 - Hypothesis passes them by name
        self,
        operation: str,
        tenant: UUID | None,
        key: str | None,
        priority: int,
        later: bool,
        most: int | None,
        count: int,
    ) -> None:
        """One statement; the same key again gives the same job, and another operation's key is refused whole."""
        delay = FAR if later else None
        new = NewJob(
            "svc",
            operation,
            priority=priority,
            tenant_id=tenant,
            idempotency_key=key,
            max_attempts=most,
            delay_seconds=delay,
        )
        owner = next((job for job in self.jobs.values() if key and (job.key, job.tenant) == (key, tenant)), None)
        if owner is not None and owner.operation != operation:
            with pytest.raises(Conflict):
                self.bench.run(self.bench.person.enqueue([NewJob("svc", operation), new]))
            return
        for made in self.bench.run(self.bench.person.enqueue([new] * count)):
            assert made.duplicate == (owner is not None)
            assert owner is None or made.id == owner.id
            if owner is None:
                self.jobs[made.id] = ModelJob(made.id, operation, priority, tenant, key, most, due=not later)
                owner = self.jobs[made.id] if key else None

    @rule()
    def time_passes(self) -> None:
        """What was put off is due."""
        self.bench.run(self.bench.rows("UPDATE jobs.tb_job_run SET run_at = now() WHERE status = 'pending'"))
        for job in self.jobs.values():
            job.due = True if job.status == "pending" else job.due

    # ---- workers ----------------------------------------------------------------------------------------------------

    @rule(number=st.integers(0, 1), batch=st.integers(1, 4))
    def claim(self, number: int, batch: int) -> None:
        """As much as is there and asked for, each lane in its order; nothing for a worker that was declared lost."""
        life = self._life(number)
        ready = [job for job in self.jobs.values() if self._ready(job)] if life.state == "running" else []
        taken = self._taken(life, self.bench.run(claim(life.store, life.worker_id, batch)))
        assert len(taken) == min(batch, len(ready))
        for job in taken:
            assert all(
                self._place(job) <= self._place(other) for other in ready if other.claimable and other.lane == job.lane
            )

    def _ready(self, job: ModelJob) -> bool:
        """Whether the job is to be claimed: it is due, and no pause covers it."""
        return job.claimable and not self._is_paused(job)

    def _is_paused(self, job: ModelJob) -> bool:
        about = {("everything", "true"), ("operation", f"'svc.{job.operation}'"), ("tenant_id", f"'{job.tenant}'")}
        return bool(about & self.paused)

    def _place(self, job: ModelJob) -> tuple[Any, ...]:
        return -job.priority, self.before[job.id]["run_at"]

    def _taken(self, life: Life, records: Sequence[JobRecord]) -> list[ModelJob]:
        """The model follows a claim; only what was claimable may be in it, and each job once."""
        jobs = [self.jobs[record.id] for record in records]
        assert len({job.id for job in jobs}) == len(jobs)
        for job, record in zip(jobs, records, strict=True):
            assert self._ready(job), f"claimed while {job.status} or paused"
            job.claim(life.worker_id)
            assert (record.lease_seq, record.attempts) == (job.lease_seq, job.attempts)
            self.leases.append(Lease(record, life.worker_id))
        return jobs

    @rule(picks=st.lists(st.tuples(st.integers(0, 30), st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=4))
    def settle(self, picks: list[tuple[int, str, bool]]) -> None:
        """One batch of old and present leases: the present ones are applied, the old ones change nothing."""
        if not self.leases:  # no precondition: what is there may depend on a race, and a program must be repeatable
            return
        chosen = {(each := self._lease(n)).record[:4]: (each, kind, logs) for n, kind, logs in picks}
        worker = next(iter(chosen.values()))[0].worker
        batch = [
            self._settlement(lease, kind, logs=logs) for lease, kind, logs in chosen.values() if lease.worker == worker
        ]
        store = self.lives[0].store
        applied = self.bench.run(store.settle(batch, worker, "digest"))
        expected = set()
        for lease, kind, _ in chosen.values():
            if lease.worker == worker and self.jobs[lease.record.id].settle(lease.record.lease_seq, kind):
                expected.add(lease.record.id)
        assert applied == expected

    def _lease(self, number: int) -> Lease:
        """Rather a late one than an early one: most old leases are of ended jobs."""
        return self.leases[-1 - number % len(self.leases)]

    def _settlement(self, lease: Lease, kind: str, *, logs: bool) -> Settlement:
        said = (LogChunk("stdout", "line\n"),) if logs else ()
        most = lease.record.max_attempts or DEFAULT_MAX_ATTEMPTS
        return settle(lease.record, JobResult(OUTCOMES[kind], logs=said), PATIENT, most, 0.5)

    @rule(number=st.integers(0, 1), some=st.booleans())
    def give_back(self, number: int, some: bool) -> None:
        """What a worker holds, or the first of it, is pending again at no attempt's cost."""
        life = self._life(number)
        held = sorted((job for job in self._running() if job.worker == life.worker_id), key=lambda job: job.id)
        wanted = held[:1] if some else held
        given = self.bench.run(life.store.give_back(life.worker_id, [job.id for job in wanted] if some else None))
        assert given == len(wanted)
        for job in wanted:
            job.give_back()

    @rule(number=st.integers(0, 1), clean=st.booleans())
    def end_of_a_worker(self, number: int, clean: bool) -> None:
        """It crashes, or signs off while it still holds jobs; either way its identity gets nothing any more."""
        life = self._life(number)
        if life.state != "running":
            return
        if clean:
            self.bench.run(life.store.leave(life.worker_id))
        else:
            aged = "UPDATE jobs.tb_worker SET heartbeat_at = now() - interval '16 s' WHERE worker_id = %s"
            self.bench.run(self.bench.rows(aged, life.worker_id))
            assert self.bench.run(self._other(life).store.lose_workers(self._other(life).worker_id)) == [life.worker_id]
        life.state = "ended"
        assert not self.bench.run(life.store.heartbeat(life.worker_id, 0, draining=False))

    def _other(self, life: Life) -> Life:
        return next(each for each in self.lives if each is not life)

    @rule(number=st.integers(0, 1))
    def start_anew(self, number: int) -> None:
        """A worker that ended comes back under another identity; its old leases may still be settled."""
        life = self._life(number)
        if life.state != "running":
            self._born(life.store)

    def _orphans(self) -> list[ModelJob]:
        living = {life.worker_id for life in self.lives if life.state == "running"}
        return [job for job in self._running() if job.worker not in living]

    def _running(self) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.status == "running"]

    @rule()
    def rescue(self) -> None:
        """Jobs of workers that ended are taken back, each once, within their crash budget."""
        expected = {job.id for job in self._orphans()}
        assert {id_ for id_, _, _ in self.bench.run(self.bench.person.rescue())} == expected
        self._rescued(expected)

    def _rescued(self, ids: set[UUID]) -> None:
        for id_ in ids:
            self.jobs[id_].rescue()
        spread = [id_ for id_ in ids if self.jobs[id_].status == "pending" and not self.jobs[id_].due]
        put_off = (
            "UPDATE jobs.tb_job_run SET run_at = now() + interval '1 hour' WHERE id = ANY (%s) "
            "AND run_at < now() + crash_count * interval '10 seconds' RETURNING id"
        )
        assert len(self.bench.run(self.bench.rows(put_off, spread))) == len(spread)

    # ---- a person ---------------------------------------------------------------------------------------------------

    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=3), verb=st.sampled_from(["cancel", "retry"]))
    def ask(self, numbers: list[int], verb: str) -> None:
        """Cancel or retry some jobs; each is answered, unknown ones too."""
        ids = list({self._job(n).id for n in numbers}) if self.jobs else []
        person = self.bench.person
        changed = self.bench.run(getattr(person, verb)([*ids, unknown := uuid4()], "why", "test"))
        assert {each.id: each.outcome for each in changed} == {
            **{id_: getattr(self.jobs[id_], verb)() for id_ in ids},
            unknown: "not_found",
        }

    @rule(scope=st.sampled_from(SCOPES))
    def pause(self, scope: tuple[str, str]) -> None:
        """What is covered is not claimed; what runs goes on."""
        self.bench.run(self.bench.rows(f"SELECT jobs.pause({scope[0]} => {scope[1]})"))
        self.paused.add(scope)

    @rule(scope=st.sampled_from(SCOPES))
    def resume(self, scope: tuple[str, str]) -> None:
        """Exactly that pause is lifted, and it is told whether there was one."""
        (row,) = self.bench.run(self.bench.rows(f"SELECT jobs.resume({scope[0]} => {scope[1]}) AS held"))
        assert row["held"] == (scope in self.paused)
        self.paused.discard(scope)

    def _job(self, number: int) -> ModelJob:
        return list(self.jobs.values())[-1 - number % len(self.jobs)]

    # ---- two at once ------------------------------------------------------------------------------------------------

    def _together(self, one: Callable[[], Awaitable[Any]], other: Callable[[], Awaitable[Any]]) -> Any:
        async def both() -> Any:
            return await asyncio.gather(one(), other())

        return self.bench.run(both())

    @rule(batch=st.integers(1, 4))
    def both_claim(self, batch: int) -> None:
        """No job is given to both."""
        one, other = (life for life in self.lives)
        first, second = self._together(
            lambda: claim(one.store, one.worker_id, batch), lambda: claim(other.store, other.worker_id, batch)
        )
        assert not {record.id for record in first} & {record.id for record in second}
        self._taken(one, first)
        self._taken(other, second)

    @rule(
        number=st.integers(0, 30), kind=st.sampled_from(KINDS), verb=st.sampled_from(["rescue", "cancel", "give_back"])
    )
    def settled_meanwhile(self, number: int, kind: str, verb: str) -> None:
        """A settlement races with somebody who takes or cancels the job: one order or the other, nothing between."""
        running = self._running()
        if not running:
            return
        job = running[number % len(running)]
        lease = next(each for each in reversed(self.leases) if each.record.id == job.id)
        orphans = {each.id for each in self._orphans()}
        batch, store = [self._settlement(lease, kind, logs=False)], self.lives[0].store
        applied, changed = self._together(
            lambda: store.settle(batch, lease.worker, "digest"), lambda: self._beside(verb, lease)
        )
        if verb == "cancel":
            self._settled_and_cancelled(job, lease, kind, changed[0].outcome)
            assert applied == {job.id}
            return
        if applied:
            job.settle(lease.record.lease_seq, kind)
        if verb == "rescue":
            self._rescued({id_ for id_, _, _ in changed})
            assert {id_ for id_, _, _ in changed} == orphans - applied
        elif changed:
            assert not applied
            job.give_back()

    def _beside(self, verb: str, lease: Lease) -> Awaitable[Any]:
        person = self.bench.person
        if verb == "rescue":
            return person.rescue()
        if verb == "cancel":
            return person.cancel([lease.record.id], "why", "test")
        return person.give_back(lease.worker, [lease.record.id])

    @staticmethod
    def _settled_and_cancelled(job: ModelJob, lease: Lease, kind: str, told: str) -> None:
        if told == "requested":
            assert job.cancel() == told
            job.settle(lease.record.lease_seq, kind)
        else:
            job.settle(lease.record.lease_seq, kind)
            assert job.cancel() == told

    # ---- what holds after every step --------------------------------------------------------------------------------

    @invariant()
    def the_table_is_as_the_model_says(self) -> None:
        """Every row, its kept attempts and its audit events; and nothing in a row that did not change."""
        found = {row["id"]: row for row in self.bench.run(self.bench.rows(ROWS))}
        assert found.keys() == self.jobs.keys()
        for id_, row in found.items():
            job = self.jobs[id_]
            assert _seen(row) == _wanted(job)
            assert row["attempts"] <= job.allowed_attempts
            self._moved_as_the_table_allows(self.before.get(id_), row)
        self.before = found

    @staticmethod
    def _moved_as_the_table_allows(before: Row | None, after: Row) -> None:
        if before is None:
            assert after["status"] == "pending"
            return
        assert after["lease_seq"] >= before["lease_seq"]
        assert _reaches(before["status"], after["status"])
        assert after["audit"][: len(before["audit"])] == before["audit"]

    @invariant()
    def leases_end_once(self) -> None:
        """One live lease at most; every other that was claimed ended with one event, or was given back unexecuted."""
        for job in self.jobs.values():
            live = {job.lease_seq} if job.status == "running" else set()
            assert live <= set(job.claimed_leases)
            assert not live & job.audit.keys()
            assert job.audit.keys() <= set(job.claimed_leases)

    @invariant()
    def questions_are_answered_from_the_same_table(self) -> None:
        """What a worker asks about its own jobs is what the model says."""
        store = self.bench.person
        for life in self.lives:
            mine = {job.id: job for job in self._running() if job.worker == life.worker_id}
            assert self.bench.run(store.held(life.worker_id)) == {id_: job.lease_seq for id_, job in mine.items()}
            asked = {id_ for id_, job in mine.items() if job.cancel_requested}
            assert set(self.bench.run(store.cancel_requests(life.worker_id, list(mine)))) == asked
        assert self.bench.run(store.open_jobs(Scope(), {})) == any(
            job.status in OPEN
            and (job.status == "running" or ((job.due or job.lease_seq > 0) and not self._is_paused(job)))
            for job in self.jobs.values()
        )


def _reaches(before: str, after: str) -> bool:
    """Two verbs may have met in one step."""
    return (
        before == after
        or (before, after) in STEPS
        or any((before, m) in STEPS and (m, after) in STEPS for m, _ in STEPS)
    )


def _seen(row: Row) -> dict[str, Any]:
    counts = {name: row[name] for name in ("status", "attempts", "lease_seq", "crash_count", "max_attempts")}
    due = {"due": row["due"]} if row["status"] == "pending" else {}
    worker = row["worker_id"] if row["status"] in OPEN else None
    words = {"category": row["error_category"], "cancel": row["cancel"], "worker": worker}
    return {**counts, **due, **words, "audit": row["audit"], "kept": row["kept"]}


def _wanted(job: ModelJob) -> dict[str, Any]:
    counts = {name: getattr(job, name) for name in ("status", "attempts", "lease_seq", "crash_count", "max_attempts")}
    due = {"due": job.due} if job.status == "pending" else {}
    worker = job.worker if job.status in OPEN else None
    words = {"category": job.category, "cancel": job.cancel_requested, "worker": worker}
    audited = [f"({lease},{outcome},{status})" for lease, (outcome, status) in job.audit.items()]
    kept = [f"({lease},{category})" for lease, category in sorted(job.attempts_kept.items())]
    return {**counts, **due, **words, "audit": audited, "kept": kept}


def test_every_order_of_verbs_is_as_the_model_says(dsn: str) -> None:
    """Two workers, a person and the clock do whatever they may: the table, its history and the model never differ."""
    with asyncio.Runner() as loop:
        connections = [loop.run(db.connect(dsn, f"model {n}")) for n in range(3)]
        stores = [Store(connection) for connection in connections]
        machine = type("OnThisBench", (QueueMachine,), {"bench": Bench(dsn, loop, stores[0], stores[1:])})
        try:
            run_state_machine_as_test(machine, settings=BOUNDED)
            assert loop.run(audit.verify(connections[0])).breaks == ()
        finally:
            for connection in connections:
                loop.run(connection.close())
