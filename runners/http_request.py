"""From a job's input to one request: method, URL, headers and body bytes. Pure; the registry decides where it goes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

import httpx

from ..core.contract import Call, PlanError
from ..core.errors import ConfigError
from ..core.template import fill_path, present
from .http_body import BODY_KINDS, json_body, planned_body, query_text, text_body
from .http_headers import Headers, checked, input_headers, merged, registry_headers, without_credentials
from .http_url import UrlRefused, has_dot_segment, parse_url, same_origin

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")
#: What several payment providers accept as a key; a longer one is sent as its SHA-256.
LONGEST_KEY = 255
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
_ACCEPT = ("Accept", "application/json, */*;q=0.5")
_AGENT = ("User-Agent", "specql-jobs")


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """An operation's `request` as written in the registry, checked. `body` is a kind or a payload template."""

    method: str
    path: str
    query: tuple[tuple[str, Any], ...]
    headers: Headers
    body: Any


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """Exactly what will be sent, except for credentials. `at_home`: it goes to the origin that they belong to."""

    method: str
    url: httpx.URL
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    at_home: bool


# ---- reading the registry -------------------------------------------------------------------------------------------


def read_template(mapping: Mapping[str, Any], operation: str) -> RequestTemplate | None:
    """Return the operation's request mapping, None where it has none; raise ConfigError naming the field."""
    node = mapping.get("request")
    if node is None:
        return None
    if not isinstance(node, Mapping):
        raise ConfigError(f"operation {operation}: request must be a mapping", hint="write  request: {method: POST}")
    method = _method(node.get("method", "POST"), f"operation {operation}: request.method")
    return RequestTemplate(
        method=method,
        path=_path(node.get("path", "/" + quote(operation, safe="")), operation),
        query=_query(node.get("query"), operation),
        headers=registry_headers(node.get("headers"), f"operation {operation}: request.headers"),
        body=_body_kind(node.get("body", "json" if method in _WITH_BODY else "none"), operation),
    )


def _method(value: object, where: str) -> str:
    method = str(value).upper()
    if method not in METHODS:
        raise ConfigError(f"{where}: {value!r} is not one of {', '.join(METHODS)}", hint="write  method: POST")
    return method


def _path(value: object, operation: str) -> str:
    path = str(value) if str(value).startswith(("/", "?")) or value == "" else f"/{value}"
    if path.startswith("//") or "://" in path.partition("?")[0] or "#" in path or has_dot_segment(path):
        message = f"operation {operation}: request.path {path!r} must be a path below base_url"
        raise ConfigError(message, hint='write  path: "/charges/{id}"')
    return path


def _query(node: object, operation: str) -> tuple[tuple[str, Any], ...]:
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        raise ConfigError(f"operation {operation}: request.query must be a mapping", hint='write  query: {q: "{q}"}')
    return tuple((str(name), value) for name, value in node.items())


def _body_kind(node: Any, operation: str) -> Any:
    if node is None:
        return "none"
    if isinstance(node, str) and node not in BODY_KINDS and not re.fullmatch(r"\{[^{}]+\}", node):
        message = f"operation {operation}: request.body {node!r} is not {', '.join(BODY_KINDS)}, {{field}} or a mapping"
        raise ConfigError(message, hint="write  body: json")
    return node


# ---- filling it with a job's input ----------------------------------------------------------------------------------


def plan_request(
    base: httpx.URL | None, headers: Headers, template: RequestTemplate | None, call: Call
) -> PlannedRequest:
    """Return the request that this call makes; raise PlanError for input that makes none."""
    try:
        if template is None and "endpoint" in call.input:
            return _by_input(base, headers, call)
        return _by_registry(_required(base, call), headers, template or _default(call), call)
    except UnicodeEncodeError:
        raise PlanError("the input has a lone surrogate, which is not text") from None


def _required(base: httpx.URL | None, call: Call) -> httpx.URL:
    if base is None:
        what = f"service {call.operation.service} has no base_url"
        raise PlanError(f"{what}: set runner_config.base_url, or give the input an 'endpoint'")
    return base


def _default(call: Call) -> RequestTemplate:
    """With no mapping, the input is posted as JSON to base_url/operation."""
    return RequestTemplate("POST", "/" + quote(call.operation.name, safe=""), (), (), "json")


def _by_registry(base: httpx.URL, headers: Headers, template: RequestTemplate, call: Call) -> PlannedRequest:
    kind, body = planned_body(template.body, call.input)
    filled = present(template.headers, call.input)
    extra = tuple((name, checked(name, value)) for name, value in filled if value is not None)
    return PlannedRequest(
        method=template.method,
        url=_join(base, fill_path(template.path, call.input), query_text(template.query, call.input)),
        headers=merged((_AGENT, _ACCEPT), kind, headers, extra, _identity(call, (*headers, *extra))),
        body=body,
        at_home=True,
    )


def _by_input(base: httpx.URL | None, headers: Headers, call: Call) -> PlannedRequest:
    """Honour the input form that SpecQL writes: endpoint, method, payload, headers."""
    url = _endpoint(base, call.input["endpoint"])
    at_home = base is None or same_origin(base, url)
    kept = headers if at_home else without_credentials(headers)
    kind, body = _payload(call.input)
    asked = input_headers(call.input.get("headers"))
    return PlannedRequest(
        method=_input_method(call.input.get("method", "POST")),
        url=url,
        headers=merged((_AGENT, _ACCEPT), kind, asked, kept, _identity(call, kept)),
        body=body,
        at_home=at_home,
    )


def _input_method(value: object) -> str:
    try:
        return _method(value, "the input field 'method'")
    except ConfigError as error:
        raise PlanError(error.message) from None


def _endpoint(base: httpx.URL | None, value: object) -> httpx.URL:
    if not isinstance(value, str):
        raise PlanError("the input field 'endpoint' must be text")
    if "://" in value.partition("?")[0]:
        return _url(value)
    if base is None:
        raise PlanError("the input field 'endpoint' is a path, and the service has no base_url to put it under")
    if value.startswith("//") or has_dot_segment(unquote(value)):
        raise PlanError("the input field 'endpoint' must be a full URL or a path below base_url")
    return _join(base, value if value.startswith(("/", "?")) else f"/{value}", "")


def _payload(values: Mapping[str, Any]) -> tuple[Headers, bytes]:
    rest = {name: value for name, value in values.items() if name not in ("endpoint", "method", "headers")}
    payload = values.get("payload", rest or None)
    if payload is None:
        return (), b""
    return text_body(payload) if isinstance(payload, str) else json_body(payload)


def _join(base: httpx.URL, path: str, query: str) -> httpx.URL:
    if has_dot_segment(path):
        raise PlanError("the request path has a '.' or '..' segment and would leave base_url")
    joint = "&" if "?" in path else "?"
    return _url(str(base).rstrip("/") + path + (joint + query if query else ""))


def _url(text: str) -> httpx.URL:
    try:
        return parse_url(text)
    except UrlRefused as error:
        raise PlanError(f"the URL {error}") from None


def _identity(call: Call, registry: Headers) -> Headers:
    """Who asks, and the fence: stable key across attempts; a registry header may replace the key only."""
    own = [
        ("X-Job-Id", str(call.job_id)),
        ("X-Job-Attempt", str(call.attempt)),
        ("X-Job-Lease", str(call.lease_seq)),
    ]
    if call.correlation_id:
        own.append(("X-Correlation-Id", _one_line(call.correlation_id)))
    if not any(name.lower() == "idempotency-key" for name, _ in registry):
        own.append(("Idempotency-Key", _one_line(call.idempotency_key or str(call.job_id))))
    return tuple(own)


def _one_line(text: str) -> str:
    """Return any text as a header value: percent-encoded where needed, hashed where too long, always the same."""
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe=_PRINTABLE)
    return encoded if len(encoded) <= LONGEST_KEY else hashlib.sha256(encoded.encode("ascii")).hexdigest()
