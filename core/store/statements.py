"""How named statements are sent: the queue's prepared, with tuples as rows; people's questions plain, with dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from psycopg.types.json import set_json_loads

from ..errors import SpecqlJobsError
from .db import Connection, queries, translate

Row = dict[str, Any]


@cache
def statements() -> dict[str, str]:
    """Return the statements of store.sql by name; `rescue` twice, so that the planner sees whose jobs are meant."""
    found = dict(queries("store.sql"))
    whose = {"rescue": found.pop("everybodys"), "rescue_of": found.pop("one_workers")}
    return found | {name: found["rescue"].replace("{whose}", condition) for name, condition in whose.items()}


class Statements:
    """One autocommit connection, and the statements of store.sql by their names. Not safe for two tasks at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._sql = statements()

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self.connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(self._sql[name].encode(), parameters, prepare=True)
            return await cursor.fetchall() if cursor.description else []


@dataclass(frozen=True, slots=True)
class Questions:
    """The statements of one .sql file beside this module, by name. `spliced` is the one that others have in braces.

    `in_words` makes errors of the driver readable; `loads` reads JSON in another way than the driver does.
    """

    file: str
    spliced: str = ""
    in_words: Callable[[psycopg.Error], SpecqlJobsError] = translate
    loads: Callable[[str | bytes], Any] | None = None

    async def rows(self, connection: Connection, name: str, given: Mapping[str, Any] | None = None) -> list[Row]:
        """Return a statement's rows; raise what `in_words` makes of a failure."""
        return await self.answer(connection, self.text(name), given)

    async def answer(self, connection: Connection, text: str, given: Mapping[str, Any] | None = None) -> list[Row]:
        """The same for a statement of this file that was completed; `text` is fixed, values are parameters."""
        try:
            return await self._sent(connection, text, given)
        except psycopg.Error as error:
            raise self.in_words(error) from None

    async def fetch(self, connection: Connection, name: str, given: Mapping[str, Any] | None = None) -> list[Row]:
        """Return a statement's rows; raise the driver's own errors."""
        return await self._sent(connection, self.text(name), given)

    async def _sent(self, connection: Connection, text: str, given: Mapping[str, Any] | None) -> list[Row]:
        async with connection.cursor() as cursor:
            if self.loads is not None:
                set_json_loads(self.loads, cursor)
            await cursor.execute(text.encode(), given)
            return await cursor.fetchall() if cursor.description else []

    def text(self, name: str) -> str:
        """Return a statement as it is sent."""
        named = queries(self.file)
        return named[name].replace(f"{{{self.spliced}}}", named[self.spliced]) if self.spliced else named[name]
