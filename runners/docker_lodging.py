"""Where this process's containers are made, and how one is left behind for a person who asked for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from .docker_engine import Engine, EngineError, Facts
from .visit import NOBODY, Visit


@dataclass(slots=True)
class Lodging:
    """Where containers are made: the engine, and what of this process is in it."""

    engine: Engine
    facts: Facts
    running: set[str]  # names of this process's containers
    removals: set[asyncio.Task[None]] = field(default_factory=set)
    visit: Visit = NOBODY


async def leave(lodging: Lodging, container: str, name: str) -> None:
    """Leave a container, ended, under a name that no sweep takes, and tell the visitor of it."""
    with suppress(EngineError):  # it has ended by itself
        await lodging.engine.do(lambda client: client.kill(container))
    lodging.visit.kept.append(name)
