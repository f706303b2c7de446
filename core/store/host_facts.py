"""What `doctor` asks a database beside its schema: what the role may do, how its clock goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import clock
from .db import Connection, queries


@dataclass(frozen=True, slots=True)
class Rights:
    """What a role lacks of what workers and operators do."""

    role: str
    may_enter: bool
    unreadable: tuple[str, ...]
    unwritable: tuple[str, ...]


async def rights(connection: Connection) -> Rights | None:
    """Return what the connected role lacks on the tables of the schema jobs; None where there is no such schema."""
    row = await _one(connection, "rights")
    if row is None:
        return None
    return Rights(str(row["role"]), bool(row["may_enter"]), tuple(row["unreadable"]), tuple(row["unwritable"]))


async def clock_skew(connection: Connection) -> float:
    """Return by how many seconds this host's clock is ahead of the database's, to within half a round trip."""
    before = clock.now()
    row = await _one(connection, "database_now")
    middle = before + (clock.now() - before) / 2
    assert row is not None
    return float((middle - row["at"]).total_seconds())


async def _one(connection: Connection, name: str) -> dict[str, Any] | None:
    return await (await connection.execute(queries("host_facts.sql")[name].encode())).fetchone()
