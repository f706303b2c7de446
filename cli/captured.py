"""Reading the captured output of jobs, each from where the last reading stood."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.store import following

if TYPE_CHECKING:
    from .following import Follower

#: Before the first chunk of any attempt.
START = (-1, -1)


class Captured:
    """Where the reading of each job's output stands."""

    def __init__(self) -> None:
        self._cursors: dict[UUID, following.Cursor] = {}

    def begin(self, id_: UUID, lease_seq: int | None = None) -> None:
        """Read a job's output from an attempt on, or from the first; a job that is being read goes on."""
        self._cursors.setdefault(id_, START if lease_seq is None else (lease_seq, -1))

    def end(self, id_: UUID) -> None:
        """Read a job's output no more."""
        self._cursors.pop(id_, None)

    async def new(self, follower: Follower, ids: Iterable[UUID] | None = None) -> AsyncIterator[list[dict[str, Any]]]:
        """Yield the chunks that were not read before, of these jobs or of all: job by job, as they were kept."""
        wanted = list(self._cursors) if ids is None else [*dict.fromkeys(ids)]
        while wanted:
            cursors = {id_: self._cursors[id_] for id_ in wanted}
            rows = await follower.ask(lambda connection: following.output_after(connection, cursors))  # noqa: B023 - awaited
            for row in rows:
                self._cursors[row["job_id"]] = (row["lease_seq"], row["chunk"])
            if rows:
                yield rows
            if len(rows) < following.MOST_CHUNKS:
                return
