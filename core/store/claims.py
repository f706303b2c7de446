"""Taking jobs from the queue: what its lanes are, a batch from some of them, and what keeps others back."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from ..clock import monotonic
from ..job import JobRecord
from ..lanes import NO_TENANT, Claimed, Lane, Limits, News, Portion, Sighting
from . import columns
from .db import UNSTORABLE
from .statements import Statements

#: The largest input that a worker reads, in bytes of JSON text (the same bound as jobs.enqueue).
LARGEST_INPUT = 1_048_576

#: The largest runner_config or security_context of a row that is read, likewise.
LARGEST_ASKED = 65_536

#: Before every lane: where a survey begins.
BEGINNING = Lane(-(2**31), "", "", NO_TENANT)

#: Lanes of one survey (20 us each).
SURVEY_PAGE = 1000

#: The columns of a claim by which the queue is ordered: negated priority, run_at.
_QUEUE_ORDER = itemgetter(12, 13)


class Claims(Statements):
    """The verbs by which jobs leave the queue."""

    async def survey(self, after: Lane = BEGINNING, page: int = SURVEY_PAGE) -> list[Sighting]:
        """Return the lanes that have pending jobs, in the queue's order, from behind `after` on."""
        begin = {f"after_{key}": value for key, value in after._asdict().items()}
        rows = await self._rows("survey", {**begin, "page": page})
        return [Sighting(Lane(*row[:4]), *row[4:]) for row in rows]

    async def claim(self, worker_id: str, portions: Sequence[Portion], wanted: int) -> list[Claimed]:
        """Take up to `wanted` ready jobs from those lanes, under a new lease each, in the queue's order."""
        asked = {"worker_id": worker_id, "wanted": wanted, **columns.of_portions(portions)}
        return await self._claim("claim", asked)

    async def claim_limited(
        self, worker_id: str, portions: Sequence[Portion], wanted: int, limits: Limits
    ) -> list[Claimed]:
        """The same from the lanes of one service, as far as its limits over all workers and its breaker allow."""
        asked = {"worker_id": worker_id, "wanted": wanted, **columns.of_portions(portions), **columns.of_limits(limits)}
        return await self._claim("claim_limited", asked)

    async def _claim(self, name: str, asked: dict[str, Any]) -> list[Claimed]:
        try:
            rows = await self._rows(name, asked | {"documents": True})
        except UNSTORABLE:  # one row's documents cannot be printed: the others' must not wait for it
            return await self._claim_bare(name, asked)
        rows.sort(key=_QUEUE_ORDER)
        now = monotonic()
        return [columns.claimed(row, now) for row in rows]

    async def _claim_bare(self, name: str, asked: dict[str, Any]) -> list[Claimed]:
        """Claim without documents, then fetch them."""
        rows = await self._rows(name, asked | {"documents": False})
        rows.sort(key=_QUEUE_ORDER)
        now = monotonic()
        found = await self.documents([columns.record(row, now) for row in rows])
        return [Claimed(job, document, row[12], row[13]) for row, (job, document) in zip(rows, found, strict=True)]

    async def note_outcomes(self, news: Sequence[News]) -> list[tuple[str, str]]:
        """Tell the breakers what settlements say of their targets; return the services that opened or closed."""
        rows = await self._rows("note_outcomes", columns.of_news(news))
        return [(row[0], row[1]) for row in rows]

    async def drop_breaker(self, service: str) -> bool:
        """Close a half open breaker that the registry has no longer; return whether there was one."""
        return bool(await self._rows("drop_breaker", {"service": service}))

    async def documents(self, jobs: Sequence[JobRecord]) -> list[tuple[JobRecord, str | None]]:
        """Return each job with what its row asks for, and its input as JSON text.

        The text is None where it is too large, or where Postgres itself cannot print the row's documents.
        """
        caps = {"cap": LARGEST_INPUT, "asked_cap": LARGEST_ASKED}
        try:
            rows = await self._rows("documents", {"ids": [job.id for job in jobs], **caps})
        except UNSTORABLE:
            return await self._documents_one_by_one(jobs)
        found = {row[0]: row[1:] for row in rows}
        return [columns.with_documents(job, *found.get(job.id, (None, None, None))) for job in jobs]

    async def _documents_one_by_one(self, jobs: Sequence[JobRecord]) -> list[tuple[JobRecord, str | None]]:
        """One unprintable document must not stop its batch."""
        if len(jobs) == 1:
            return [(jobs[0], None)]
        return [pair for job in jobs for pair in await self.documents([job])]
