"""`run`: one job here, through the plan, the policy and the runner that a worker would use; no database."""

from __future__ import annotations

from uuid import uuid4

from ...core.job import JobRecord
from ..job_input import read_input
from ..leaf import command, group
from ..one_job import Given, Manner, carry_out, settings_with, timeout_seconds
from ..operations import split
from ..options import JobInput, Sources
from ..output.console import Console

app = group("Execute one job here.")


@command(
    app,
    """run payments.charge --input '{"amount": 1200, "currency": "eur"}'""",
    "run payments.charge --input @charge.json --dry-run",
    "run thumbs.resize --set path=/srv/images/1.png --timeout 30s -o json",
    "run payments.charge --input @charge.json --mock 503    (no target is asked: a local server answers)",
    "run thumbs.resize --set path=/srv/images/1.png --shell    (look around where the job would run)",
    "run thumbs.resize --set path=/srv/images/1.png --propagate    (ends with the program's own exit code)",
)
async def run(console: Console, job_input: JobInput, sources: Sources, manner: Manner) -> None:
    """Execute one job on this host, exactly as a worker would, and print its output. The queue is not touched."""
    service, operation = split(job_input.operation)
    seconds = timeout_seconds(manner.timeout)
    job = JobRecord(uuid4(), service, operation, lease_seq=1, attempts=1, timeout_seconds=seconds)
    given = Given(
        settings_with(console, manner), job, lambda prepared: read_input(job_input, prepared.operation.input_schema)
    )
    await carry_out(console, sources, manner, given)
