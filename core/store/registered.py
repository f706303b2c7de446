"""Which callbacks are registered, with which limits, and what became of those that failed: for people."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import psycopg

from ..errors import NotFound, SpecqlJobsError, UsageError
from .db import Connection, translate
from .statements import Questions, Row

#: What jobs.register_callback and jobs.limit_callbacks raise about what they were given; E241 and E320 in our words.
_INVALID = "22023"
_ABSENT = "P0002"


def _in_words(error: psycopg.Error) -> SpecqlJobsError:
    message, hint = error.diag.message_primary or "", error.diag.message_hint or ""
    if error.sqlstate == _ABSENT:
        return NotFound(message, hint=hint, code="E320", name="callback-unknown")
    if error.sqlstate == _INVALID:
        return UsageError(message, hint=hint or "specql-jobs db callbacks", code="E241", name="callback-unusable")
    return translate(error)


_rows = Questions("callbacks.sql", in_words=_in_words).rows


async def registered(connection: Connection) -> list[Row]:
    """Return the registered callbacks: as whom they run, why they cannot be called, and what waits or failed."""
    return await _rows(connection, "list")


async def of_jobs(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """Return the callbacks of jobs that did not succeed at once, oldest first."""
    found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
    for row in await _rows(connection, "of_jobs", {"ids": list(ids)}):
        found[row["job_id"]].append(row)
    return found


async def register(connection: Connection, call: Row, function: str) -> str:
    """Register a function for a call (entity, service, operation, outcome) and return its full name.

    Raise NotFound where there is no such function, UsageError where it cannot be called.
    """
    rows = await _rows(connection, "register", {**call, "function": function})
    return str(rows[0]["function_name"])


async def unregister(connection: Connection, call: Row) -> bool:
    """Remove what is registered for a call; False when nothing was."""
    return bool((await _rows(connection, "unregister", call))[0]["gone"])


async def discover(connection: Connection, schema: str, calls: Sequence[tuple[str, str, str]]) -> list[Row]:
    """Register the functions of a schema that have SpecQL's names for these calls: (entity, service, operation).

    A row's `problem` says why a function that is there was not registered.
    """
    entities, services, operations = ([call[part] for call in calls] for part in range(3))
    given = {"entities": entities, "services": services, "operations": operations}
    return await _rows(connection, "discover", {"schema": schema, **given})


async def retry(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Make failed callbacks of jobs due now; return what came of each: retried, already_done, …, not_found."""
    return {row["id"]: row["outcome"] for row in await _rows(connection, "retry", {"ids": list(ids)})}


async def limits(connection: Connection) -> Row:
    """Return run_as (None: the worker's own role), timeout_ms and max_attempts."""
    return (await _rows(connection, "limits"))[0]


async def limit(connection: Connection, run_as: str | None, timeout_ms: int | None, max_attempts: int | None) -> Row:
    """Set what is given and return all; "" as role lifts that limit. Raise NotFound or UsageError for a bad role."""
    given = {"run_as": run_as, "timeout_ms": timeout_ms, "max_attempts": max_attempts}
    return (await _rows(connection, "limit", given))[0]
