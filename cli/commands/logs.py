"""`logs`: what jobs wrote to stdout and stderr, and what their targets answered, by attempt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ...core.errors import UsageError
from ..context import settings_for
from ..leaf import Streamed, command, group
from ..options import Target
from ..output.console import Console
from ..selectors import complete, read_ids

if TYPE_CHECKING:
    pass

app = group("Captured output of jobs.")


class Stream(StrEnum):
    """What a runner captures."""

    stdout = "stdout"
    stderr = "stderr"
    http = "http"


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of the output."""

    attempt: Annotated[int | None, Option("--attempt", min=1, metavar="N", help="This attempt's; else the last")] = None
    all_attempts: Annotated[bool, Option("--all-attempts", help="Every attempt's, the oldest first")] = False
    stream: Annotated[Stream | None, Option("--stream", help="Only this one")] = None
    tail: Annotated[int | None, Option("--tail", min=0, metavar="N", help="Only the last N lines of each job")] = None
    follow: Annotated[bool, Option("--follow", "-f", help="Go on until the jobs have ended")] = False
    raw: Annotated[bool, Option("--raw", help="As it was said, without marks: for a pipe or a file")] = False


@command(
    app,
    "logs 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "logs 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d -f",
    "logs 0193c1 --attempt 2 --stream stderr --raw > stderr.txt",
    "specql-jobs list --status failed --since 1h -q | specql-jobs logs - --tail 5",
    formats=Streamed,
)
async def logs(
    console: Console,
    ids: Annotated[list[str], Argument(metavar="ID...", help="Ids, or unique beginnings; -: ids on stdin")],
    target: Target,
    part: Part,
) -> None:
    """Show what the last attempt of each job wrote, stdout and stderr marked; the output outlives the worker.

    An attempt's output is kept when the attempt ends, redacted and bounded by max_output_bytes. -f goes on, retries
    included, until the jobs have ended, and tells on stderr how: exit 0 however they did, `wait` answers that. Where
    there is none it says why. Exit 3 for an id or an attempt that there is not.
    """
    typed, follow = read_ids(ids, prefixes=True), part.follow and not console.is_json
    _refuse(console, part)
    if part.follow and not follow:
        console.warn("one JSON document cannot be followed: -o jsonl writes one line of output a line")
    console.streaming = True
    from ..following import follower  # noqa: PLC0415 - psycopg costs 170 ms
    from ..log_view import LogView  # noqa: PLC0415 - with it

    async with follower(console, settings_for(console, target)) as following:
        whole = await following.ask(lambda connection: complete(connection, typed))
        view = LogView(console, part)
        await view.begin(following, whole)
        while follow and await view.open_jobs(following):
            await following.change()
            await view.read_on(following)
        if follow:
            await view.tell_ends(following)
        view.finish()


def _refuse(console: Console, part: Part) -> None:
    if part.attempt is not None and (part.all_attempts or part.follow):
        raise UsageError("--attempt goes with neither --all-attempts nor --follow", hint="leave one of them out")
    if part.raw and console.format != "text":
        raise UsageError("--raw and -o together", hint="--raw writes the output as it was said, and nothing else")
    if part.raw and console.on_terminal:
        raise UsageError(
            "--raw could send control characters to this terminal", hint="leave --raw out, or write to a pipe or a file"
        )
