"""Functions at a URL (Google, Azure, Knative, OpenFaaS, any HTTP): the HTTP runner sends them, this says what.

The service and the call are rewritten as the HTTP runner knows them, so a function's request is planned, judged, sent,
bounded, logged and redacted exactly as any HTTP job's.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ..core.contract import Call, FunctionRef, JobRunner, ResourceRequirements, region_in_host
from ..core.errors import ConfigError
from ..core.job import ExecutionType
from ..core.secrets import SecretRef
from .serverless_config import (
    LARGEST_MEMORY,
    Prices,
    memory_of,
    plain_function,
    prices_of,
)
from .serverless_payload import encoded, payload_of
from .service_settings import auth_of, endpoint, flag_of, url_of

if TYPE_CHECKING:
    from ..core.contract import Footprint
    from ..core.registry.model import Service

HttpRunner = JobRunner[Any, Any]

#: The variable under which an identity token is kept, completed by whom it is for.
_ID_TOKEN: Final = "ID_TOKEN_"  # noqa: S105 - a name
_ATTRIBUTE = re.compile(r"[\x21-\x7e]*")
#: Printable ASCII but `"` and `%`, which the CloudEvents HTTP binding has percent-encoded; braces are a template's.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%{}')


@dataclass(frozen=True, slots=True)
class Google:
    """How an identity token is come by: a service account's key file, or (None) the machine's own identity."""

    audience: str
    key_file: SecretRef | None
    variable: str


@dataclass(frozen=True, slots=True)
class WebSpec:
    """A function at a URL. `http` is the same service as the HTTP runner sees it, `inner` that runner's settings."""

    service: str
    provider: str
    function: str
    region: str
    url: str
    http: Service
    inner: Any
    cloud_events: str = ""
    google: Google | None = None
    prices: Prices | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class WebPlan:
    """One request to a function; `inner` is the HTTP runner's plan of it."""

    spec: WebSpec
    inner: Any
    timeout_seconds: float

    @property
    def footprint(self) -> Footprint:
        """The function, and all that the request touches; a token that is yet to be fetched is not on this host."""
        spec, google = self.spec, self.spec.google
        found: Footprint = self.inner.footprint
        cost = spec.prices.cost(self.timeout_seconds, spec.memory_mb or LARGEST_MEMORY) if spec.prices else 0.0
        return found._replace(
            functions=(FunctionRef(spec.provider, spec.region, spec.function),),
            secrets=found.secrets if google is None else ((str(google.key_file),) if google.key_file else ()),
            resources=ResourceRequirements(memory_mb=spec.memory_mb),
            cost_usd=cost,
        )

    def describe(self) -> dict[str, Any]:
        """Return the request as the HTTP runner describes it, and whose function it is."""
        spec = self.spec
        head = {
            "execution_type": "serverless",
            "service": spec.service,
            "provider": spec.provider,
            "region": spec.region or None,
            "function": spec.function,
            "memory_mb": spec.memory_mb,
            "most_cost_usd": self.footprint.cost_usd or None,
        }
        found = {**self.inner.describe(), **head, "secrets": list(self.footprint.secrets)}
        if spec.google:
            found["identity"] = f"a Google identity token for {spec.google.audience}"
            printed = f"$(gcloud auth print-identity-token --audiences={shlex.quote(spec.google.audience)})"
            found["curl"] = str(found["curl"]).replace(f"${spec.google.variable}", printed)
        return found


# ---- reading the registry -------------------------------------------------------------------------------------------


def read_web(service: Service, provider: str, http: HttpRunner) -> WebSpec:
    """Return the settings of a function at a URL; raise ConfigError naming the field."""
    config = service.runner_config
    function, url = plain_function(config), _url(config, provider)
    google = _google(config, url) if provider == "gcp" else None
    seen = replace(
        service,
        execution_type=ExecutionType.HTTP,
        runner_config={"base_url": url, **_auth(config, provider, google)},
        operations={},
    )
    prices = prices_of(config, provider)
    if service.policy.max_cost_per_hour is not None and prices is None:
        hint = "state price_per_gb_second and price_per_invocation"
        raise ConfigError(f"max_cost_per_hour cannot be kept: nobody says what provider {provider} costs", hint=hint)
    return WebSpec(
        service=service.name,
        provider=provider,
        function=function,
        region=_region(config, url),
        url=url,
        http=seen,
        inner=http.validate_config(seen),
        cloud_events=str(config.get("cloud_events") or ""),
        google=google,
        prices=prices,
        memory_mb=memory_of(config),
    )


def _url(config: Mapping[str, Any], provider: str) -> str:
    """Return the URL that is called. It has to name the function: what is allowed by name is what is called."""
    base = url_of(config, "endpoint_url")
    if not base:
        raise ConfigError(f"provider {provider} needs endpoint_url", hint="write  endpoint_url: https://host/path")
    function, host = plain_function(config), endpoint(base).host
    label = host.partition(".")[0]
    named = label == function.lower() or (host.endswith(".run.app") and label.startswith(f"{function.lower()}-"))
    if named or f"{base}/".endswith(f"/{function}/"):
        return base
    return f"{base}/{'api/' if _is_app(provider, base) else ''}{function}"


def _is_app(provider: str, base: str) -> bool:
    """Whether the URL is an Azure function app's root: its functions stand below /api."""
    return provider == "azure" and base.count("/") == 2


def _region(config: Mapping[str, Any], url: str) -> str:
    """Return the region: the one that is stated, or that a Google host says; they must agree."""
    stated, said = str(config.get("region") or ""), region_in_host(endpoint(url).host)
    if stated and said and stated != said:
        raise ConfigError(f"region is {stated} and endpoint_url is in {said}", hint="keep one of the two")
    return stated or said


def _auth(config: Mapping[str, Any], provider: str, google: Google | None) -> dict[str, Any]:
    """Return auth_type and auth_config as the HTTP runner reads them."""
    auth = auth_of(config)
    if google:
        return {"auth_type": "bearer", "auth_config": {"token_env_var": google.variable}}
    kinds = {
        "bearer": {key: auth[key] for key in ("token_env_var", "token_file") if key in auth},
        "api_key": {key: auth[key] for key in ("api_key_env_var", "api_key_file") if key in auth},
        "hmac": {key: auth[key] for key in ("secret_env_var", "secret_file") if key in auth},
    }
    stated = [(kind, settings) for kind, settings in kinds.items() if settings]
    if len(stated) > 1:
        raise ConfigError("auth_config has more than one kind of credential", hint="keep one of them")
    if not stated:
        return {}
    kind, settings = stated[0]
    named = {"header_name": "x-functions-key"} if kind == "api_key" and provider == "azure" else {}
    return {"auth_type": kind, "auth_config": {**settings, **named}}


def _google(config: Mapping[str, Any], url: str) -> Google | None:
    """Return how the identity token is come by, None where none is asked for."""
    auth = auth_of(config)
    file, metadata = auth.get("credentials_file"), flag_of(auth.get("metadata", False), "auth_config.metadata")
    stated = bool(file), metadata, "token_env_var" in auth or "token_file" in auth
    if sum(stated) > 1:
        raise ConfigError("auth_config has more than one kind of identity", hint="keep one of them")
    if not file and not metadata:
        return None
    audience = str(auth.get("audience") or _audience(url))
    if not _ATTRIBUTE.fullmatch(audience):
        raise ConfigError("auth_config.audience is not printable ASCII", hint="write the function's URL")
    mark = hashlib.sha256(f"{file or ''} {audience}".encode()).hexdigest()[:12]
    return Google(audience, SecretRef("file", str(file)) if file else None, _ID_TOKEN + mark)


def _audience(url: str) -> str:
    """Cloud Run wants its service's root, Cloud Functions the function's URL."""
    host = endpoint(url).host
    return f"https://{host}" if host.endswith(".run.app") else url


# ---- filling it with a job's input ----------------------------------------------------------------------------------


def plan_web(spec: WebSpec, call: Call, http: HttpRunner) -> WebPlan:
    """Return the request that this call makes; raise PlanError for input that makes none."""
    payload = payload_of(call)
    encoded(payload)
    headers: dict[str, str] = {}
    if spec.cloud_events:
        attributes = _attributes(spec, call)
        if spec.cloud_events == "binary":
            headers = {f"ce-{name}": quote(value, safe=_PLAIN) for name, value in attributes.items()}
        else:
            headers = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
            payload = {**attributes, "datacontenttype": "application/json", "data": payload}
    request = {"method": "POST", "path": "", "headers": headers, "body": "{payload}"}
    operation = replace(call.operation, mapping={"request": request})
    inner = http.plan(spec.inner, call._replace(operation=operation, input={"payload": payload}))
    return WebPlan(spec, inner, call.timeout_seconds)


def _attributes(spec: WebSpec, call: Call) -> dict[str, str]:
    """The context of a CloudEvent (specification 1.0): `id` and `source` together are the same for all attempts."""
    return {
        "specversion": "1.0",
        "id": str(call.job_id),
        "source": f"/specql-jobs/{quote(spec.service, safe='')}",
        "type": f"specql.{quote(spec.service, safe='')}.{quote(call.operation.name, safe='')}",
        **({"subject": call.correlation_id} if call.correlation_id else {}),
    }


def event_data(spec: WebSpec, output: Any) -> Any:
    """Return the data of a function that answers with a structured CloudEvent, else its answer."""
    if spec.cloud_events and isinstance(output, Mapping) and output.get("specversion") == "1.0" and "data" in output:
        return output["data"]
    return output
