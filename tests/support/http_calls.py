"""One HTTP job from service to result, under the real policy, against a target on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.builders import make_call, make_context, make_service
from support.http_target import HttpTarget

from specql_jobs.core.contract import Failed, JobResult, StopSignal
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Service
from specql_jobs.runners.http import HTTPRunner

LOCAL = Policy(allowed_domains=("127.0.0.1", "localhost"), allow_private_networks=True)


def local_service(target: HttpTarget, policy: Policy = LOCAL, **config: Any) -> Service:
    """Return a service whose base_url is the target's /v1."""
    return make_service(runner_config={"base_url": f"{target.url}/v1", **config}, policy=policy)


async def perform(
    service: Service,
    values: Mapping[str, Any] | None = None,
    *,
    runner: HTTPRunner | None = None,
    secrets: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    stop: StopSignal | None = None,
    **call: Any,
) -> JobResult:
    """Plan and execute one call under the real judge, as a worker would."""
    used = runner or HTTPRunner()
    try:
        plan = used.plan(used.validate_config(service), make_call(service, values, **call))
        context = make_context(policy=service.policy, secrets=secrets, timeout_seconds=seconds, stop=stop)
        return await used.execute(plan, context)
    finally:
        if runner is None:
            await used.aclose()


def failure(result: JobResult) -> Failed:
    """Return the outcome, which must be a failure."""
    assert isinstance(result.outcome, Failed), result.outcome
    return result.outcome
