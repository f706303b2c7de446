"""A runner that does what a job's input orders: succeed, fail, wait, crash. It serves the worker's tests.

Input keys: `wait` (seconds, stoppable), `fail` (an error category), `retryable`, `retry_after`, `bug` (raise),
`output` (returned), `deaf` (ignore the stop signal), `succeed_on` (the attempt number from which on it succeeds).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

from specql_jobs.core.contract import (
    Call,
    Check,
    ExecutionContext,
    Failed,
    Footprint,
    JobResult,
    JobRunner,
    Outcome,
    ResourceRequirements,
    StopReason,
    Succeeded,
)
from specql_jobs.core.job import Category, ExecutionType
from specql_jobs.core.registry.model import Service


@dataclass(frozen=True, slots=True)
class PuppetPlan:
    """The orders of one attempt."""

    orders: dict[str, Any]
    attempt: int
    footprint: Footprint = field(default_factory=Footprint)

    def describe(self) -> dict[str, Any]:
        """Return the orders."""
        return {"orders": self.orders}


class PuppetRunner(JobRunner[None, PuppetPlan]):
    """Follows orders, and remembers whom it ran."""

    execution_type: ClassVar[ExecutionType] = ExecutionType.HTTP
    version: ClassVar[str] = "puppet/1"

    def __init__(self) -> None:
        self.ran: list[tuple[str, int]] = []  # (job id, lease_seq) of every execution
        self.most_at_once = 0
        self.says: Any = None  # output of jobs that order none
        self._now = 0

    @property
    def busy(self) -> bool:
        """Whether an execution is under way."""
        return self._now > 0

    def validate_config(self, service: Service) -> None:
        """Accept any configuration."""

    def plan(self, spec: None, call: Call) -> PuppetPlan:
        """Plan to follow the input."""
        return PuppetPlan(dict(call.input), call.attempt, Footprint(timeout_seconds=call.timeout_seconds))

    async def execute(self, plan: PuppetPlan, context: ExecutionContext) -> JobResult:
        """Do as ordered."""
        self.ran.append((str(context.job_id), context.lease_seq))
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            return JobResult(await _obey(plan, context, self.says), usage={"duration_seconds": 0.0})
        finally:
            self._now -= 1

    def get_resource_requirements(self, plan: PuppetPlan) -> ResourceRequirements:
        """Need nothing."""
        return ResourceRequirements()

    async def check(self) -> list[Check]:
        """Be always well."""
        return [Check("puppet", "ok", "follows orders")]


async def _obey(plan: PuppetPlan, context: ExecutionContext, says: Any) -> Outcome:
    orders = plan.orders
    if orders.get("bug"):
        raise KeyError("ordered bug")
    if orders.get("deaf"):
        await asyncio.sleep(float(orders["deaf"]))
    if "wait" in orders:
        stopped = await context.stop.race(asyncio.sleep(float(orders["wait"])), context.timeout_seconds)
        if isinstance(stopped, StopReason):
            return stopped.outcome(context.timeout_seconds)
    if "fail" in orders and plan.attempt < orders.get("succeed_on", 10**9):
        return Failed(
            Category(orders["fail"]), "failed as ordered", bool(orders.get("retryable")), orders.get("retry_after")
        )
    return Succeeded(orders.get("output", says))
