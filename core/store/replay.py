"""One job as a worker would be given it, read without claiming it."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from ..job import JobRecord
from .db import Connection, queries, translate
from .store import Store


class Recorded(NamedTuple):
    """A job of the queue, with its input as JSON text: None where it is too large or unprintable.

    `registry_digest` is that of the last attempt that ended; "" where none did.
    """

    job: JobRecord
    document: str | None
    registry_digest: str


async def recorded(connection: Connection, id_: UUID) -> Recorded | None:
    """Return the job as it is in the queue; None where there is none.

    The session is read-only from here on: nothing that a later statement does can reach the queue.
    """
    try:
        await connection.execute("SET default_transaction_read_only = on")
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await cursor.execute(queries("report.sql")["recorded"].encode(), {"id": id_})
            row = await cursor.fetchone()
        if row is None:
            return None
        *columns, digest = row
        ((job, document),) = await Store(connection).documents([JobRecord(*columns)])
    except psycopg.Error as error:
        raise translate(error) from None
    return Recorded(job, document, digest or "")
