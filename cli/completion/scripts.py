"""The script of each shell, made of the commands as they are."""

from __future__ import annotations

from ...core.registry.pages import pages
from ..command_tree import whole_tree
from . import bash, fish, zsh
from .table import table

_MAKERS = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
#: The file of each shell's script, named as the shell looks for it.
FILES = {"bash": "specql-jobs.bash", "zsh": "_specql-jobs", "fish": "specql-jobs.fish"}


def script(shell: str) -> str:
    """Return the completion script of bash, zsh or fish; imports every command."""
    return _MAKERS[shell](table(whole_tree(), tuple(pages())))
