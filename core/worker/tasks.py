"""Waiting for several tasks at once: the first to end, one beside others, and the end of cancelled ones."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def first_of(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait for the first task to end; raise its error, if that is how it ended."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def beside(work: Coroutine[Any, Any, T], services: Iterable[asyncio.Task[Any]]) -> T:
    """Return what `work` returns; raise the error of a service that fails meanwhile, for `work` may wait for it."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await first_of([task, *(service for service in services if not service.done())])
        return task.result()
    finally:
        await cancelled(task)


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait for their end; their errors were reported where they mattered."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
