"""What fits where a value is typed: words that are known beforehand, names that a file remembers, or files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.job import Category, ExecutionType, Status
from ..catalogue import COMMANDS
from ..command_tree import Node, Parameter


@dataclass(frozen=True, slots=True)
class Fits:
    """`words` are fixed; `kinds` are what is remembered of earlier commands; `lists`: a,b,c and !a are meant, too."""

    words: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    files: bool = False
    lists: bool = False

    def __bool__(self) -> bool:
        return bool(self.words or self.kinds or self.files)


_TYPES, _OPERATION = tuple(map(str, ExecutionType)), Fits(kinds=("operation",))
#: Options by name, where the metavar does not tell.
_OPTIONS = {
    "--status": Fits(words=tuple(map(str, Status)), lists=True),
    "--type": Fits(words=_TYPES, lists=True),
    "--types": Fits(words=_TYPES, lists=True),
    "--category": Fits(words=tuple(map(str, Category)), lists=True),
    "--service": Fits(kinds=("service",), lists=True),
    "--services": Fits(kinds=("service",), lists=True),
    "--operation": Fits(kinds=("operation",), lists=True),
    "--tenant": Fits(kinds=("tenant",), lists=True),
    "--worker": Fits(kinds=("worker",), lists=True),
    "--fingerprint": Fits(kinds=("fingerprint",), lists=True),
    "--after": Fits(kinds=("id",), lists=True),
    "--profile": Fits(kinds=("profile",)),
    "--confirm": Fits(kinds=("profile",)),
    "--dsn": Fits(words=("embedded",)),
    "--online": Fits(words=("image", "dns", "secrets", "function"), lists=True),
}
#: Whatever is called so; `[…]` and `...` around it do not count.
_METAVARS = {
    "SERVICE.OPERATION": _OPERATION,
    "S.O": _OPERATION,
    "SERVICE[.OPERATION]": Fits(kinds=("service", "operation")),
    "SERVICE": Fits(kinds=("service",)),
    "ID": Fits(kinds=("id",)),
    "W": Fits(kinds=("worker",)),
    "COMMAND": Fits(words=tuple(COMMANDS)),
}
_FILES = ("FILE", "PATH", "DIR", "FOLDER", "OLD", "NEW", "ENTITIES")
_ALTERNATIVES = re.compile(r"([a-z][a-z0-9-]*(?:\|[a-z][a-z0-9-]*)+)(?=$|[;:, ])")


def fits(node: Node, parameter: Parameter, *, codes: tuple[str, ...]) -> Fits:
    """Return what fits a parameter of a command; nothing where only the person can know. `codes`: of rules, errors."""
    return next((found for found in _guesses(node, parameter, codes) if found), Fits())


def _guesses(node: Node, parameter: Parameter, codes: tuple[str, ...]) -> Iterator[Fits]:
    """The surest first."""
    plain = _plain(parameter.metavar)
    yield Fits(words=parameter.choices)
    if parameter.names:
        yield _OPTIONS.get(parameter.name, Fits())
    elif plain == "ID":  # of a job, or of what the command is about: a change, …
        yield Fits(kinds=("id" if len(node.path) == 1 or "callbacks" in node.path else node.path[0],))
    yield Fits(words=codes if plain in ("CODE", "CODES") else (), lists=plain == "CODES")
    yield Fits(words=_alternatives(parameter))
    if not parameter.names or plain != "ID":
        yield _METAVARS.get(plain, Fits())
    yield Fits(files=any(word in re.split(r"\W+", plain) for word in _FILES) and "=" not in plain)


def _plain(metavar: str) -> str:
    """`[ID]...` and `ID...` are ID; `FORMAT[=FILE]` is FORMAT."""
    bare = metavar.removesuffix("...")
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    return bare.removesuffix("[=FILE]")


def _alternatives(parameter: Parameter) -> tuple[str, ...]:
    """`a|b|c` as the metavar, or as the first words of an option's help."""
    for text in (parameter.metavar, parameter.help):
        if found := _ALTERNATIVES.match(text):
            return tuple(found[1].split("|"))
    return ()
