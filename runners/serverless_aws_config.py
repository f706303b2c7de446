"""What a registry says about an AWS Lambda function, its rights and its queue of results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.contract import LATEST, FunctionName, parse_function
from ..core.errors import ConfigError
from .aws_access import REGION, AwsAccess, AwsPlace, allowed, partition_of, read_access, role_account
from .serverless_config import Prices, memory_of, prices_of
from .service_settings import auth_of, endpoint, url_of

if TYPE_CHECKING:
    from ..core.registry.model import Service


@dataclass(frozen=True, slots=True)
class AwsSpec:
    """One Lambda function. `function` has a qualifier always, and a region if it has an account."""

    service: str
    function: FunctionName
    region: str
    event: bool
    access: AwsAccess
    prices: Prices
    memory_mb: int | None = None
    endpoint_url: str = ""
    result_queue: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> AwsPlace:
        """Where it is invoked, and as whom."""
        policy = json.dumps(session_policy(self), separators=(",", ":")) if self.access.role_arn else ""
        return AwsPlace(self.service, self.region, self.access, self.endpoint_url, policy)


def addressed(function: FunctionName) -> dict[str, str]:
    """Return the API's parameters for a function. Stated, $LATEST would need another permission than no qualifier."""
    name = str(function).removesuffix(f":{function.qualifier}")
    return {"FunctionName": name} | ({} if function.qualifier == LATEST else {"Qualifier": function.qualifier})


# ---- reading the registry -------------------------------------------------------------------------------------------


def read_aws(service: Service) -> AwsSpec:
    """Return the settings of a Lambda function; raise ConfigError naming the field."""
    config = service.runner_config
    function = _function(config)
    region = _region(config, function)
    spec = AwsSpec(
        service=service.name,
        function=_placed(function, region),
        region=region,
        event=config.get("invocation_type") == "Event",
        access=read_access(auth_of(config)),
        prices=prices_of(config, "aws") or Prices(0.0, 0.0),
        memory_mb=memory_of(config),
        endpoint_url=url_of(config, "endpoint_url"),
        result_queue=_queue(config, region),
        environment=tuple((str(name), _text(value)) for name, value in (config.get("environment") or {}).items()),
    )
    if spec.result_queue and not spec.event:
        raise ConfigError("result_queue is for invocation_type Event", hint="write  invocation_type: Event")
    return spec


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _function(config: Mapping[str, Any]) -> FunctionName:
    text, stated = str(config.get("function_name") or ""), str(config.get("qualifier") or "")
    name = parse_function(text)
    if name is None:
        hint = "write its name, ACCOUNT:function:NAME, or its whole ARN"
        raise ConfigError(f"function_name {text[:200]!r} is no Lambda function's name", hint=hint)
    if stated and parse_function(f"{name.name}:{stated}") is None:
        raise ConfigError(f"qualifier {stated[:200]!r} is no version or alias", hint="write  qualifier: prod")
    if stated and name.qualifier and stated != name.qualifier:
        raise ConfigError("function_name and qualifier name two different versions", hint="keep one of the two")
    return replace(name, qualifier=name.qualifier or stated or LATEST)


def _region(config: Mapping[str, Any], function: FunctionName) -> str:
    region = str(config.get("region") or function.region)
    if not REGION.fullmatch(region):
        raise ConfigError("provider aws needs a region", hint="write  region: eu-west-1")
    if function.region and region != function.region:
        raise ConfigError(f"function_name is in {function.region} and region is {region}", hint="keep one of the two")
    return region


def _placed(function: FunctionName, region: str) -> FunctionName:
    """Return the function with what its account implies, so that a partial ARN is judged as the whole one."""
    if not function.account:
        return function
    return replace(function, region=region, partition=function.partition or partition_of(region))


def _queue(config: Mapping[str, Any], region: str) -> str:
    url = url_of(config, "result_queue")
    if not url:
        return ""
    host, own = endpoint(url).host, url_of(config, "endpoint_url")
    near = endpoint(own) == endpoint(url) if own else re.fullmatch(rf"sqs\.{region}\.amazonaws\.com(\.cn)?", host)
    if not near or not re.fullmatch(r"/[0-9]{12}/[A-Za-z0-9_-]{1,80}", urlsplit(url).path):
        hint = f"write  result_queue: https://sqs.{region}.amazonaws.com/ACCOUNT/NAME"
        raise ConfigError("result_queue is no SQS queue (without .fifo) beside the function", hint=hint)
    return url


def session_policy(spec: AwsSpec) -> dict[str, Any]:
    """Return what the role may do for this service: invoke this function, and read its queue of results."""
    statements = [_on_function("lambda:InvokeFunction", spec)]
    if spec.result_queue:
        start = f"arn:{partition_of(spec.region)}"
        owner, name = spec.result_queue.split("/")[-2:]
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        statements.append(allowed(actions, [f"{start}:sqs:{spec.region}:{owner}:{name}"]))
    return {"Version": "2012-10-17", "Statement": statements}


def looking_place(spec: AwsSpec) -> AwsPlace:
    """Return the place from which it is asked whether the function exists: an assumed role may do that alone."""
    statement = _on_function("lambda:GetFunctionConfiguration", spec)
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return replace(spec.place, session_policy=json.dumps(document, separators=(",", ":")))


def _on_function(action: str, spec: AwsSpec) -> dict[str, Any]:
    account = spec.function.account or role_account(spec.access.role_arn)
    function = f"arn:{partition_of(spec.region)}:lambda:{spec.region}:{account}:function:{spec.function.name}"
    return allowed([action], [function, f"{function}:*"])
