"""`init`: a registry with an example of each execution type, a configuration, a workflow; nothing is overwritten."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ..exits import Exit, Finished, Problem
from ..leaf import command, group
from ..output.console import Console
from ..output.text import one_line

if TYPE_CHECKING:
    from ..scaffold import Written

app = group("Begin a project.")


class Ci(StrEnum):
    """Which service checks the registry."""

    github = "github"
    none = "none"


NEXT = (
    "specql-jobs validate",
    'specql-jobs run example_api.create_order -n --input \'{"customer": "c1", "amount": 1}\'',
    "specql-jobs demo",
)


@command(app, "init", "init services-of-billing --ci none", "init . -o json")
def init(
    console: Console,
    folder: Annotated[str, Argument(metavar="[DIR]", help="Where; made if it is not there")] = ".",
    ci: Annotated[Ci, Option("--ci", help="The workflow that checks the registry in pull requests")] = Ci.github,
) -> None:
    """Write services.yaml with its schema for editors, specql-jobs.toml and a CI workflow.

    Files that exist are kept as they are: exit 6.
    """
    from .. import scaffold  # noqa: PLC0415 - importlib.resources

    written = scaffold.write(Path(folder), scaffold.plan(workflow=ci is Ci.github))
    problem = _problem(written)
    data: dict[str, Any] = {
        "created": [{"path": each.path, "bytes": len(each.text.encode())} for each in written.created],
        "skipped": [{"path": each.path, "reason": "it exists"} for each in written.skipped],
        "next": [_in_folder(each, folder) for each in NEXT],
    }
    console.answer(data, lambda: _text(data), problem=problem)
    if problem is None:
        console.say("Next:  " + "\n       ".join(data["next"]))
    raise Finished(problem.exit_code if problem else Exit.OK)


def _in_folder(line: str, folder: str) -> str:
    from shlex import quote  # noqa: PLC0415 - re, not needed by help

    return line if Path(folder) == Path() else f"cd {quote(folder)} && {line}"


def _problem(written: Written) -> Problem | None:
    if not written.skipped:
        return None
    names = ", ".join(each.path for each in written.skipped)
    message = f"already there and kept as it is: {names}"
    hint = "move the file away, or name another folder: specql-jobs init DIR"
    return Problem("E603", "file-exists", message, hint, Exit.CONFLICT, retryable=False)


def _text(data: dict[str, Any]) -> str:
    lines = [f"created  {one_line(each['path'])}" for each in data["created"]]
    return "\n".join([*lines, *(f"kept     {one_line(each['path'])}" for each in data["skipped"])])
