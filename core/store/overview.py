"""The whole queue at a glance: services with their numbers, workers, the largest groups of errors. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ..clock import now
from .db import Connection, queries, translate
from .workers import list_workers

Row = dict[str, Any]

#: Groups of errors that one look fetches.
MOST_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """One look at the queue. Failures are those of the last hour, ended attempts those of the last minute."""

    at: datetime
    services: tuple[Row, ...] = ()
    errors: tuple[Row, ...] = ()
    workers: tuple[Row, ...] = ()


async def overview(connection: Connection) -> Overview:
    """Return how the queue is now."""
    services = await _rows(connection, "services", {})
    errors = await _rows(connection, "errors", {"limit": MOST_GROUPS})
    return Overview(now(), tuple(services), tuple(errors), tuple(await list_workers(connection)))


async def _rows(connection: Connection, name: str, parameters: Row) -> list[Row]:
    try:
        return await (await connection.execute(queries("overview.sql")[name].encode(), parameters)).fetchall()
    except psycopg.Error as error:
        raise translate(error) from None
