"""Whether a cloud function exists, for `validate --online`: one read-only request, with the rights of the service.

Only AWS has a question that runs nothing: GetFunctionConfiguration. Its answer is dropped, because a function's
environment stands in it. What is behind a URL could only be called, and calling is executing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..core.contract import Footprint, FunctionRef, Refused
from ..core.errors import ConfigError, Denied, Unavailable
from ..core.secrets import Secrets
from .answers import one_line
from .aws_doors import Doors, NoAws
from .aws_errand import Errand, Stopped, Threads
from .serverless_aws_config import AwsSpec, addressed, looking_place, read_aws
from .serverless_config import provider_of
from .service_settings import endpoint
from .wire import Judge, Wire, WireBroken

if TYPE_CHECKING:
    from ..core.registry.model import Service

#: A configuration has a function's environment, at most 4 KiB of it, and the names of its layers and networks.
MOST_BYTES = 256 * 1024
_ASKED = "GetFunctionConfiguration"


class Functions:
    """Which functions exist, asked over `wire` to judged addresses only. Use as an async context manager."""

    def __init__(self, wire: Wire, secrets: Secrets) -> None:
        """`wire` stays its owner's to close."""
        self._wire = wire
        self._secrets = secrets
        self._threads = Threads()
        self._doors = Doors()

    async def __aenter__(self) -> Functions:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._threads.close()

    async def has(self, service: Service, judge: Judge) -> bool:
        """Whether the service's function exists; raise Unavailable where nobody can be asked, or none may be."""
        try:
            spec = _aws(service)
            _check(spec, judge)
            values = {ref: await asyncio.to_thread(self._secrets.resolve, ref) for ref in spec.access.secrets}
        except (ConfigError, Denied) as error:
            raise Unavailable(error.message) from None
        external = spec.access.external_id
        return await self._ask(spec, judge, values[external] if external else "")

    async def _ask(self, spec: AwsSpec, judge: Judge, external_id: str) -> bool:
        host = endpoint(spec.endpoint_url).host if spec.endpoint_url else ""
        errand = Errand(self._wire, judge, spec.service, MOST_BYTES, host)

        def work() -> None:
            door = self._doors.door("lambda", looking_place(spec), external_id)
            for value in door.secrets():
                self._secrets.protect(value)
            door.client.get_function_configuration(**addressed(spec.function))

        try:
            await self._threads.run(errand, work)
        except Exception as error:  # noqa: BLE001 - sorted out by type; a bug is raised again
            return self._says_no(error)
        return True

    def _says_no(self, error: Exception) -> bool:
        """Return False for an API that knows no such function; raise Unavailable for everything else but a bug."""
        if isinstance(error, NoAws):
            raise Unavailable(str(error)) from None
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - botocore is there by now
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - the same

        match error:
            case WireBroken():
                raise Unavailable(self._secrets.redact(_broken(error))) from None
            case ClientError():
                return _of_code(error.operation_name, error.response)
            case BotoCoreError() | ResponseParserError() | Stopped():
                # Its texts may quote what was sent.
                raise Unavailable(f"boto3 cannot ask AWS: {type(error).__name__}") from None
            case _:
                raise error


def _aws(service: Service) -> AwsSpec:
    provider = provider_of(service.runner_config)
    if provider != "aws":
        raise Unavailable(f"provider {provider} has no harmless question: to ask a URL is to call the function")
    return read_aws(service)


def _check(spec: AwsSpec, judge: Judge) -> None:
    """Where a job would be refused, nothing is asked either, and no credentials are used."""
    endpoints = (endpoint(spec.endpoint_url),) if spec.endpoint_url else ()
    named = Footprint(functions=(FunctionRef("aws", spec.region, str(spec.function)),), endpoints=endpoints)
    violations = judge(named)
    if violations:
        raise Unavailable(f"the policy refuses it: {violations[0].message}")


def _broken(error: WireBroken) -> str:
    outcome = error.outcome
    return outcome.violations[0].message if isinstance(outcome, Refused) else outcome.message


def _of_code(operation: str, response: Mapping[str, Any]) -> bool:
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    code = one_line(str(response.get("Error", {}).get("Code") or ""))[:80] or f"HTTP status {status}"
    if status == 404 and operation == _ASKED:
        return False
    if status in (401, 403):
        raise Unavailable(f"these credentials are not allowed to look ({operation}: {code})") from None
    raise Unavailable(f"AWS does not say whether it exists ({operation}: {code})") from None
