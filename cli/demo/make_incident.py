"""An incident from its beginning to its end: made, mended outside, judged, ended."""

from __future__ import annotations

import asyncio

from ...core.clock import monotonic
from ...core.errors import UsageError
from ...core.store.db import open_database
from ...core.store.migrate import migrate
from . import engine_image
from .incidents import Incident
from .stage import Stage
from .unfolding import Unfolding, require_engine
from .verdict import wrongs


async def make(incident: Incident, stage: Stage, docker_host: str) -> float:
    """Make an incident; return how long it took, in seconds. When it cannot be made, nothing of it stays."""
    started = monotonic()
    if incident.name == "image-missing":
        await require_engine(docker_host)
    stage.make(incident.concurrency, incident.cron)
    try:
        await stage.start()
        async with open_database(stage.dsn, "specql-jobs demo", create=True) as connection:
            await migrate(connection)
            story = Unfolding(incident, stage, connection, docker_host)
            story.write_registry()
            await story.unfold()
    except BaseException:
        await stage.end()
        raise
    return monotonic() - started


async def mend(incident: Incident, stage: Stage, docker_host: str) -> None:
    """Set right what is outside of the queue: the far end, the deploy, the image, the worker's host."""
    stage.require()
    if stage.mended:
        raise UsageError("the outside is mended already", hint=f"specql-jobs demo incident {incident.name} --check")
    match incident.name:
        case "image-missing":
            await asyncio.to_thread(engine_image.push, docker_host)
        case "worker-lost":
            await stage.order("start")
        case "bad-deploy":
            async with open_database(stage.dsn, "specql-jobs demo") as connection:
                await Unfolding(incident, stage, connection, docker_host).deploy(incident.before)
    await stage.order("mend")


async def judge(incident: Incident, stage: Stage) -> list[str]:
    """Return what is still wrong; nothing when the queue is healthy again."""
    stage.require()
    async with open_database(stage.dsn, "specql-jobs demo") as connection:
        return await wrongs(incident, connection, mended=stage.mended)


async def end(incident: Incident, stage: Stage, docker_host: str) -> None:
    """End its processes, and remove its folder and its image."""
    stage.require()
    await stage.end()
    if incident.name == "image-missing":
        await asyncio.to_thread(engine_image.remove, docker_host)
