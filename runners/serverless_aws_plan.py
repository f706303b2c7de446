"""From a job's input to one invocation of a Lambda function: pure data, and a line for the AWS CLI."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.contract import Call, Footprint, FunctionRef, PlanError, ResourceRequirements
from .serverless_aws_config import AwsSpec, addressed
from .serverless_config import LARGEST_MEMORY
from .serverless_payload import LONGEST_KEY, SHOWN_PAYLOAD, encoded, payload_of
from .service_settings import endpoint

#: Bytes; what Lambda takes, by kind of invocation (Invoke, Lambda API reference).
LARGEST_SYNC: Final = 6 * 1024 * 1024
LARGEST_EVENT: Final = 1024 * 1024
#: Bytes of base64 (the same page).
LARGEST_CONTEXT: Final = 3583
#: Under this key of an event's payload stands whose event it is; the destination's record repeats the payload.
MARK: Final = "_specql_jobs"


@dataclass(frozen=True, slots=True)
class AwsPlan:
    """One invocation. `key` is the same for all attempts of a job and for no other job."""

    spec: AwsSpec
    operation: str
    payload: bytes = field(repr=False)
    context: str
    key: str
    timeout_seconds: float
    max_response_bytes: int

    @property
    def footprint(self) -> Footprint:
        """The function, the stated endpoints, secrets by name, sizes, memory, and the most that it can cost."""
        spec = self.spec
        return Footprint(
            functions=(FunctionRef("aws", spec.region, str(spec.function)),),
            endpoints=tuple(endpoint(url) for url in (spec.endpoint_url,) if url),
            secrets=tuple(str(ref) for ref in spec.access.secrets),
            request_bytes=len(self.payload),
            output_bytes=self.max_response_bytes,
            timeout_seconds=self.timeout_seconds,
            resources=ResourceRequirements(memory_mb=spec.memory_mb),
            cost_usd=spec.prices.cost(self.timeout_seconds, spec.memory_mb or LARGEST_MEMORY),
        )

    def invocation(self) -> dict[str, Any]:
        """Return the parameters of the API's Invoke."""
        event = self.spec.event
        found: dict[str, Any] = {**addressed(self.spec.function), "Payload": self.payload}
        found["InvocationType"] = "Event" if event else "RequestResponse"
        return found if event else found | {"LogType": "Tail", "ClientContext": self.context}

    def describe(self) -> dict[str, Any]:
        """Return the invocation as data, with a line for the AWS CLI."""
        spec, footprint = self.spec, self.footprint
        return {
            "execution_type": "serverless",
            "service": spec.service,
            "operation": self.operation,
            "provider": "aws",
            "region": spec.region,
            "function": str(spec.function),
            "invocation_type": "Event" if spec.event else "RequestResponse",
            "role_arn": spec.access.role_arn or None,
            "profile": spec.access.profile or None,
            "endpoint_url": spec.endpoint_url or None,
            "result_queue": spec.result_queue or None,
            "payload_bytes": len(self.payload),
            "payload": json.loads(self.payload) if len(self.payload) <= SHOWN_PAYLOAD else None,
            "memory_mb": spec.memory_mb,
            "most_cost_usd": footprint.cost_usd,
            "timeout_seconds": self.timeout_seconds,
            "max_response_bytes": self.max_response_bytes,
            "secrets": list(footprint.secrets),
            "aws": _line(self),
        }


def plan_aws(spec: AwsSpec, call: Call) -> AwsPlan:
    """Return the invocation that this call makes; raise PlanError for input that makes none."""
    payload = payload_of(call)
    identity = _identity(call)
    if spec.result_queue:
        payload = _marked(payload, identity)
    body = encoded(payload)
    largest = LARGEST_EVENT if spec.event else LARGEST_SYNC
    if len(body) > largest:
        raise PlanError(f"the payload is {len(body)} bytes; Lambda takes {largest} of this kind of invocation")
    return AwsPlan(
        spec=spec,
        operation=call.operation.name,
        payload=body,
        context=_context(identity, spec),
        key=str(call.job_id),
        timeout_seconds=call.timeout_seconds,
        max_response_bytes=min(call.policy.max_response_size, LARGEST_SYNC),
    )


def _identity(call: Call) -> dict[str, Any]:
    """Who asks, and the fence."""
    return {
        "job_id": str(call.job_id),
        "lease": call.lease_seq,
        "attempt": call.attempt,
        "idempotency_key": _short(call.idempotency_key or str(call.job_id)),
        **({"correlation_id": _short(call.correlation_id)} if call.correlation_id else {}),
    }


def _short(text: str) -> str:
    """A job's own words in bounds: hashed where too long, always the same."""
    return text if len(text) <= LONGEST_KEY else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _marked(payload: Any, mark: Mapping[str, Any]) -> Any:
    if not isinstance(payload, Mapping):
        raise PlanError("with a result_queue the payload must be an object: its result is found by a field of it")
    if MARK in payload:
        raise PlanError(f"the payload's field {MARK} is the runner's own")
    return {**payload, MARK: dict(mark)}


def _context(identity: Mapping[str, Any], spec: AwsSpec) -> str:
    custom = {f"specql_{name}" if name != "idempotency_key" else name: value for name, value in identity.items()}
    text = base64.b64encode(encoded({"custom": custom, "env": dict(spec.environment)})).decode("ascii")
    if len(text) > LARGEST_CONTEXT:
        raise PlanError(f"environment is too large: Lambda takes {LARGEST_CONTEXT} bytes of client context")
    return text


def _line(plan: AwsPlan) -> str:
    asked, spec = plan.invocation(), plan.spec
    words = ["aws", "lambda", "invoke", "--region", spec.region, "--function-name", asked["FunctionName"]]
    for option, name in (
        ("--qualifier", "Qualifier"),
        ("--log-type", "LogType"),
        ("--client-context", "ClientContext"),
    ):
        words += [option, asked[name]] if name in asked else []
    words += ["--invocation-type", asked["InvocationType"], "--cli-binary-format", "raw-in-base64-out"]
    words += ["--profile", spec.access.profile] if spec.access.profile else []
    words += ["--endpoint-url", spec.endpoint_url] if spec.endpoint_url else []
    large = len(plan.payload) > SHOWN_PAYLOAD
    words += ["--payload", "file://payload.json" if large else plan.payload.decode(), "/dev/stdout"]
    return shlex.join(words)
