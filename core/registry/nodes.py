"""A registry's values with the place of every key and value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from .model import Position
from .scalars import Scalar


class Pair(NamedTuple):
    """One entry of a mapping: where its key stands, and its value."""

    key: Position
    node: Node


class Node(NamedTuple):
    """One value of a file. `text` is a scalar as written, safe to show; `filled` is it with variables filled in.

    A tuple because a large registry has 200,000 of them, made four times as quickly; only identical ones are equal.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Pair]
    position: Position
    size: int = 1  # nodes below and including this one, aliases expanded
    text: str = ""
    filled: str = ""
    plain: bool = False  # an unquoted scalar, typed by how it reads
    unresolved: bool = False  # holds a variable whose value is not known here

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def get(self, key: str) -> Node | None:
        """Return the value of `key`, or None where there is none or this is no mapping."""
        value = self.value
        pair = value.get(key) if isinstance(value, dict) else None
        return pair[1] if pair else None

    @property
    def pairs(self) -> Mapping[str, Pair]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a list; empty for anything else."""
        return self.value if isinstance(self.value, tuple) else ()


def with_value(node: Node, value: Scalar | tuple[Node, ...] | dict[str, Pair]) -> Node:
    """Return the node with another value; several times as quick as `dataclasses.replace`."""
    return Node(value, node.position, node.size, node.text, node.filled, node.plain, node.unresolved)


_NESTED: Final = (dict, tuple)


def data(node: Node) -> Any:
    """Return the plain Python value of a tree."""
    value = node.value
    if isinstance(value, dict):
        return {key: data(below) if isinstance(below[0], _NESTED) else below[0] for key, (_, below) in value.items()}
    if isinstance(value, tuple):
        return [data(item) for item in value]
    return value


def unresolved(node: Node) -> Iterator[Node]:
    """Yield the scalars that hold a variable whose value is not known here, in no order."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        value = node.value
        if isinstance(value, dict):
            waiting += [pair[1] for pair in value.values()]
        elif isinstance(value, tuple):
            waiting += value
        elif node.unresolved:
            yield node


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
    return at._replace(column=at.column + lead + start, end_column=at.column + lead + end)


def texts(node: Node) -> Iterator[Node]:
    """Yield every text at or below a node."""
    if isinstance(node.value, str):
        yield node
    for below in children(node):
        yield from texts(below)
