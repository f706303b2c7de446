"""Serverless jobs: one invocation of a cloud function: AWS Lambda through boto3, others as an HTTP request.

What leaves this machine: the payload, the job's identity, and the service's credentials or what was made of them (a
signature, a role's session, an identity token). Cancelling closes the connection; the function itself cannot be stopped
and runs to its own end, billed. After a crash nothing remains here; the record of an Event invocation stays in its
queue for the next attempt.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ..core.contract import (
    Call,
    Check,
    ExecutionContext,
    Failed,
    JobResult,
    JobRunner,
    ResourceRequirements,
    StopReason,
    Succeeded,
)
from ..core.errors import Denied
from ..core.job import Category, ExecutionType
from .serverless_aws_config import AwsSpec, read_aws
from .serverless_aws_outcome import Tally
from .serverless_aws_plan import AwsPlan, plan_aws
from .serverless_checks import checks
from .serverless_config import LARGEST_MEMORY, provider_of
from .serverless_google import METADATA_URL, Identities
from .serverless_lambda import Lambda
from .serverless_web import HttpRunner, WebPlan, WebSpec, event_data, plan_web, read_web
from .wire import Wire, WireBroken

if TYPE_CHECKING:
    from ..core.registry.model import Service

ServerlessSpec = AwsSpec | WebSpec
ServerlessPlan = AwsPlan | WebPlan


def _http_runner() -> HttpRunner:
    from . import RunnerRegistry  # noqa: PLC0415 - the registry imports this module

    return RunnerRegistry().runner(ExecutionType.HTTP)


class ServerlessRunner(JobRunner[ServerlessSpec, ServerlessPlan]):
    """Invokes functions. `http` sends every request; `metadata_url` is where Google machines learn who they are."""

    execution_type: ClassVar[ExecutionType] = ExecutionType.SERVERLESS
    version: ClassVar[str] = "serverless/1"

    def __init__(self, http: HttpRunner | None = None, metadata_url: str = METADATA_URL) -> None:
        """Without `http`, the runner makes an HTTP runner of its own."""
        self._http = http or _http_runner()
        wire = cast("Wire", self._http)
        self._lambda = Lambda(wire)
        self._identities = Identities(wire, metadata_url)

    def validate_config(self, service: Service) -> ServerlessSpec:
        """Return the service's settings; raise ConfigError naming the field."""
        provider = provider_of(service.runner_config)
        return read_aws(service) if provider == "aws" else read_web(service, provider, self._http)

    def plan(self, spec: ServerlessSpec, call: Call) -> ServerlessPlan:
        """Return the invocation that this call makes; raise PlanError for input that makes none."""
        return plan_aws(spec, call) if isinstance(spec, AwsSpec) else plan_web(spec, call, self._http)

    async def execute(self, plan: ServerlessPlan, context: ExecutionContext) -> JobResult:
        """Invoke the function once and return what came of it, within the deadline and the plan's bounds."""
        try:
            result = await (self._aws(plan, context) if isinstance(plan, AwsPlan) else self._web(plan, context))
        except Denied as denied:
            # Another worker may have the secret, and this one may be given it: the job is worth its other attempts.
            failed = Failed(Category.INFRASTRUCTURE, f"{denied.message}; {denied.hint}", retryable=True)
            return JobResult(failed, {"cost_usd": 0.0})
        if isinstance(result.outcome, Failed):
            message = context.secrets.redact(result.outcome.message)
            return replace(result, outcome=replace(result.outcome, message=message))
        return result

    async def _aws(self, plan: AwsPlan, context: ExecutionContext) -> JobResult:
        tally = Tally()
        found = await context.stop.race(self._lambda.run(plan, context, tally), context.timeout_seconds)
        if isinstance(found, StopReason):
            return JobResult(found.outcome(context.timeout_seconds), tally.usage(plan))
        return found

    async def _web(self, plan: WebPlan, context: ExecutionContext) -> JobResult:
        google = plan.spec.google
        if google:
            held = await context.stop.race(self._held(plan, context), context.timeout_seconds)
            if held is not None:
                return JobResult(held.outcome(context.timeout_seconds), {}) if isinstance(held, StopReason) else held
        result = await self._http.execute(plan.inner, context)
        if google and result.usage.get("status_code") in (401, 403):
            self._identities.forget(google)
        if isinstance(result.outcome, Succeeded):
            result = replace(result, outcome=Succeeded(event_data(plan.spec, result.outcome.output)))
        return replace(result, usage=_with_cost(plan, result))

    async def _held(self, plan: WebPlan, context: ExecutionContext) -> JobResult | None:
        """Fetch what the request needs to prove; return the result of a job that cannot have it."""
        assert plan.spec.google is not None
        try:
            await self._identities.hold(plan.spec.google, context)
        except WireBroken as broken:
            return JobResult(broken.outcome, {"cost_usd": 0.0})
        return None

    def get_resource_requirements(self, plan: ServerlessPlan) -> ResourceRequirements:
        """Return the function's own memory; this host is hardly used."""
        return plan.footprint.resources

    async def check(self) -> list[Check]:
        """Return what this host has for the providers: libraries, and where credentials would come from."""
        return await checks()

    async def aclose(self) -> None:
        """End what polls, and close every connection."""
        await self._lambda.aclose()
        await self._http.aclose()


def _with_cost(plan: WebPlan, result: JobResult) -> dict[str, Any]:
    """The HTTP runner's usage, and an estimate by wall time where a price is known and something was sent."""
    usage = dict(result.usage)
    if plan.spec.prices is None:
        return usage
    if not usage.get("network_bytes"):
        return usage | {"cost_usd": 0.0}
    seconds = float(usage.get("duration_seconds") or 0.0)
    cost = plan.spec.prices.cost(seconds, plan.spec.memory_mb or LARGEST_MEMORY)
    return usage | {"billed_ms": math.ceil(seconds * 1000), "cost_usd": cost}
