"""What a worker does by the clock and no job waits for: sweep what crashes left on this host, forget old workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..contract import JobRunner
from ..log import log_event
from .link import Link

SWEEP_EVERY = 60.0  # seconds


class Upkeep:
    """Runs until cancelled; the first round is at the worker's start, before leftovers can hinder a job."""

    def __init__(self, link: Link, runners: Sequence[JobRunner[Any, Any]]) -> None:
        self._link = link
        self._runners = runners

    async def run(self) -> None:
        """Sweep and forget, every minute."""
        while True:
            await self.sweep()
            await self._link.ask(lambda store: store.forget_workers())
            await asyncio.sleep(SWEEP_EVERY)

    async def sweep(self) -> None:
        """Remove containers, cgroups and scratch folders of workers that are not alive."""
        alive = await self._link.ask(lambda store: store.alive_workers())
        for runner in self._runners:
            await _sweep(runner, alive)


async def _sweep(runner: JobRunner[Any, Any], alive: frozenset[str]) -> None:
    try:
        removed = await runner.sweep(alive)
    except Exception as error:  # noqa: BLE001 - what cannot be swept now is swept in a minute; jobs go on meanwhile
        log_event("sweep_failed", execution_type=str(runner.execution_type), error=type(error).__name__, exc_info=error)
        return
    if removed:
        log_event("sweep", execution_type=str(runner.execution_type), removed=len(removed))
