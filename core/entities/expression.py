"""Values that an entity states: literals, references such as `$order.total`, formulas over them, and what holds these.

A text is a formula only when it reads as one: it begins with a reference, a quote, a number, a bracket or a function,
and operators stand between its operands. Every other text is sent as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..registry.model import Position
from ..registry.nodes import Node, token
from ..registry.scalars import Scalar
from . import sql_text


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that is what it is: text, number, true or false, nothing."""

    value: Scalar
    position: Position


@dataclass(frozen=True, slots=True)
class Reference:
    """`$variable.path`: a value that is known when the action, or its callback, runs."""

    variable: str
    path: tuple[str, ...]
    position: Position

    def __str__(self) -> str:
        return ".".join((f"${self.variable}", *self.path))


@dataclass(frozen=True, slots=True)
class Formula:
    """An SQL expression, as written, with the references in it."""

    text: str
    references: tuple[Reference, ...]
    position: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a record: where its name stands, and its value."""

    key: Position
    value: Expression


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping of field names to values, in the file's order."""

    entries: Mapping[str, Entry]
    position: Position


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values."""

    values: tuple[Expression, ...]
    position: Position


Expression = Literal | Reference | Formula | Record | Items


def read(node: Node) -> Expression:
    """Return what a value of a step's input, or of a mapping under `set`, means."""
    if isinstance(node.value, str):
        return _of_text(node, node.value)
    if isinstance(node.value, tuple):
        return Items(tuple(map(read, node.value)), node.position)
    if isinstance(node.value, dict):
        entries = {name: Entry(pair.key, read(pair.node)) for name, pair in node.value.items()}
        return Record(MappingProxyType(entries), node.position)
    return Literal(node.value, token(node.position))


def read_sql(node: Node, start: int, end: int) -> Expression:
    """Return what a part of an SQL text means: there, a literal text has quotes."""
    text, at = node.text[start:end], within(node, start, end)
    value = sql_text.constant(text)
    if not isinstance(value, sql_text.NoConstant):
        return Literal(value, at)
    return _computed(text, tuple(references_in(node, start, end)), at)


def _of_text(node: Node, text: str) -> Expression:
    at = token(node.position)
    if sql_text.is_formula(text):
        return _computed(text, tuple(references_in(node)), at)
    return Literal(text, at)


def _computed(text: str, found: tuple[Reference, ...], at: Position) -> Expression:
    alone = len(found) == 1 and text == str(found[0])
    return found[0] if alone else Formula(text, found, at)


def references_in(node: Node, start: int = 0, end: int | None = None, *, prose: bool = False) -> Iterator[Reference]:
    """Yield the references in a part of a text. In SQL, what stands in quotes is none; in prose quotes mean nothing."""
    for match in sql_text.references(node.text, start, end, prose=prose):
        variable, *path = match.group().removeprefix("$").split(".")
        yield Reference(variable, tuple(path), within(node, match.start(), match.end()))


def references(value: Expression) -> Iterator[Reference]:
    """Yield every reference of an expression."""
    match value:
        case Reference():
            yield value
        case Formula():
            yield from value.references
        case Record():
            for entry in value.entries.values():
                yield from references(entry.value)
        case Items():
            for item in value.values:
                yield from references(item)


def literals(value: Expression) -> Iterator[Literal]:
    """Yield every literal of an expression."""
    match value:
        case Literal():
            yield value
        case Record():
            for entry in value.entries.values():
                yield from literals(entry.value)
        case Items():
            for item in value.values:
                yield from literals(item)


def is_constant(value: Expression) -> bool:
    """Whether an expression holds literals alone, so that its value is known now."""
    match value:
        case Record():
            return all(is_constant(entry.value) for entry in value.entries.values())
        case Items():
            return all(map(is_constant, value.values))
    return isinstance(value, Literal)


def plain(value: Expression) -> Any:
    """Return the data of an expression; what is not known now becomes None."""
    match value:
        case Literal():
            return value.value
        case Record():
            return {name: plain(entry.value) for name, entry in value.entries.items()}
        case Items():
            return [plain(item) for item in value.values]
    return None


def within(node: Node, start: int, end: int) -> Position:
    """Return where a part of a text stands; the whole text's token where escapes or lines hide its columns."""
    at = node.position
    if not _exact(node):
        return token(at)
    offset = at.column + (at.end_column - at.column - len(node.text)) // 2
    return Position(at.path, at.line, offset + start, at.line, offset + end)


def _exact(node: Node) -> bool:
    """Whether each character of the text is one column of the file: plain, or quoted without escapes."""
    at = node.position
    return at.line == at.end_line and at.end_column - at.column - len(node.text) in (0, 2)
