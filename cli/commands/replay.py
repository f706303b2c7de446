"""`replay`: `run` with the input of a job that is in the queue; the queue is only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from ...core.errors import InvalidInput
from ...core.job import JobRecord
from ..context import database
from ..leaf import command, group
from ..one_job import Given, Manner, carry_out, settings_with, timeout_seconds
from ..options import Sources, Target
from ..output.console import Console
from ..selectors import complete, read_ids
from .show import refuse_unknown

if TYPE_CHECKING:
    from uuid import UUID

    from ...core.settings import Settings
    from ...core.worker.planner import Prepared

app = group("Execute a queued job's input here.")


@command(
    app,
    "replay 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --dry-run",
    "replay 0193c1 --registry services.yaml --timeout 2m",
    "replay 0193c1 -o json",
)
async def replay(
    console: Console,
    id_: Annotated[str, Argument(metavar="ID", help="The job's id, or a unique beginning of it")],
    target: Target,
    sources: Sources,
    manner: Manner,
) -> None:
    """Execute a job's input on this host, with this host's registry and policy. The job's row is not touched.

    What the row asks for (less memory, less time) holds here too. The target sees the job's own id and
    Idempotency-Key, so that one that honours them does not act twice.
    """
    settings = settings_with(console, manner, target)
    job, document = await _recorded(console, settings, id_)
    if manner.timeout:
        job = job._replace(timeout_seconds=timeout_seconds(manner.timeout))

    def read(prepared: Prepared) -> dict[str, Any]:
        return prepared.read(_readable(job.id, document))

    await carry_out(console, sources, manner, Given(settings, job, read, {"job_id": str(job.id)}))


async def _recorded(console: Console, settings: Settings, text: str) -> tuple[JobRecord, str | None]:
    """Return the job as a worker would be given it, and its input; raise NotFound. Reads only."""
    typed = read_ids([text], prefixes=True)
    async with database(console, settings) as connection:
        from ...core.store.replay import recorded  # noqa: PLC0415 - psycopg costs 170 ms

        (id_,) = await complete(connection, typed)
        found = await recorded(connection, id_)
    if found is None:
        refuse_unknown([id_])
        raise AssertionError("refuse_unknown always raises for an id")  # pragma: no cover
    job, document = found
    return job, document


def _readable(id_: UUID, document: str | None) -> str:
    if document is None:
        raise InvalidInput(
            f"the input of job {id_} cannot be read: it is larger than 1 MiB as text, or Postgres cannot print it",
            hint=f"specql-jobs show {id_}    (a worker fails such a job as invalid_input)",
        )
    return document
