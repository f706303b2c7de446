"""`demo`: the whole thing on a private Postgres, leaving nothing behind; `demo incident`: nights on call."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ...core.errors import UsageError
from ..catalogue import PROGRAM
from ..context import settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..output.console import Console

if TYPE_CHECKING:
    from ..demo.incidents import Incident
    from ..demo.play import Played
    from ..demo.stage import Stage

app = group("See everything work, without configuration; or practise being on call.")


@app.callback()
def demos() -> None:
    """See everything work, without configuration; or practise being on call."""


@command(app, "demo", "demo --keep ./demo", "demo -o json", "demo incident api-down", name="play")
async def demo(
    console: Console,
    keep: Annotated[
        str, Option("--keep", metavar="FOLDER", help="Keep registry and database there, to go on with them")
    ] = "",
) -> None:
    """Run jobs that succeed, retry, are refused and time out, on a PostgreSQL and a server of the demo's own."""
    from ..demo.play import play  # noqa: PLC0415 - psycopg, yaml, the runners
    from ..output.demo_view import DemoView, summary  # noqa: PLC0415

    folder = Path(keep) if keep else None
    played = await play(DemoView(console), folder)
    data = {
        "rows": [row.as_json() for row in played.rows],
        "skipped": [act.name for act in played.skipped],
        "seconds": round(played.seconds, 1),
        "as_expected": played.as_expected,
    }
    console.answer(data, lambda: summary(played.rows, played.seconds, console.width, kept=keep))
    _say_more(console, played, folder)
    raise Finished(Exit.OK if played.as_expected else Exit.NEGATIVE)


def _say_more(console: Console, played: Played, keep: Path | None) -> None:
    if played.skipped:
        names = ", ".join(act.name for act in played.skipped)
        console.warn(f"not played on this host: {names}. {played.why_skipped}")
    console.say("\nNext:\n" + "\n".join(f"  {_typed()} {line}" for line in _next(keep)))


def _typed() -> str:
    """How this program is called from here: by name where it is on the PATH, else as it was called now."""
    return PROGRAM if shutil.which(PROGRAM) else os.path.abspath(sys.argv[0])


def _next(keep: Path | None) -> tuple[str, ...]:
    if keep is None:
        return _AFTER
    dsn = f"--dsn embedded:{keep}/postgres"
    return (
        f"list --status failed {dsn}",
        f"show ID {dsn}",
        f"run reports.fingerprint --set text=hello --dry-run --registry {keep}/services.yaml",
        f"retry --status failed --dry-run {dsn}",
    )


_AFTER = (
    "demo --keep ./demo      the same, and the database stays for you to look at",
    "validate services.yaml  check a registry of your own",
    "doctor                  what this host can really enforce",
)


@dataclass(frozen=True, slots=True)
class IncidentOptions:
    """What to do about an incident; nothing stated: make it."""

    mend: Annotated[bool, Option("--mend", help="Set right what is outside of the queue: the target, the deploy")] = (
        False
    )
    check: Annotated[bool, Option("--check", help="Is the queue healthy again? Exit 0 or 1")] = False
    walk: Annotated[bool, Option("--walk", help="Show a way out, command by command")] = False
    end: Annotated[bool, Option("--end", help="End its processes and remove its folder")] = False
    folder: Annotated[str, Option("--folder", metavar="PATH", help="Where it is; else .specql-jobs/incident-NAME")] = ""

    def action(self) -> str:
        """Return the one thing to do; raise UsageError for two."""
        asked = [word for word in ("mend", "check", "walk", "end") if getattr(self, word)]
        if len(asked) > 1:
            raise UsageError(f"--{asked[0]} and --{asked[1]} are two things", hint="one at a time")
        return asked[0] if asked else "make"


@command(
    app,
    "demo incident",
    "demo incident --folder /tmp/night api-down",
    "demo incident api-down --mend",
    "demo incident api-down --check",
    "demo incident api-down --walk",
    "demo incident api-down --end",
    name="incident",
)
async def incident(
    console: Console,
    options: IncidentOptions,
    name: Annotated[
        str, Argument(metavar="[NAME]", help="api-down, worker-lost, poison, … Without it: all of them")
    ] = "",
) -> None:
    """Make a real incident on a private PostgreSQL, and leave it to you to resolve with this command line.

    The page that wakes you is printed, and where to begin. Its worker and its far end run on in the background until
    --end, and two hours at most. What nobody can do from the queue (the provider, the deploy, the image) is --mend.
    """
    from ..demo.incidents import INCIDENTS, named  # noqa: PLC0415 - not for the plain demo
    from ..demo.stage import Stage, folder_of  # noqa: PLC0415
    from ..output import incident_text  # noqa: PLC0415

    action = options.action()
    if not name:
        if action != "make" or options.folder:
            raise UsageError("which incident is not said", hint="specql-jobs demo incident    names them all")
        console.answer(incident_text.as_json("list"), lambda: incident_text.table(INCIDENTS, console.width))
        return
    chosen = named(name)
    shown = incident_text.Shown(chosen, Stage(chosen.name, folder_of(name, options.folder)), _typed(), options.folder)
    shown = replace(shown, wrong=await _act(console, chosen, shown.stage, action))
    console.answer(incident_text.as_json(action, shown), lambda: incident_text.text(action, shown))
    raise Finished(Exit.NEGATIVE if shown.wrong else Exit.OK)


async def _act(console: Console, chosen: Incident, stage: Stage, action: str) -> list[str] | None:
    """Do it; return what is still wrong where that was asked."""
    from ..demo import make_incident  # noqa: PLC0415 - psycopg

    docker_host = settings_for(console).docker_host
    match action:
        case "make":
            console.say(f"making the incident {chosen.name} (up to half a minute) …")
            seconds = await make_incident.make(chosen, stage, docker_host)
            console.detail(f"made in {seconds:.1f} s")
        case "mend":
            await make_incident.mend(chosen, stage, docker_host)
        case "check":
            return await make_incident.judge(chosen, stage)
        case "end":
            await make_incident.end(chosen, stage, docker_host)
    return None
