"""The whole tree of commands as plain data, read from the commands: completions and manual pages are made of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .app import command_named
from .catalogue import COMMANDS, DEFAULTS, PROGRAM


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument, which has no `names`. `metavar` is "" where an option takes no value."""

    names: tuple[str, ...]
    metavar: str
    help: str
    choices: tuple[str, ...] = ()
    required: bool = False
    repeatable: bool = False
    optional_value: bool = False  # --online, or --online=dns

    @property
    def name(self) -> str:
        """The longest name of an option."""
        return max(self.names, key=len)


@dataclass(frozen=True, slots=True)
class Node:
    """One command or group: `path` is () for the program itself."""

    path: tuple[str, ...]
    summary: str
    about: str = ""
    options: tuple[Parameter, ...] = ()
    arguments: tuple[Parameter, ...] = ()
    examples: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()
    default: str = ""  # the child that is meant where none is named

    @property
    def name(self) -> str:
        """The words that one types: `db status`."""
        return " ".join(self.path)

    def walk(self) -> Iterator[Node]:
        """Yield this node and all below it, in the order of the help."""
        yield self
        for child in self.children:
            yield from child.walk()


def whole_tree() -> Node:
    """Return the program with all its commands; imports every command's module."""
    children = tuple(command_node(name) for name in COMMANDS)
    return Node((), "Runs, guards and repairs the jobs of a PostgreSQL queue", options=_ROOT_OPTIONS, children=children)


def command_node(name: str) -> Node:
    """Return one command of the catalogue with what is below it; imports that command's module alone."""
    return _node((name,), command_named(name), COMMANDS[name].summary)


_HELP = Parameter(("-h", "--help"), "", "Show this command's help")
_ROOT_OPTIONS = (
    Parameter(("-h", "--help"), "", "List the commands; after a command, that command's help"),
    Parameter(("-V", "--version"), "", "Print the version"),
)


def _node(path: tuple[str, ...], found: Any, summary: str = "") -> Node:
    about = inspect.cleandoc(found.help or "")
    below: dict[str, Any] = getattr(found, "commands", {})
    params = [_parameter(each) for each in found.params if not getattr(each, "hidden", False)]
    children = tuple(_node((*path, name), child) for name, child in below.items())
    return Node(
        path,
        summary or about.split("\n\n")[0].split(". ")[0].replace("\n", " ").rstrip("."),
        about,
        (*(each for each in params if each.names), _HELP),
        tuple(each for each in params if not each.names),
        tuple(_examples(found.epilog or "")),
        children,
        DEFAULTS.get(path[0], "") if len(path) == 1 and children else "",
    )


def _parameter(found: Any) -> Parameter:
    is_option = found.param_type_name == "option"
    bare = is_option and (found.is_flag or found.count)
    metavar = "" if bare else found.metavar or ("|".join(_choices(found)) or found.name.upper())
    return Parameter(
        names=tuple(sorted(found.opts, key=len)) if is_option else (),
        metavar=metavar.removeprefix("[=").removesuffix("]") if metavar.startswith("[=") else metavar,
        help=" ".join((found.help or "").split()),
        choices=_choices(found),
        required=bool(found.required),
        repeatable=found.nargs == -1 or bool(getattr(found, "multiple", False)),
        optional_value=metavar.startswith("[="),
    )


def _choices(found: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in getattr(found.type, "choices", ()))


def _examples(epilog: str) -> Iterator[str]:
    for line in epilog.splitlines():
        if PROGRAM in line:
            yield line.strip()
