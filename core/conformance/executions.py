"""Rules for what a runner does: one outcome each time, within its limits, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ..clock import monotonic
from ..contract import (
    Cancelled,
    ExecutionContext,
    Failed,
    Interrupted,
    JobResult,
    Outcome,
    StopReason,
    StopSignal,
    Succeeded,
)
from ..job import Category
from ..outcome import USAGE_NUMBERS, USAGE_WORDS
from ..worker.planner import Draft
from .subject import Rules, Subject, Try

#: Seconds within which a runner that was asked to stop must have ended everything: a worker waits no longer.
GRACE = 10.0

#: Seconds that a rule waits for something to happen.
PATIENCE = 30.0

#: What an outcome may say beyond its stated limit: the words around it. Bytes.
_ROOM = 65536

USAGE_KEYS = frozenset((*USAGE_NUMBERS, *USAGE_WORDS, "source", "limits"))

Body = Callable[[Subject], Awaitable[None]]


class ExecutionRules(Rules):
    """Executing returns exactly one outcome and leaves nothing behind, however it ends."""

    def test_success_is_an_outcome(self) -> None:
        """A job that succeeds returns output that is JSON, and usage in known words."""

        async def body(it: Subject) -> None:
            result = await _execute(it, it.succeeds)
            assert isinstance(result.outcome, Succeeded), result.outcome
            json.dumps(result.outcome.output, allow_nan=False)
            assert set(result.usage) <= USAGE_KEYS
            json.dumps(dict(result.usage), allow_nan=False)

        self._hold(body)

    def test_failure_is_an_outcome(self) -> None:
        """A job that fails returns a category, a sentence, and no exception."""

        async def body(it: Subject) -> None:
            result = await _execute(it, it.fails)
            assert isinstance(result.outcome, Failed), result.outcome
            assert isinstance(result.outcome.category, Category)
            assert result.outcome.category is not Category.INTERNAL
            assert result.outcome.message.strip()

        self._hold(body)

    def test_a_plan_can_be_executed_again(self) -> None:
        """A runner holds no job's data between calls: the same plan ends the same way twice."""

        async def body(it: Subject) -> None:
            draft = it.draft(it.succeeds)
            for _ in range(2):
                assert isinstance((await it.runner.execute(draft.plan, it.context(draft))).outcome, Succeeded)

        self._hold(body)

    def test_jobs_side_by_side_do_not_meet(self) -> None:
        """Several at once end as they would alone."""

        async def body(it: Subject) -> None:
            results = await asyncio.gather(*(_execute(it, (it.succeeds, it.fails)[n % 2]) for n in range(6)))
            kinds = [type(result.outcome) for result in results]
            assert kinds == [Succeeded, Failed] * 3

        self._hold(body)

    def test_the_deadline_holds(self) -> None:
        """A job that outlives its time is stopped, and failed with `timeout`."""

        async def body(it: Subject) -> None:
            outcome = (await _within_grace(_execute(it, it.waits, seconds=1.0))).outcome
            assert isinstance(outcome, Failed), outcome
            assert outcome.category is Category.TIMEOUT

        self._hold(body)

    def test_cancelling_stops_it(self) -> None:
        """A job that is cancelled while it runs has stopped when `execute` returns, and is Cancelled."""
        self._hold(lambda it: _stopped(it, StopReason.CANCELLED, Cancelled))

    def test_interrupting_stops_it(self) -> None:
        """A job whose worker stops is stopped, and Interrupted: its attempt is given back."""
        self._hold(lambda it: _stopped(it, StopReason.INTERRUPTED, Interrupted))

    def test_cancel_is_a_stop(self) -> None:
        """`cancel` asks for exactly that."""

        async def body(it: Subject) -> None:
            draft = it.draft(it.waits)
            context = it.context(draft)
            running = asyncio.ensure_future(it.runner.execute(draft.plan, context))
            await _until(it.begun)
            await it.runner.cancel(context)
            assert isinstance((await _within_grace(running)).outcome, Cancelled)

        self._hold(body)

    def test_a_job_that_is_cancelled_before_it_begins_does_not_run(self) -> None:
        """A stop that was asked for already is obeyed at once."""

        async def body(it: Subject) -> None:
            stop = StopSignal()
            stop.request(StopReason.CANCELLED)
            assert isinstance((await _within_grace(_execute(it, it.waits, stop=stop))).outcome, Cancelled)

        self._hold(body)

    def test_an_abandoned_execution_cleans_up(self) -> None:
        """When the worker gives up and cancels the task, nothing of the job goes on."""

        async def body(it: Subject) -> None:
            draft = it.draft(it.waits)
            running = asyncio.ensure_future(it.runner.execute(draft.plan, it.context(draft)))
            await _until(it.begun)
            running.cancel()
            await asyncio.wait({running}, timeout=GRACE)
            assert running.done()

        self._hold(body)

    def test_output_is_bounded(self) -> None:
        """A job that says too much is failed or cut; what is kept fits the stated limit either way."""

        async def body(it: Subject) -> None:
            if it.floods is None:
                return
            draft = it.draft(it.floods)
            result = await _within_grace(it.runner.execute(draft.plan, it.context(draft)))
            most = draft.footprint.output_bytes + _ROOM
            assert len(json.dumps(_output(result.outcome))) <= 2 * most  # escapes may double it
            assert sum(len(chunk.text) for chunk in result.logs) <= 2 * most
            cut = any(chunk.truncated for chunk in result.logs)
            assert cut or isinstance(result.outcome, Failed), result.outcome

        self._hold(body)

    def test_a_secret_is_said_nowhere(self) -> None:
        """Neither outcome, usage nor log has the secret's value, whatever the far end repeats."""

        async def body(it: Subject) -> None:
            for tried in (it.succeeds, it.fails):
                result = await _execute(it, tried)
                if it.secret and isinstance(result.outcome, Failed):
                    assert it.secret not in result.outcome.message
                if it.secret:
                    assert it.secret not in "".join(chunk.text for chunk in result.logs)
                    assert it.secret not in json.dumps(dict(result.usage), default=str)

        self._hold(body)

    def test_the_doctor_has_lines_to_show(self) -> None:
        """`check` says what this host can enforce; what is wrong comes with what to type."""

        async def body(it: Subject) -> None:
            checks = await it.runner.check()
            assert checks
            for each in checks:
                assert each.status in ("ok", "warn", "fail", "skip")
                assert each.name
                assert each.detail
                assert each.fix or each.status != "fail"

        self._hold(body)

    def test_sweeping_spares_the_living(self) -> None:
        """A sweep while a job runs leaves it alone; a second one finds nothing more."""

        async def body(it: Subject) -> None:
            draft, stop = it.draft(it.waits), StopSignal()
            running = asyncio.ensure_future(it.runner.execute(draft.plan, it.context(draft, stop=stop)))
            await _until(it.begun)
            await it.runner.sweep(frozenset({"conformance"}))
            assert await it.runner.sweep(frozenset({"conformance"})) == []
            assert not running.done()
            stop.request(StopReason.CANCELLED)
            assert isinstance((await _within_grace(running)).outcome, Cancelled)

        self._hold(body)

    def test_closing_twice_is_closing_once(self) -> None:
        """`aclose` may be called by whoever is last, and by more than one."""

        async def body(it: Subject) -> None:
            await _execute(it, it.succeeds)
            await it.runner.aclose()

        self._hold(body)

    def _hold(self, body: Body) -> None:
        """Hold one rule against a fresh subject in a loop of its own; nothing may be left afterwards."""
        with self.subject() as it:
            asyncio.run(_held(it, body))


async def _held(it: Subject, body: Body) -> None:
    try:
        await body(it)
    finally:
        await it.runner.aclose()
    await _until(lambda: not it.left(), lambda: f"left behind: {it.left()}")


async def _execute(
    it: Subject, tried: Try, *, stop: StopSignal | None = None, seconds: float | None = None
) -> JobResult:
    draft = it.draft(tried)
    result = await it.runner.execute(draft.plan, it.context(draft, stop=stop, seconds=seconds))
    assert isinstance(result, JobResult)
    return result


async def _stopped(it: Subject, reason: StopReason, kind: type[Outcome]) -> None:
    draft: Draft = it.draft(it.waits)
    context: ExecutionContext = it.context(draft)
    running = asyncio.ensure_future(it.runner.execute(draft.plan, context))
    await _until(it.begun)
    context.stop.request(reason)
    result = await _within_grace(running)
    assert isinstance(result.outcome, kind), result.outcome
    await _until(lambda: not it.begun(), lambda: "the job has stopped")


async def _within_grace(work: Awaitable[JobResult]) -> JobResult:
    async with asyncio.timeout(GRACE):
        return await work


async def _until(condition: Callable[[], bool], what: Callable[[], str] = lambda: "the job begins") -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, f"waited {PATIENCE:g} s in vain: {what()}"
        await asyncio.sleep(0.02)


def _output(outcome: Outcome) -> Any:
    return outcome.output if isinstance(outcome, Succeeded | Failed) else None
