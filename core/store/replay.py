"""One job as a worker would be given it, read without claiming it."""

from __future__ import annotations

from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from ..job import JobRecord
from .db import Connection, queries, translate
from .store import Store


async def recorded(connection: Connection, id_: UUID) -> tuple[JobRecord, str | None] | None:
    """Return the job and its input as JSON text (None where it is too large or unprintable); None where there is none.

    The session is read-only from here on: nothing that a later statement does can reach the queue.
    """
    try:
        await connection.execute("SET default_transaction_read_only = on")
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(queries("report.sql")["recorded"].encode(), {"id": id_})
            row = await cursor.fetchone()
        if row is None:
            return None
        ((job, document),) = await Store(connection).documents([JobRecord(*row)])
    except psycopg.Error as error:
        raise translate(error) from None
    return job, document
