"""One invocation of a Lambda function, from plan to result: waits for its answer, or for its record in a queue."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ..core.contract import ExecutionContext, Failed, JobResult, Outcome
from ..core.job import Category
from .aws_doors import Door, Doors, NoAws
from .aws_errand import Errand, Threads
from .aws_refusals import not_here
from .serverless_aws_outcome import Tally, of_answer, of_error
from .serverless_aws_plan import AwsPlan
from .serverless_events import LOOK_BACK, Collector, unreachable
from .service_settings import endpoint
from .wire import Wire

#: Beside the payload an answer has headers, and a log tail of 4 KiB in base64.
EXTRA_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class _Job:
    """One execution under way."""

    plan: AwsPlan
    context: ExecutionContext
    tally: Tally
    external_id: str

    def failed(self, outcome: Outcome) -> JobResult:
        return JobResult(outcome, self.tally.usage(self.plan))


class Lambda:
    """Invokes functions over one pool of threads and one set of clients."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._threads = Threads()
        self._doors = Doors()
        self._collectors: dict[tuple[object, ...], Collector] = {}

    async def run(self, plan: AwsPlan, context: ExecutionContext, tally: Tally) -> JobResult:
        """Return the result of one invocation; raise Denied where a secret is missing."""
        values = {ref: await asyncio.to_thread(context.secrets.resolve, ref) for ref in plan.spec.access.secrets}
        external = plan.spec.access.external_id
        job = _Job(plan, context, tally, values[external] if external else "")
        try:
            return await (self._event(job) if plan.spec.result_queue else self._invoke(job))
        except NoAws as error:
            return job.failed(not_here(error))

    async def _invoke(self, job: _Job) -> JobResult:
        secrets: list[str] = []

        def work() -> dict[str, Any]:
            door = self._door("lambda", job)
            secrets.extend(door.secrets())
            job.tally.invoked = True  # until the contrary is known: what is under way may be billed
            answer: dict[str, Any] = door.client.invoke(**job.plan.invocation())
            return answer

        try:
            answer = await self._threads.run(self._errand(job), work)
        except NoAws:
            raise
        except Exception as error:  # noqa: BLE001 - sorted out by type; a bug is raised again
            job.tally.invoked = False
            return job.failed(self._failure(job, error))
        finally:
            for value in secrets:
                job.context.secrets.protect(value)
        return of_answer(job.plan, answer, job.tally, job.context.secrets.redact)

    async def _event(self, job: _Job) -> JobResult:
        """Look for the result of an earlier attempt, else hand the event over; then wait for its record."""
        again = job.context.attempt > 1 or job.context.lease_seq > 1
        look_back = min(LOOK_BACK, job.context.timeout_seconds / 2) if again else 0.0
        client = self._door_to_results(job)
        with self._collector(job.plan).waiting(job.plan, lambda: self._errand(job), client) as waiter:
            try:
                found = await waiter.within(look_back)
                if found is None:
                    handed = await self._invoke(job)
                    if isinstance(handed.outcome, Failed):
                        return handed
                    found = await waiter.within(None)
            except NoAws:
                raise
            except Exception as error:  # noqa: BLE001 - sorted out by type; a bug is raised again
                return job.failed(unreachable(job.plan, error, job.tally))
        assert found is not None
        return found.result(job.plan, job.tally, job.context.secrets.redact)

    def _collector(self, plan: AwsPlan) -> Collector:
        key = (plan.spec.result_queue, plan.spec.access, plan.spec.region, plan.spec.endpoint_url)
        if key not in self._collectors:
            self._collectors[key] = Collector(plan.spec.result_queue, self._threads)
        return self._collectors[key]

    def _door_to_results(self, job: _Job) -> Any:
        return lambda: self._door("sqs", job).client

    def _door(self, api: str, job: _Job) -> Door:
        return self._doors.door(api, job.plan.spec.place, job.external_id)

    def _errand(self, job: _Job) -> Errand:
        plan = job.plan
        host = endpoint(plan.spec.endpoint_url).host if plan.spec.endpoint_url else ""
        return Errand(self._wire, job.context.judge, plan.spec.service, plan.max_response_bytes + EXTRA_BYTES, host)

    def _failure(self, job: _Job, error: Exception) -> Outcome:
        outcome = of_error(job.plan, error, job.tally)
        if isinstance(outcome, Failed) and outcome.category is Category.INFRASTRUCTURE and outcome.retryable:
            self._doors.forget(job.plan.spec.place)
        return outcome

    async def aclose(self) -> None:
        """End what polls, and let the threads go."""
        for collector in self._collectors.values():
            await collector.aclose()
        self._threads.close()
