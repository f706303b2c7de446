"""A registry's values with the place of every key and value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from .model import Position
from .scalars import Scalar


class Pair(NamedTuple):
    """One entry of a mapping: where its key stands, and its value."""

    key: Position
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value of a file. `text` is a scalar as written, safe to show; `filled` is it with variables filled in."""

    value: Scalar | tuple[Node, ...] | dict[str, Pair]
    position: Position
    size: int = 1  # nodes below and including this one, aliases expanded
    text: str = ""
    filled: str = ""
    plain: bool = False  # an unquoted scalar, typed by how it reads
    unresolved: bool = False  # holds a variable whose value is not known here

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, or None where there is none or this is no mapping."""
        pair = self.pairs.get(key)
        return pair.node if pair else None

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, tuple) else ()


def data(node: Node) -> Any:
    """Return the plain Python value of a tree."""
    if isinstance(node.value, dict):
        return {key: data(pair.node) for key, pair in node.value.items()}
    if isinstance(node.value, tuple):
        return [data(item) for item in node.value]
    return node.value


def unresolved(node: Node) -> Iterator[Node]:
    """Yield the scalars that hold a variable whose value is not known here."""
    if node.unresolved:
        yield node
    for below in children(node):
        yield from unresolved(below)


def is_mapping(node: Node) -> bool:
    """Whether a node is a mapping, be it empty."""
    return isinstance(node.value, dict)


def locate(root: Node, path: Iterable[object]) -> Node:
    """Return the node at `path`, or the deepest one on the way that exists."""
    node = root
    for step in path:
        below = node.items[step] if isinstance(step, int) and step < len(node.items) else node.get(str(step))
        if below is None:
            break
        node = below
    return node


def find_pair(node: Node, path: Iterable[str]) -> Pair | None:
    """Return the entry at the end of a path of keys, if every step exists."""
    pair = None
    for key in path:
        pair = node.pairs.get(key)
        if pair is None:
            return None
        node = pair.node
    return pair


def children(node: Node) -> Iterable[Node]:
    """Return the values right below a node."""
    return node.items or (pair.node for pair in node.pairs.values())


def token(at: Position) -> Position:
    """Findings point at a token, not at a whole block."""
    if at.end_line <= at.line:
        return at
    return Position(at.path, at.line, at.column, at.line, at.column + 1)


def part(node: Node, start: int, end: int) -> Position:
    """Return where characters `start` to `end` of a scalar stand, when it is written on one line without escapes."""
    at = node.position
    lead = 0 if node.plain else 1
    if at.line != at.end_line or at.end_column - at.column != len(node.text) + 2 * lead:
        return at
    return replace(at, column=at.column + lead + start, end_column=at.column + lead + end)


def texts(node: Node) -> Iterator[Node]:
    """Yield every text at or below a node."""
    if isinstance(node.value, str):
        yield node
    for below in children(node):
        yield from texts(below)
