"""What a worker does by the clock and no job waits for: sweep what crashes left on this host, forget old workers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from ..contract import JobRunner
from ..log import log_event
from .link import Link

SWEEP_EVERY = 60.0  # seconds

#: How often the head of the worker's audit chain is logged, in rounds of SWEEP_EVERY.
HEAD_EVERY = 10


class Upkeep:
    """Runs until cancelled; the first round is at the worker's start, before leftovers can hinder a job."""

    def __init__(self, link: Link, runners: Sequence[JobRunner[Any, Any]], worker_id: str) -> None:
        self._link = link
        self._runners = runners
        self._worker_id = worker_id

    async def run(self) -> None:
        """Sweep and forget, every minute; log the head of the audit chain every tenth."""
        for round_ in itertools.count(1):
            await self.sweep()
            await self._link.ask(lambda store: store.forget_workers())
            if round_ % HEAD_EVERY == 0:
                await log_head(self._link, self._worker_id)
            await asyncio.sleep(SWEEP_EVERY)

    async def sweep(self) -> None:
        """Remove containers, cgroups and scratch folders of workers that are not alive."""
        alive = await self._link.ask(lambda store: store.alive_workers())
        for runner in self._runners:
            await _sweep(runner, alive)


async def log_head(link: Link, worker_id: str) -> None:
    """Tell the log where the worker's audit chains stand: `audit verify --head` finds out if one was cut later."""
    for chain, number, mark in await link.ask(lambda store: store.audit_heads(worker_id)):
        log_event("audit_head", chain=chain, link=number, hash=mark)


async def _sweep(runner: JobRunner[Any, Any], alive: frozenset[str]) -> None:
    try:
        removed = await runner.sweep(alive)
    except Exception as error:  # noqa: BLE001 - what cannot be swept now is swept in a minute; jobs go on meanwhile
        log_event("sweep_failed", execution_type=str(runner.execution_type), error=type(error).__name__, exc_info=error)
        return
    if removed:
        log_event("sweep", execution_type=str(runner.execution_type), removed=len(removed))
