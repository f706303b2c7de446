"""`demo`: the whole thing on a private Postgres, in under a minute, leaving nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

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
    console.say("\n" + (_after_keeping(keep) if keep else _AFTER))


_AFTER = """Next:
  specql-jobs demo --keep ./demo      the same, and the database stays for you to look at
  specql-jobs validate services.yaml  check a registry of your own
  specql-jobs doctor                  what this host can really enforce"""


def _after_keeping(folder: Path) -> str:
    dsn = f"--dsn embedded:{folder}/postgres"
    return f"""Next:
  specql-jobs list --status failed {dsn}
  specql-jobs show ID {dsn}
  specql-jobs run reports.fingerprint --set text=hello --dry-run --registry {folder}/services.yaml
  specql-jobs retry --status failed --dry-run {dsn}"""
