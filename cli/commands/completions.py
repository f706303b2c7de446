"""`completions`: a shell's completion script."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from typer import Argument

from ..leaf import command, group
from ..output.console import Console

app = group("The completion script of a shell.")


class Shell(StrEnum):
    """Shells that there is a script for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@command(
    app,
    "completions bash > ~/.local/share/bash-completion/completions/specql-jobs",
    'completions zsh > "${fpath[1]}/_specql-jobs"',
    "completions fish > ~/.config/fish/completions/specql-jobs.fish",
)
def completions(console: Console, shell: Annotated[Shell, Argument(metavar="SHELL", help="bash|zsh|fish")]) -> None:
    """Print a shell's completion script. Nothing is written anywhere, and no database is asked on TAB.

    For this session alone: source <(specql-jobs completions bash). Names of services, operations and jobs are
    those that earlier commands met; ~/.cache/specql-jobs/names.tsv holds them.
    """
    from ..completion import scripts  # noqa: PLC0415 - imports every command

    text = scripts.script(shell)
    console.answer({"shell": str(shell), "script": text}, lambda: text.rstrip("\n"))
