"""`--online[=KINDS]`: what of a registry exists out there. Nothing here is imported, or asked, without the flag."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.online.check import Online, Sources, check
from ..core.online.subjects import Kind

if TYPE_CHECKING:
    from ..core.registry.load import Loaded
    from ..core.secrets import Secrets


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
    from ..runners.docker_images import EngineImages  # noqa: PLC0415 - asks alone need it
    from ..runners.http_transport import system_resolver  # noqa: PLC0415 - httpx, 140 ms

    async with EngineImages(variables.get("DOCKER_HOST", "")) as engine:
        return await check(loaded, kinds, Sources(system_resolver, engine.has, secrets.is_set))
