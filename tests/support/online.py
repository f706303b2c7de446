"""`--online` without a network: real look-ups of names that every host knows, an engine and a Lambda of our own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from specql_jobs.core.online.check import Online, Sources, check
from specql_jobs.core.online.subjects import Kind
from specql_jobs.core.registry.load import Loaded
from specql_jobs.core.secrets import Secrets
from specql_jobs.runners.docker_images import EngineImages
from specql_jobs.runners.http import HTTPRunner
from specql_jobs.runners.http_transport import system_resolver
from specql_jobs.runners.serverless_existence import Functions
from specql_jobs.runners.wire import Judge, Wire, WireAnswer, WireRequest

from .engine import engine
from .lambda_host import REGION, LambdaHost
from .serverless_calls import ENVIRONMENT


@dataclass(frozen=True)
class World:
    """What there is: images of the engine, functions of Lambda."""

    images: frozenset[str] = frozenset()
    functions: Collection[str] = ()


@dataclass(frozen=True)
class _Near:
    """A network in which AWS's own address is this machine's; everything else is the runner's real client."""

    http: HTTPRunner
    url: str

    async def send(self, request: WireRequest, judge: Judge, most_bytes: int) -> WireAnswer:
        """Send to the host here what is for AWS."""
        aws = f"https://lambda.{REGION}.amazonaws.com/"
        if not request.url.startswith(aws):
            return await self.http.send(request, judge, most_bytes)
        here = replace(request, url=request.url.replace(aws, f"{self.url}/", 1))
        return await self.http.send(here, lambda _footprint: (), most_bytes)


def asked(loaded: Loaded, kind: Kind, variables: Mapping[str, str], world: World) -> Online:
    """Return what comes of one kind of check, with these variables set and these things in the world."""
    with (
        tempfile.TemporaryDirectory() as folder,
        engine(Path(folder), world.images) as running,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in ENVIRONMENT.items():
            patched.setenv(name, value)
        return asyncio.run(_asked(loaded, kind, Secrets(dict(variables)), running.url, world))


async def _asked(loaded: Loaded, kind: Kind, secrets: Secrets, url: str, world: World) -> Online:
    http = HTTPRunner()
    async with LambdaHost() as host, EngineImages(url) as images:
        for name in world.functions:
            host.holds(name)
        wire: Wire = _Near(http, host.url)
        async with Functions(wire, secrets) as functions:
            found = await check(loaded, {kind}, Sources(system_resolver, images.has, secrets.is_set, functions.has))
        await http.aclose()
    return found
