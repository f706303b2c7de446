"""`--online` without a network: real look-ups of names that every host knows, and an engine on a socket."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from specql_jobs.core.online.check import Online, Sources, check
from specql_jobs.core.online.subjects import Kind
from specql_jobs.core.registry.load import Loaded
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.docker_images import EngineImages
from specql_jobs.runners.http_transport import system_resolver

from .engine import engine


def asked(loaded: Loaded, kind: Kind, variables: Mapping[str, str], images: frozenset[str]) -> Online:
    """Return what comes of one kind of check, with these variables set and these images in the engine."""
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), images) as running:
        return asyncio.run(_asked(loaded, kind, variables, running.url))


async def _asked(loaded: Loaded, kind: Kind, variables: Mapping[str, str], url: str) -> Online:
    async with EngineImages(url) as images:
        return await check(loaded, {kind}, Sources(system_resolver, images.has, Secrets(dict(variables)).is_set))
