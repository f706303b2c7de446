"""Hourly limits on invocations and cost, over all workers: reserved in the database before a function is invoked.

Asked only for services whose policy has such limits. A job over its limit is given back and costs no attempt; a worker
that dies leaves its reservation standing, because what it invoked may have been billed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..contract import Interrupted
from ..errors import Unavailable
from ..log import log_event
from ..store.db import FAILURES
from .link import Link
from .planner import Draft

#: Seconds until a job is looked at again whose limits could not be asked.
UNKNOWN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """One invocation that may be made, and the most that was set aside for it in US dollars."""

    service: str
    minute: datetime
    cost_usd: float


def is_limited(draft: Draft) -> bool:
    """Whether this job's policy limits it by the hour."""
    policy = draft.call.policy
    stated = policy.max_invocations_per_hour is not None or policy.max_cost_per_hour is not None
    return stated and bool(draft.footprint.functions)


class Budget:
    """Reserves and settles, over a connection of its own that is opened when first needed."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._turn = asyncio.Lock()  # a store serves one task at a time

    async def reserve(self, draft: Draft) -> Reservation | Interrupted:
        """Return the reservation, or how the attempt is given back."""
        service, cost, policy = draft.prepared.service.name, draft.footprint.cost_usd, draft.call.policy
        limits = policy.max_invocations_per_hour, policy.max_cost_per_hour
        try:
            async with self._turn:
                minute, wait = await self._link.ask(lambda store: store.reserve_invocation(service, cost, *limits))
        except Unavailable as error:
            return Interrupted(f"the hourly limits cannot be asked: {error.message}", UNKNOWN_SECONDS)
        if minute is None:
            log_event("job_limited", job_id=str(draft.call.job_id), service=service, wait_seconds=round(wait))
            return Interrupted(f"{service} has reached its hourly limit", wait)
        return Reservation(service, minute, cost)

    async def settle(self, reservation: Reservation, usage: Mapping[str, Any]) -> None:
        """Put what the invocation cost in the place of what was reserved; unknown or unwritten, that stands."""
        actual = usage.get("cost_usd")
        if actual is None:
            return
        entry = (reservation.service, reservation.minute, reservation.cost_usd, float(actual))
        try:
            async with self._turn:  # asked once: written twice, it would count too little
                store = await self._link.store()
                await store.settle_invocation(*entry)
        except (Unavailable, *FAILURES) as error:
            log_event("cost_unsettled", service=reservation.service, error=type(error).__name__)
