"""What a registry says about an AWS Lambda function, its rights and its queue of results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.contract import LATEST, FunctionName, parse_function
from ..core.errors import ConfigError
from ..core.secrets import SecretRef
from .serverless_config import Prices, auth_of, endpoint, flag_of, memory_of, prices_of, url_of

if TYPE_CHECKING:
    from ..core.registry.model import Service

_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/[A-Za-z0-9_+=,.@/-]{1,512}")


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Whose rights are used. Nothing stated: what the worker's own environment and files give."""

    role_arn: str = ""
    external_id: SecretRef | None = None
    profile: str = ""
    credentials_file: str = ""
    metadata: bool = False  # may ask the machine or the container for its identity

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Return the secrets that a plan names."""
        file = (SecretRef("file", self.credentials_file),) if self.credentials_file else ()
        return (*((self.external_id,) if self.external_id else ()), *file)


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
        access=_access(auth_of(config)),
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
    if not _REGION.fullmatch(region):
        raise ConfigError("provider aws needs a region", hint="write  region: eu-west-1")
    if function.region and region != function.region:
        raise ConfigError(f"function_name is in {function.region} and region is {region}", hint="keep one of the two")
    return region


def _placed(function: FunctionName, region: str) -> FunctionName:
    """Return the function with what its account implies, so that a partial ARN is judged as the whole one."""
    if not function.account:
        return function
    return replace(function, region=region, partition=function.partition or partition_of(region))


def partition_of(region: str) -> str:
    """Return the first part of the ARNs of a region."""
    heads = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
    return next((partition for head, partition in heads.items() if region.startswith(head)), "aws")


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


def _access(auth: Mapping[str, Any]) -> AwsAccess:
    role = str(auth.get("role_arn") or "")
    if role and not _ROLE.fullmatch(role):
        raise ConfigError("auth_config.role_arn is no role", hint="write  role_arn: arn:aws:iam::ACCOUNT:role/NAME")
    external = auth.get("external_id_env_var")
    if external and not role:
        raise ConfigError("auth_config.external_id_env_var needs role_arn", hint="write  role_arn: …")
    return AwsAccess(
        role_arn=role,
        external_id=SecretRef("env", str(external)) if external else None,
        profile=str(auth.get("profile") or ""),
        credentials_file=str(auth.get("credentials_file") or ""),
        metadata=flag_of(auth.get("metadata", False), "auth_config.metadata"),
    )


def role_account(role_arn: str) -> str:
    """Return the account of a role."""
    match = _ROLE.fullmatch(role_arn)
    return match[2] if match else ""
