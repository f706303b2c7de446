"""One serverless job from service to result, under the real policy, against a far end on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from support.builders import JOB_ID, make_call, make_context, make_service
from support.lambda_host import REGION

from specql_jobs.core.contract import Failed, JobResult, StopSignal
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy
from specql_jobs.core.registry.model import Service
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.serverless import ServerlessRunner

KEY = "AKIAQZQZQZQZQZQZQZQZ"
SECRET = "vErY/sEcReT+key0123456789abcdefABCDEF"

#: What a worker's environment has; tests of the credentials themselves take it away again.
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

#: What STS says to AssumeRole.
GRANTED = (
    "<AssumeRoleResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><AssumeRoleResult><Credentials>"
    "<AccessKeyId>ASIAROLEROLEROLEROLE</AccessKeyId><SecretAccessKey>role-secret-0123456789</SecretAccessKey>"
    "<SessionToken>role-token-0123456789</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>"
    "</AssumeRoleResult></AssumeRoleResponse>"
)

POLICY = Policy(
    allowed_providers=("aws", "gcp", "azure", "http"),
    allowed_regions=(REGION,),
    allowed_domains=("127.0.0.1",),
    allow_private_networks=True,
)


def aws_service(url: str, function_name: str = "echo", policy: Policy | None = None, **config: Any) -> Service:
    """Return a service that invokes a function at `url`, allowed by its name."""
    settings = {"provider": "aws", "function_name": function_name, "region": REGION, "endpoint_url": url, **config}
    allowed = policy or replace(POLICY, allowed_functions=(function_name,))
    return make_service(ExecutionType.SERVERLESS, runner_config=settings, policy=allowed)


def web_service(url: str, provider: str = "http", function: str = "echo", **config: Any) -> Service:
    """Return a service that calls a function at a URL, allowed by its name."""
    policy = config.pop("policy", None) or replace(POLICY, allowed_functions=(function,))
    settings = {"provider": provider, "function_name": function, "region": REGION, "endpoint_url": url, **config}
    return make_service(ExecutionType.SERVERLESS, runner_config=settings, policy=policy)


async def perform(
    service: Service,
    values: Mapping[str, Any] | None = None,
    *,
    runner: ServerlessRunner | None = None,
    secrets: Secrets | None = None,
    seconds: float = 20.0,
    stop: StopSignal | None = None,
    lease_seq: int = 1,
    attempt: int = 1,
    **call: Any,
) -> JobResult:
    """Plan and execute one call under the real judge, as a worker would."""
    used = runner or ServerlessRunner()
    try:
        times = {"lease_seq": lease_seq, "attempt": attempt}
        planned = make_call(service, values, timeout_seconds=seconds, **times, **call)
        plan = used.plan(used.validate_config(service), planned)
        context = make_context(policy=service.policy, timeout_seconds=seconds, stop=stop, **times)
        return await used.execute(plan, replace(context, secrets=secrets or context.secrets, job_id=JOB_ID))
    finally:
        if runner is None:
            await used.aclose()


def failure(result: JobResult) -> Failed:
    """Return the outcome, which must be a failure."""
    assert isinstance(result.outcome, Failed), result.outcome
    return result.outcome
