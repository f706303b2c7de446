"""`--online[=KINDS]`: what of a registry exists out there. Nothing here is imported, or asked, without the flag."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ..core.errors import UsageError
from ..core.job import ExecutionType
from ..core.online.check import Online, Sources, check
from ..core.online.subjects import Kind

if TYPE_CHECKING:
    from ..core.registry.load import Loaded
    from ..core.secrets import Secrets
    from ..runners.wire import Wire


def read_kinds(text: str) -> frozenset[Kind]:
    """Return the kinds that `--online=image,dns` names, all for `all`; raise UsageError for another word."""
    if text == "all":
        return frozenset(Kind)
    words = [word.strip().lower() for word in text.split(",")]
    unknown = [word for word in words if word not in list(Kind)]
    if unknown:
        raise UsageError(
            f"--online cannot check {unknown[0][:80]!r}",
            hint=f"name some of {', '.join(Kind)}, or none for all of them",
        )
    return frozenset(Kind(word) for word in words)


def look(loaded: Loaded, kinds: frozenset[Kind], variables: Mapping[str, str], secrets: Secrets) -> Online:
    """Return what is missing and what could not be asked."""
    return asyncio.run(_look(loaded, kinds, variables, secrets))


async def _look(loaded: Loaded, kinds: frozenset[Kind], variables: Mapping[str, str], secrets: Secrets) -> Online:
    from ..runners import RunnerRegistry  # noqa: PLC0415 - asks alone need it
    from ..runners.docker_images import EngineImages  # noqa: PLC0415 - the same
    from ..runners.http_transport import system_resolver  # noqa: PLC0415 - httpx, 140 ms
    from ..runners.serverless_existence import Functions  # noqa: PLC0415 - asks alone need it

    runners = RunnerRegistry()
    wire = cast("Wire", runners.runner(ExecutionType.HTTP))
    try:
        async with EngineImages(variables.get("DOCKER_HOST", "")) as engine, Functions(wire, secrets) as functions:
            return await check(loaded, kinds, Sources(system_resolver, engine.has, secrets.is_set, functions.has))
    finally:
        await runners.aclose()
