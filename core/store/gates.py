"""What keeps jobs from being dispatched: pauses and circuit breakers, as people set, lift and list them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..job import folded
from .db import Connection
from .statements import Questions

_rows = Questions("gates.sql").rows


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseScope:
    """What a pause is about: exactly one of these."""

    service: str | None = None
    operation: str | None = None  # service.operation
    execution_type: str | None = None
    tenant: UUID | None = None
    everything: bool = False

    @property
    def words(self) -> str:
        """Say what it is about, for people."""
        if self.everything:
            return "everything"
        kind, value = next((key, value) for key, value in asdict(self).items() if value)
        return f"{kind.replace('_', ' ')} {value}"


async def pause(
    connection: Connection, scope: PauseScope, seconds: float | None, reason: str, actor: str
) -> datetime | None:
    """Stop dispatch; return until when, None for as long as nobody resumes it."""
    (row,) = await _rows(connection, "pause", _about(scope, reason, actor) | {"seconds": seconds})
    until: datetime | None = row["until"]
    return until


async def resume(connection: Connection, scope: PauseScope, reason: str, actor: str) -> bool:
    """Lift a pause; return whether there was one."""
    (row,) = await _rows(connection, "resume", _about(scope, reason, actor))
    return bool(row["resumed"])


@dataclass(frozen=True, slots=True)
class Behind:
    """How many pending jobs a pause concerns. `untold`: of how many neither row nor live worker tells the type."""

    pending: int
    untold: int

    @property
    def words(self) -> str:
        """Say what waits, for people."""
        return f", and {self.untold} more whose type no live worker tells" if self.untold else ""


async def behind(connection: Connection, scope: PauseScope) -> Behind:
    """Return how many pending jobs a pause of this scope concerns."""
    (row,) = await _rows(connection, "behind", asdict(scope))
    return Behind(row["pending"], row["untold"])


async def pauses(connection: Connection) -> list[dict[str, Any]]:
    """Return the pauses in force."""
    return await _rows(connection, "pauses")


async def breakers(connection: Connection) -> list[dict[str, Any]]:
    """Return the breakers that are open, half open, or have failures on them."""
    return await _rows(connection, "breakers")


async def reset_breaker(connection: Connection, service: str, reason: str, actor: str) -> bool:
    """Close a breaker by hand; return whether it was open."""
    given = {"service": service, "reason": reason or None, "actor": actor}
    (row,) = await _rows(connection, "reset_breaker", given)
    return bool(row["was_open"])


async def is_met(connection: Connection, service: str) -> bool:
    """Whether the queue's small tables, or an open job, tell of a service."""
    return bool((await _rows(connection, "is_met", {"service": folded(service)}))[0]["met"])


async def services(connection: Connection) -> list[str]:
    """Return every service of which the queue tells, folded. Reads the whole table of jobs."""
    return [row["name"] for row in await _rows(connection, "services")]


def _about(scope: PauseScope, reason: str, actor: str) -> dict[str, Any]:
    return {**asdict(scope), "reason": reason or None, "actor": actor}
