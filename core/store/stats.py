"""Numbers by a field: what waits and runs now, what ended within a window, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import psycopg

from ..selector import Moment, Selector
from . import selection
from .counting import ALIASES, EXPRESSIONS
from .db import Connection, queries, translate
from .failures import Window, window

Row = dict[str, Any]

FIELDS: Final = ("service", "operation", "type", "tenant", "worker")


@dataclass(frozen=True, slots=True)
class Stats:
    """One row for each value of the field, the one with the most jobs first; times in milliseconds."""

    window: Window
    rows: list[Row]


async def stats(connection: Connection, selector: Selector, since: Moment, field: str) -> Stats:
    """Return the numbers by `field`, of FIELDS; raise UsageError for an empty window."""
    meant = await window(connection, since, selector.until)
    timed = replace(selector, since=Moment(at=meant.since), until=Moment(at=meant.until))
    text = queries("report.sql")["stats"].replace("{key}", EXPRESSIONS[field])
    text = text.replace("{source}", selection.open_or_ended(timed))
    try:
        rows = await (await connection.execute(text.encode(), timed.parameters() | {"aliases": ALIASES})).fetchall()
    except psycopg.Error as error:
        raise translate(error) from None
    return Stats(meant, rows)
