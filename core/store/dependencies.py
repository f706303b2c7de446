"""What a batch of new jobs may wait for, and what is said when it may not."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from ..errors import InvalidInput, NotFound
from ..job import NewJob


def refuse_later_ones(new: Sequence[tuple[UUID, NewJob]]) -> None:
    """Raise InvalidInput where a job waits for itself or for one after it: so no ring of waiting can arise."""
    place = {id_: number for number, (id_, _) in enumerate(new)}
    for number, (_, job) in enumerate(new):
        if any(place.get(each, -1) >= number for each in job.depends_on):
            raise InvalidInput(
                f"job {number + 1} of the batch waits for itself or for a later one; nothing was enqueued",
                hint="put each job after those that it waits for",
            )


def unknown_dependency(error: ForeignKeyViolation) -> NotFound:
    """Return the error for a dependency that is no job, in the words of jobs.add_dependencies, which names it."""
    message = (error.diag.message_primary or "").removeprefix("jobs.enqueue: ")
    hint = "look for it with: specql-jobs list    (finished jobs may have been pruned)"
    return NotFound(message, code="E301", name="job-unknown", hint=hint)
