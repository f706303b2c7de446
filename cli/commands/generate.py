"""`generate`: files that others build on, made from the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from ...core.errors import UsageError
from ..context import load_registry, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Sources
from ..output.console import Console
from ..output.text import clean, one_line

if TYPE_CHECKING:
    from ..generated_files import OnDisk

app = group("Files for front ends, made from the registry.")

#: Lines of one file's difference that --check prints.
MOST_LINES = 40


@app.callback()
def generate() -> None:
    """Files for front ends, made from the registry: typescript."""


@dataclass(frozen=True, slots=True)
class Choices:
    """From what, where to, and whether anything is written."""

    out: Annotated[str, Option("--out", metavar="DIR", help="The folder; made if it is not there")] = "generated"
    registry: Annotated[
        list[str] | None,
        Option("--registry", "-r", metavar="PATH", help="Registry file or folder; may be given again"),
    ] = None
    env: Annotated[str, Option("--env", metavar="NAME", help="Overlay: production, staging, …")] = ""
    check: Annotated[bool, Option("--check", help="Write nothing; exit 1 and the difference if a file is stale")] = (
        False
    )
    force: Annotated[bool, Option("--force", help="Replace files of these names that were not generated")] = False


@command(
    app,
    "generate typescript --out web/src/jobs",
    "generate typescript --out web/src/jobs --check",
    "generate typescript --registry services.yaml --env production -o json",
    name="typescript",
)
def typescript(console: Console, choices: Choices) -> None:
    """Write types of all services, Apollo hooks, and the GraphQL schema and SQL that answer them.

    The same registry and version make the same bytes. A file that was not generated is kept: exit 6, nothing written.
    """
    from ...core.specql.frontend.generate import MARK, generate  # noqa: PLC0415 - the registry's model
    from .. import generated_files  # noqa: PLC0415 - difflib and tempfile

    if not choices.out.strip():
        raise UsageError("--out names no folder", hint="generate typescript --out web/src/jobs")
    registry = load_registry(Sources(registry=choices.registry, env=choices.env), settings_for(console))
    found = generated_files.look(Path(choices.out), generate(registry))
    if not choices.check:
        generated_files.write(found, MARK, force=choices.force)
    stale = "stale" if choices.check else "written"
    files = [_as_json(each, "unchanged" if each.fresh else stale) for each in found]
    data = {"registry_digest": registry.digest, "files": files}
    console.answer(data, lambda: _text(found, files, check=choices.check))
    raise Finished(Exit.NEGATIVE if choices.check and not all(each.fresh for each in found) else Exit.OK)


def _as_json(file: OnDisk, status: str) -> dict[str, Any]:
    wanted = file.wanted
    return {"path": str(file.path), "status": status, "bytes": len(wanted.content), "sha256": wanted.digest}


def _text(found: list[OnDisk], files: list[dict[str, Any]], *, check: bool) -> str:
    lines = [f"{each['status']:<9}  {one_line(each['path'])}" for each in files]
    for each in found if check else ():
        shown = [clean(line) for line in each.difference()]
        more = [f"… and {len(shown) - MOST_LINES} more lines"] if len(shown) > MOST_LINES else []
        lines += [*shown[:MOST_LINES], *more]
    return "\n".join(lines)
