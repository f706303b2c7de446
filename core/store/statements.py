"""How the queue's statements are sent: prepared, by name, their rows as tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg.rows import tuple_row

from .db import Connection, queries


class Statements:
    """One autocommit connection, and the statements of store.sql by their names. Not safe for two tasks at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._sql = queries("store.sql")

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(self._sql[name].encode(), parameters, prepare=True)
            return await cursor.fetchall() if cursor.description else []
