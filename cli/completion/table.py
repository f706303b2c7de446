"""The command tree as completion needs it: what can follow which words. Each shell's script is made of this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..command_tree import Node, Parameter
from .fits import Fits, fits


@dataclass(frozen=True, slots=True)
class Choice:
    """One option: its names, what it says of itself, whether it takes a value, and what fits there."""

    names: tuple[str, ...]
    help: str
    value: str  # its metavar; "" where it takes none
    fits: Fits
    optional: bool  # a value only after =


@dataclass(frozen=True, slots=True)
class Row:
    """What can follow one command's words."""

    path: str  # "" for the program, "db status"
    below: tuple[tuple[str, str], ...]  # subcommands, each with its summary
    options: tuple[Choice, ...]
    arguments: Fits


def table(root: Node, codes: tuple[str, ...]) -> list[Row]:
    """Return a row for every command and group; a group that means a child when called bare has its options."""
    return [_row(node, codes) for node in root.walk()]


def _row(node: Node, codes: tuple[str, ...]) -> Row:
    meant = next((child for child in node.children if child.name.split()[-1] == node.default), node)
    arguments = [fits(meant, each, codes=codes) for each in meant.arguments]
    return Row(
        node.name,
        tuple((child.path[-1], child.summary) for child in node.children),
        tuple(_choice(meant, each, codes) for each in meant.options),
        _all_of(arguments),
    )


def _choice(node: Node, option: Parameter, codes: tuple[str, ...]) -> Choice:
    found = fits(node, option, codes=codes) if option.metavar else Fits()
    return Choice(option.names, option.help, option.metavar, found, option.optional_value)


def _all_of(found: list[Fits]) -> Fits:
    """Whatever fits any of a command's arguments: they are told apart by what is typed."""
    words = dict.fromkeys(word for each in found for word in each.words)
    kinds = dict.fromkeys(kind for each in found for kind in each.kinds)
    return Fits(tuple(words), tuple(kinds), any(each.files for each in found))


def grouped(rows: list[Row]) -> Iterator[tuple[Fits, list[str]]]:
    """Yield what fits, with every `COMMAND OPTION` where it does; options that take any text come with nothing."""
    places: dict[Fits, list[str]] = {}
    for row in rows:
        for option in row.options:
            if option.value and not option.optional:
                places.setdefault(option.fits, []).extend(f"{row.path} {name}" for name in option.names)
    yield from places.items()


#: Prints remembered names of the kinds in its first argument, `value<TAB>description`: those that belong to the folder
#: in the second and the profile in the third; failing such, all. The last argument is the file. No Python, no database.
LOOK_UP = """\
BEGIN { kinds = "," ARGV[1] ","; here = ARGV[2] "/"; profile = ARGV[3]; ARGV[1] = ARGV[2] = ARGV[3] = "" }
index(kinds, "," $1 ",") {
  line = $3 "\\t" $4
  all[++count] = line
  if ($2 == "" || profile == "" && substr($2, 1, 1) == "@" || $2 == "@" profile || index(here, $2 "/") == 1 ||
    index($2 "/", here) == 1) { near = near line "\\n" }
}
END { if (near != "") printf "%s", near; else for (i = 1; i <= count; i++) print all[i] }"""
