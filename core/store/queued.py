"""The open jobs of a queue, in groups and as a bounded sample, for comparison with a registry. Reads only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import psycopg

from ..job import JobRecord
from ..registry.queued import Group
from .db import Connection, translate
from .statements import Questions
from .store import Store

#: More kinds of jobs than this, the smallest ones, are not looked at; whoever asks is told.
MOST_GROUPS: Final = 2_000
#: Jobs of one group whose inputs are read; of few groups, or small ones, all may be.
MOST_OF_GROUP: Final = 200
#: Jobs whose inputs are read in all.
MOST_READ: Final = 20_000
#: Each input may be 1 MiB: so many are held at once.
_BATCH: Final = 20
#: A scan of some ten million open jobs.
STATEMENT_TIMEOUT: Final = "60s"


_rows = Questions("queued.sql").rows


async def open_groups(connection: Connection) -> tuple[list[Group], bool]:
    """Return the open jobs by service, operation and execution type, largest groups first, and whether these are all.

    From here on the connection may only read, and no statement may take longer than STATEMENT_TIMEOUT.
    """
    await _rows(connection, "only_read", {"timeout": STATEMENT_TIMEOUT})
    rows = await _rows(connection, "groups", {"limit": MOST_GROUPS + 1})
    return [Group(**row) for row in rows[:MOST_GROUPS]], len(rows) <= MOST_GROUPS


async def worker_types(connection: Connection) -> frozenset[str]:
    """Return the execution types of the workers that are alive; empty when none is."""
    return frozenset(row["word"] for row in await _rows(connection, "worker_types"))


async def sampled_jobs(
    connection: Connection, groups: Sequence[Group]
) -> AsyncIterator[tuple[Group, JobRecord, str | None]]:
    """Yield jobs of each group with what their rows ask for and their inputs: all of a small group, some of a large."""
    most = max(min(MOST_OF_GROUP, MOST_READ // max(len(groups), 1)), 1)
    rows = await _rows(connection, "sample", _wanted(groups, most))
    store = Store(connection)
    for start in range(0, len(rows), _BATCH):
        batch = {_record(row): groups[row["number"]] for row in rows[start : start + _BATCH]}
        try:
            found = await store.documents(list(batch))
        except psycopg.Error as error:
            raise translate(error) from None
        for (job, document), group in zip(found, batch.values(), strict=True):
            yield group, job, document


def _wanted(groups: Sequence[Group], most: int) -> dict[str, Any]:
    return {
        "services": [each.service for each in groups],
        "operations": [each.operation for each in groups],
        "types": [each.execution_type for each in groups],
        "totals": [each.jobs for each in groups],
        "most": most,
        "limit": 2 * most * len(groups),
    }


def _record(row: dict[str, Any]) -> JobRecord:
    return JobRecord(row["id"], row["service_name"], row["operation"], row["lease_seq"], row["attempts"])
