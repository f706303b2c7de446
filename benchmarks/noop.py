"""A runner that does nothing, and a registry for it: what remains is the whole pipeline around a job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from specql_jobs.core.contract import (
    Call,
    Check,
    ExecutionContext,
    Footprint,
    JobResult,
    JobRunner,
    ResourceRequirements,
    Succeeded,
)
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Operation, Registry, Service


@dataclass(frozen=True, slots=True)
class NoOpPlan:
    """Nothing will be done for job number n."""

    n: int
    attempt: int
    footprint: Footprint = field(default_factory=Footprint)

    def describe(self) -> dict[str, Any]:
        """Return the job's number."""
        return {"n": self.n}


class NoOpRunner(JobRunner[None, NoOpPlan]):
    """Succeeds at once and says so to `note`. `hold` keeps attempts for ever."""

    execution_type: ClassVar[ExecutionType] = ExecutionType.HTTP
    version: ClassVar[str] = "noop/1"

    def __init__(self, note: Callable[[int], None], *, hold: bool = False) -> None:
        self._note = note
        self._hold = hold

    def validate_config(self, service: Service) -> None:
        """Accept any configuration."""

    def plan(self, spec: None, call: Call) -> NoOpPlan:
        """Plan nothing."""
        return NoOpPlan(call.input["n"], call.attempt)

    async def execute(self, plan: NoOpPlan, context: ExecutionContext) -> JobResult:
        """Do nothing."""
        self._note(plan.n)
        if self._hold:
            await context.stop.race(asyncio.sleep(3600), 3600)
        return JobResult(Succeeded({"n": plan.n}))

    def get_resource_requirements(self, plan: NoOpPlan) -> ResourceRequirements:
        """Need nothing."""
        return ResourceRequirements()

    async def check(self) -> list[Check]:
        """Be always well."""
        return [Check("noop", "ok", "does nothing")]


def registry(policy: Policy) -> Registry:
    """Return one service `noop` with one operation `run` that takes a number and promises one back."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    operation = Operation(
        name="run",
        service="noop",
        input_schema={**schema, "additionalProperties": False},
        shorthand=True,
        output_schema=schema,
        output_shorthand=True,
    )
    service = Service(name="noop", execution_type=ExecutionType.HTTP, policy=policy, operations={"run": operation})
    return Registry(services={"noop": service}, digest="0" * 64)
