"""HTTP jobs: one request to the service's base_url, or to an endpoint from the input inside allowed_domains.

What leaves this machine: the planned request, its credentials (to their own origin only), and for OAuth 2 one token
request. Cancelling closes the connection; the target may still finish what it began, which is what Idempotency-Key and
X-Job-Lease are for. After a crash nothing remains here.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from ..core.contract import (
    Call,
    Check,
    ExecutionContext,
    Failed,
    Footprint,
    JobResult,
    JobRunner,
    Outcome,
    Refused,
    ResourceRequirements,
    StopReason,
)
from ..core.errors import ConfigError, Denied
from ..core.job import Category, ExecutionType
from .http_auth import Auth, OAuth2Auth, read_auth, secret_refs
from .http_describe import curl_line, shown_body, shown_headers
from .http_exchange import Exchange, Record
from .http_headers import Headers, registry_headers
from .http_plain import send
from .http_request import PlannedRequest, plan_request, read_template
from .http_token import TokenCache
from .http_transport import DestinationRefused, Gate, Pools, Resolver, Tls, TlsUnusable, fallback_store, system_resolver
from .http_url import UrlRefused, endpoint_of, parse_url
from .wire import Judge, WireAnswer, WireRequest

if TYPE_CHECKING:
    from ..core.registry.model import Service


@dataclass(frozen=True, slots=True)
class HttpSpec:
    """One service's settings. `retry_statuses` None: 408, 425, 429 and every 5xx."""

    service: str
    base_url: httpx.URL | None
    auth: Auth | None = None
    headers: Headers = field(default=(), repr=False)
    retry_statuses: tuple[int, ...] | None = None
    tls: Tls = field(default_factory=Tls)


@dataclass(frozen=True, slots=True)
class HttpPlan:
    """One request, fully resolved except for secrets."""

    spec: HttpSpec
    operation: str
    request: PlannedRequest
    timeout_seconds: float
    max_response_bytes: int
    max_redirects: int

    @property
    def auth(self) -> Auth | None:
        """How this request authenticates: credentials go to their own origin only."""
        return self.spec.auth if self.request.at_home else None

    @property
    def footprint(self) -> Footprint:
        """The target, the token endpoint, secrets by name, and sizes."""
        urls = (self.request.url, *((self.auth.token_url,) if isinstance(self.auth, OAuth2Auth) else ()))
        return Footprint(
            endpoints=tuple(endpoint_of(url) for url in urls),
            secrets=tuple(str(ref) for ref in secret_refs(self.auth)),
            request_bytes=len(self.request.body),
            output_bytes=self.max_response_bytes,
            timeout_seconds=self.timeout_seconds,
        )

    def describe(self) -> dict[str, Any]:
        """Return the request as data, with a curl line that does the same by hand."""
        return {
            "execution_type": "http",
            "service": self.spec.service,
            "operation": self.operation,
            "method": self.request.method,
            "url": str(self.request.url),
            "headers": shown_headers(self.request, self.auth),
            "body_bytes": len(self.request.body),
            "body": shown_body(self.request),
            "timeout_seconds": self.timeout_seconds,
            "max_response_bytes": self.max_response_bytes,
            "max_redirects": self.max_redirects,
            "verify_tls": self.spec.tls.verify,
            "secrets": [str(ref) for ref in secret_refs(self.auth)],
            "curl": curl_line(self.request, self.auth, self.timeout_seconds),
        }


class HTTPRunner(JobRunner[HttpSpec, HttpPlan]):
    """Sends requests over pooled connections. `resolve` turns a host name into addresses."""

    execution_type: ClassVar[ExecutionType] = ExecutionType.HTTP
    version: ClassVar[str] = "http/1"

    def __init__(self, resolve: Resolver = system_resolver) -> None:
        self._pools = Pools(resolve)
        self._tokens = TokenCache()

    def validate_config(self, service: Service) -> HttpSpec:
        """Return the service's settings; raise ConfigError naming the field."""
        config = service.runner_config
        for operation in service.operations.values():
            read_template(operation.mapping, operation.name)
        _positive(config.get("timeout"), "timeout")
        return HttpSpec(
            service=service.name,
            base_url=_base_url(config.get("base_url")),
            auth=read_auth(config),
            headers=registry_headers(config.get("headers"), "headers"),
            retry_statuses=_retry_statuses(service),
            tls=_tls(config),
        )

    def plan(self, spec: HttpSpec, call: Call) -> HttpPlan:
        """Return the request that this call makes; raise PlanError for input that makes none."""
        template = read_template(call.operation.mapping, call.operation.name)
        return HttpPlan(
            spec=spec,
            operation=call.operation.name,
            request=plan_request(spec.base_url, spec.headers, template, call),
            timeout_seconds=call.timeout_seconds,
            max_response_bytes=call.policy.max_response_size,
            max_redirects=call.policy.max_redirects,
        )

    async def execute(self, plan: HttpPlan, context: ExecutionContext) -> JobResult:
        """Send the request within the deadline, reading no more than the plan's cap."""
        record = Record(Gate(context.judge))
        outcome = await context.stop.race(self._outcome(plan, context, record), context.timeout_seconds)
        if isinstance(outcome, StopReason):
            outcome = outcome.outcome(context.timeout_seconds)
        if isinstance(outcome, Failed):
            outcome = replace(outcome, message=context.secrets.redact(outcome.message))
        return JobResult(outcome, record.usage(), record.logs(context.secrets.redact))

    async def _outcome(self, plan: HttpPlan, context: ExecutionContext, record: Record) -> Outcome:
        try:
            pool = await self._pools.pool(plan.spec.service, plan.spec.tls)
            exchange = Exchange(pool, record, context.secrets, self._tokens, plan.auth)
            return await exchange.run(
                plan.request,
                most_bytes=plan.max_response_bytes,
                max_redirects=plan.max_redirects,
                retry_statuses=plan.spec.retry_statuses,
            )
        except DestinationRefused as refused:
            return Refused(refused.violations)
        except Denied as denied:
            # Another worker may have the secret, and this one may be given it: the job is worth its other attempts.
            return Failed(Category.INFRASTRUCTURE, f"{denied.message}; {denied.hint}", retryable=True)
        except TlsUnusable as unusable:
            return Failed(Category.INFRASTRUCTURE, f"service {plan.spec.service}: {unusable}")

    async def send(self, request: WireRequest, judge: Judge, most_bytes: int) -> WireAnswer:
        """Send a plain request for another runner (see wire.py); raise WireBroken."""
        return await send(self._pools, request, judge, most_bytes)

    def get_resource_requirements(self, plan: HttpPlan) -> ResourceRequirements:  # noqa: ARG002 - the same for all
        """A request needs no limits of the host; its bounds are in the footprint."""
        return ResourceRequirements()

    async def check(self) -> list[Check]:
        """Return which certificates are trusted, and what is never used."""
        return [
            _trust_check(),
            Check("http proxies", "ok", "never used: proxy variables, .netrc, cookies"),
        ]

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pools.aclose()


# ---- reading the registry -------------------------------------------------------------------------------------------


def _base_url(value: object) -> httpx.URL | None:
    if value in (None, ""):
        return None
    try:
        url = parse_url(str(value))
    except UrlRefused as error:
        raise ConfigError(f"base_url {error}", hint="write  base_url: https://host/path") from None
    if url.query or url.fragment:
        raise ConfigError("base_url has a query or a fragment", hint="move it to the operation's request.query")
    return url


def _retry_statuses(service: Service) -> tuple[int, ...] | None:
    if service.retry.retry_status_codes is not None:
        return service.retry.retry_status_codes
    settings = service.runner_config.get("retry_config")
    codes = settings.get("retry_status_codes") if isinstance(settings, Mapping) else None
    if codes is None:
        return None
    if not isinstance(codes, list | tuple) or not all(type(code) is int and 100 <= code <= 599 for code in codes):
        hint = "write  retry_status_codes: [429, 502, 503, 504]"
        raise ConfigError("retry_config.retry_status_codes must be a list of HTTP status codes", hint=hint)
    return tuple(codes)


def _tls(config: Mapping[str, Any]) -> Tls:
    verify = config.get("verify", True)
    if not isinstance(verify, bool):
        raise ConfigError("verify must be true or false", hint="for an own authority write  ca_file: /path/ca.pem")
    cert = config.get("client_cert") or {}
    if isinstance(cert, str):
        cert = {"cert": cert}
    if isinstance(cert, list | tuple):
        cert = dict(zip(("cert", "key"), cert, strict=False))
    if not isinstance(cert, Mapping) or (cert and not cert.get("cert")):
        raise ConfigError("client_cert must be a path, or {cert: PATH, key: PATH}", hint="write  client_cert: /c.pem")
    return Tls(verify, str(config.get("ca_file") or ""), str(cert.get("cert") or ""), str(cert.get("key") or ""))


def _positive(value: object, name: str) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(float(str(value))) or float(str(value)) <= 0:
        raise ConfigError(f"{name} must be a positive number of seconds", hint=f"write  {name}: 30")


def _trust_check() -> Check:
    try:
        bundled = fallback_store()
        ssl.create_default_context(cafile=bundled)
    except OSError:
        fix = "install the package ca-certificates, or set ca_file per service"
        return Check("http trust store", "fail", "no certificates can be loaded: https jobs will fail", fix)
    return Check("http trust store", "ok", "bundled certificates" if bundled else "the system's certificates")
