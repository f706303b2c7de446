"""`demo`: the whole thing on a private Postgres, in under a minute, leaving nothing behind."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from ..catalogue import PROGRAM
from ..exits import Exit, Finished
from ..leaf import command, group
from ..output.console import Console

if TYPE_CHECKING:
    from ..demo.play import Played

app = group("See everything work, without configuration.")


@command(app, "demo", "demo --keep ./demo", "demo -o json")
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
    return PROGRAM if shutil.which(PROGRAM) else os.path.relpath(sys.argv[0])


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
