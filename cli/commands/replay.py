"""`replay`: `run` with the input of a job that is in the queue; the queue is only read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ...core.errors import Conflict, InvalidInput
from ..context import database
from ..job_input import assigned
from ..leaf import command, group
from ..one_job import Given, Manner, carry_out, settings_with, timeout_seconds
from ..options import Assignments, Sources, Target
from ..output.console import Console
from ..selectors import complete, read_ids
from .show import refuse_unknown

if TYPE_CHECKING:
    from uuid import UUID

    from ...core.registry.model import Registry
    from ...core.settings import Settings
    from ...core.store.replay import Recorded
    from ...core.worker.planner import Prepared

app = group("Execute a queued job's input here.")


@dataclass(frozen=True, slots=True)
class Recording:
    """Which job, and how much of what is recorded with it is taken."""

    id_: Annotated[str, Argument(metavar="ID", help="The job's id, or a unique beginning of it")]
    set: Assignments = None
    as_recorded: Annotated[
        bool, Option("--as-recorded", help="Only under the registry that the job last ran with, by its digest")
    ] = False


@command(
    app,
    "replay 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --dry-run",
    "replay 0193c1 --registry services.yaml --timeout 2m",
    "replay 0193c1 --as-recorded --registry before-the-deploy.yaml    (is it the data, or the deploy?)",
    "replay 0193c1 --set amount=1 --mock 503    (no target is asked: a local server answers)",
    "replay 0193c1 -o json",
)
async def replay(
    console: Console,
    recording: Recording,
    target: Target,
    sources: Sources,
    manner: Manner,
) -> None:
    """Execute a job's input on this host, with this host's registry and policy. The job's row is not touched.

    What the row asks for (less memory, less time) holds here too. The target sees the job's own id and
    Idempotency-Key, so that one that honours them does not act twice.
    """
    settings = settings_with(console, manner, target)
    found = await _recorded(console, settings, recording.id_)
    job = found.job
    if manner.timeout:
        job = job._replace(timeout_seconds=timeout_seconds(manner.timeout))

    def read(prepared: Prepared) -> dict[str, Any]:
        data = prepared.read(_readable(job.id, found.document))
        return assigned(data, recording.set, prepared.operation.input_schema)

    def admit(registry: Registry) -> None:
        if recording.as_recorded:
            _require_recorded(found, registry)

    source = {"id": str(job.id), "attempt": job.attempts, "registry_digest": found.registry_digest or None}
    named = {"job_id": str(job.id), "source_job": source}
    await carry_out(console, sources, manner, Given(settings, job, read, named, admit))


async def _recorded(console: Console, settings: Settings, text: str) -> Recorded:
    """Return the job as a worker would be given it, and its input; raise NotFound. Reads only."""
    typed = read_ids([text], prefixes=True)
    async with database(console, settings) as connection:
        from ...core.store.replay import recorded  # noqa: PLC0415 - psycopg costs 170 ms

        (id_,) = await complete(connection, typed)
        found = await recorded(connection, id_)
    if found is None:
        refuse_unknown([id_])
        raise AssertionError("refuse_unknown always raises for an id")  # pragma: no cover
    return found


def _readable(id_: UUID, document: str | None) -> str:
    if document is None:
        raise InvalidInput(
            f"the input of job {id_} cannot be read: it is larger than 1 MiB as text, or Postgres cannot print it",
            hint=f"specql-jobs show {id_}    (a worker fails such a job as invalid_input)",
        )
    return document


def _require_recorded(found: Recorded, registry: Registry) -> None:
    """Raise Conflict unless this is the registry that the job last ran with."""
    if found.registry_digest == registry.digest:
        return
    id_ = found.job.id
    if not found.registry_digest:
        message = f"job {id_} has no attempt that ended, so no registry is recorded with it"
        raise _differs(message, f"specql-jobs replay {id_}    (under the registry that there is)")
    message = f"job {id_} ran with registry {found.registry_digest}, and this one is {registry.digest}"
    raise _differs(
        message,
        "git log --oneline -- services.yaml    (what was deployed when it ran)\n"
        "git show COMMIT:services.yaml > then.yaml\n"
        f"specql-jobs replay {id_} --as-recorded --registry then.yaml    (with the worker's own --env, if it has one)",
    )


def _differs(message: str, hint: str) -> Conflict:
    return Conflict(message, code="E605", name="registry-differs", hint=hint)
