"""Domain rules of serverless services: what each provider needs, has no use for, and what contradicts itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ..functions import parse_function, region_in_host
from ..job import ExecutionType
from .http_rules import host_of
from .model import Finding
from .view import View

_AT_URL: Final = ("gcp", "azure", "http")
#: Key -> the providers to which it says something. The runner refuses the others; a test holds the two lists together.
ONLY_FOR: Final = {
    "qualifier": ("aws",),
    "result_queue": ("aws",),
    "environment": ("aws",),
    "cloud_events": _AT_URL,
    "auth_config.role_arn": ("aws",),
    "auth_config.profile": ("aws",),
    "auth_config.external_id_env_var": ("aws",),
    "auth_config.credentials_file": ("aws", "gcp"),
    "auth_config.metadata": ("aws", "gcp"),
    "auth_config.audience": ("gcp",),
    "auth_config.token_env_var": _AT_URL,
    "auth_config.token_file": _AT_URL,
    "auth_config.api_key_env_var": ("azure", "http"),
    "auth_config.api_key_file": ("azure", "http"),
    "auth_config.secret_env_var": ("http",),
    "auth_config.secret_file": ("http",),
}


def providers(view: View) -> Iterator[Finding]:
    """Keys that mean nothing to the provider, and what it cannot do without."""
    if view.kind is not ExecutionType.SERVERLESS:
        return
    provider = str(view.config("provider"))
    for key, known in ONLY_FOR.items():
        if provider not in known and _stated(view, key):
            message = f"{view.name}: {key} means nothing to provider {provider}"
            yield view.found("SQJ531", message, view.at("runner_config", *key.split(".")))
    if provider != "aws" and view.config("invocation_type") == "Event":
        message = f"{view.name}: invocation_type Event is for provider aws"
        yield view.found("SQJ531", message, view.at("runner_config", "invocation_type"))
    yield from _missing(view, provider)


def _stated(view: View, key: str) -> bool:
    head, _, name = key.rpartition(".")
    found = view.config(head) if head else view.config(key)
    return found is not None and (not head or name in found)


def _missing(view: View, provider: str) -> Iterator[Finding]:
    where = view.at("runner_config", "provider")
    if provider in _AT_URL and view.config("endpoint_url") is None:
        yield view.found("SQJ530", f"{view.name}: provider {provider} needs endpoint_url", where)
    prices = view.config("price_per_gb_second"), view.config("price_per_invocation")
    if provider in _AT_URL and view.policy.max_cost_per_hour is not None and prices == (None, None):
        message = f"{view.name}: max_cost_per_hour cannot be kept, nobody says what provider {provider} costs"
        yield view.found("SQJ530", message, view.at("security_policy", "cost_limits"))
    name = parse_function(str(view.config("function_name") or ""))
    if provider == "aws" and view.config("region") is None and not (name and name.region):
        yield view.found("SQJ530", f"{view.name}: provider aws needs a region", where)


def names(view: View) -> Iterator[Finding]:
    """Names of Lambda functions that are none, or that contradict the keys beside them."""
    if view.kind is not ExecutionType.SERVERLESS or view.config("provider") != "aws":
        return
    text = str(view.config("function_name") or "")
    region, qualifier, name = view.config("region"), view.config("qualifier"), parse_function(text)
    where = view.at("runner_config", "function_name")
    if name is None:
        message = f"{view.name}: {text!r} is no Lambda function's name, ACCOUNT:function:NAME or ARN"
        yield view.found("SQJ532", message, where)
        return
    if name.region and region is not None and name.region != region:
        yield view.found("SQJ532", f"{view.name}: the function is in {name.region}, region is {region}", where)
    if name.qualifier and qualifier is not None and name.qualifier != qualifier:
        message = f"{view.name}: function_name says version {name.qualifier}, qualifier {qualifier}"
        yield view.found("SQJ532", message, where)


def places(view: View) -> Iterator[Finding]:
    """A region that is not the one in the function's own host."""
    region, said = view.config("region"), region_in_host(host_of(str(view.config("endpoint_url") or "")))
    if view.kind is ExecutionType.SERVERLESS and region is not None and said and said != region:
        where = view.at("runner_config", "region")
        yield view.found("SQJ532", f"{view.name}: endpoint_url is in {said}, region is {region}", where)


def events(view: View) -> Iterator[Finding]:
    """A queue of results that nothing is sent to, or that is not beside the function."""
    queue = view.config("result_queue")
    if view.kind is not ExecutionType.SERVERLESS or queue is None or view.config("provider") != "aws":
        return
    where = view.at("runner_config", "result_queue")
    if view.config("invocation_type") != "Event":
        yield view.found("SQJ532", f"{view.name}: result_queue is for invocation_type Event", where)
    elif not _is_beside(view, str(queue)):
        yield view.found("SQJ532", f"{view.name}: result_queue is no SQS queue beside the function", where)


def _is_beside(view: View, queue: str) -> bool:
    try:
        there, own = urlsplit(queue), urlsplit(str(view.config("endpoint_url") or ""))
        near = (there.scheme, there.netloc) == (own.scheme, own.netloc)
    except ValueError:  # brackets around what is no IPv6 address
        return False
    name = parse_function(str(view.config("function_name") or ""))
    region = re.escape(str(view.config("region") or (name.region if name else "")))
    near = near if own.netloc else bool(re.fullmatch(rf"sqs\.{region}\.amazonaws\.com(\.cn)?", there.netloc))
    return near and bool(re.fullmatch(r"/[0-9]{12}/[A-Za-z0-9_-]{1,80}", there.path))
