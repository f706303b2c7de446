"""YAML text to a tree of values with the position of every key and value; what is wrong becomes findings.

Built from libyaml's events rather than by a loader: nothing recurses, and every cap (nodes, depth, expanded aliases)
holds while reading, so that a hostile file costs no more than an honest one of the same size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import yaml

from .codes import finding
from .model import Finding, Position
from .nodes import Node, Pair, children, token
from .scalars import resolve
from .syntax import syntax_finding

LARGEST_FILE: Final = 4 * 1024 * 1024  # bytes
MOST_NODES: Final = 500_000  # with every alias expanded
DEEPEST: Final = 40

# What YAML allows in a text, less the characters that read as line breaks elsewhere (NEL, LS, PS).
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_new: Final = tuple.__new__  # what a NamedTuple's own constructor comes down to, at half the price
_NOWHERE: Final = Position("", 0, 0)


def read(text: str, path: str) -> tuple[Node | None, tuple[Finding, ...]]:
    """Return the tree of a YAML text and what is wrong with it; no tree when it cannot be read at all."""
    stray = _FORBIDDEN.search(text)
    if stray is not None:
        return None, (_bad_character(text, stray.start(), path),)
    builder = _Builder(path)
    try:
        builder.build(_LOADER(text))
    except _HaltError as halt:
        return None, (*builder.findings, halt.finding)
    except yaml.MarkedYAMLError as error:
        return None, (*builder.findings, syntax_finding(error, text, path, builder.long))
    if builder.root is None:
        builder.findings.append(
            finding("SQJ106", "the file is empty: it defines no service", Position(path, 1, 1, 1, 2))
        )
    return builder.root, (*builder.findings, *builder.unused_anchors())


class _HaltError(Exception):
    """Reading ends here: what follows would be guesswork or too costly."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.message)
        self.finding = found


class _Frame:
    """A list or mapping whose end has not been read yet."""

    __slots__ = ("anchor", "end", "flow", "items", "key", "merged", "pairs", "size", "start")

    def __init__(self, event: Any, pairs: dict[str, Pair] | None) -> None:
        self.anchor: str | None = event.anchor
        self.start = event.start_mark
        self.flow: bool = event.flow_style
        self.pairs = pairs
        self.items: list[Node] = []
        self.merged: list[Node] = []  # values of `<<`
        self.key: tuple[str | None, Position] | None = None
        self.end: Position = _NOWHERE
        self.size = 1


class _Builder:
    """Takes events as they come. A registry has hundreds of thousands: what most of them need is done in few calls."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._unused: dict[str, Position] = {}
        self._nodes = 0
        self.long: Position | None = None  # the last text in quotes that goes on in another line

    def build(self, parser: Any) -> None:
        """Add every event of a parser to the tree."""
        take: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: lambda event: self._open(event, {}),
            yaml.SequenceStartEvent: lambda event: self._open(event, None),
            yaml.MappingEndEvent: self._close,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }
        try:
            for event in iter(parser.get_event, None):
                handle = take.get(type(event))
                if handle is not None:
                    handle(event)
        finally:
            parser.dispose()

    def _document(self, event: Any) -> None:
        if self.root is not None:
            self._halt("SQJ007", "a second document begins here", event)

    def _halt(self, code: str, message: str, event: Any) -> None:
        raise _HaltError(finding(code, message, self._position(event.start_mark, event.end_mark)))

    def _position(self, start: Any, end: Any) -> Position:
        return Position(self.path, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            self._halt("SQJ005", f"more than {MOST_NODES:,} values with aliases expanded", event)

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            at = self._position(event.start_mark, event.end_mark)
            self.findings.append(finding("SQJ004", f"the tag {event.tag} is not allowed", at))

    def _anchor(self, event: Any) -> None:
        """An anchor is wanted below, and by one name for one value."""
        if event.anchor is None:
            return
        start = event.start_mark
        at = Position(self.path, start.line + 1, start.column + 1, start.line + 1, start.column + len(event.anchor) + 2)
        if event.anchor in self._anchors:
            self.findings.append(finding("SQJ015", f"the anchor &{event.anchor[:80]} has another value above", at))
        self._unused[event.anchor] = at

    def unused_anchors(self) -> tuple[Finding, ...]:
        """Return a finding for each anchor that no alias used."""
        return tuple(
            finding("SQJ014", f"no alias uses the anchor &{name[:80]}", at) for name, at in self._unused.items()
        )

    def _scalar(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._count(0, event)
        if event.tag is not None:
            self._refuse_tag(event)
        start, end, text, plain = event.start_mark, event.end_mark, event.value, event.implicit[0]
        at = _new(Position, (self.path, start.line + 1, start.column + 1, end.line + 1, end.column + 1))
        if end.line > start.line and event.style in ("'", '"'):
            self.long = at
        value = resolve(text) if plain else text
        if event.anchor is None and isinstance(value, str) and self._begin_pair(value, at):
            return
        node = _new(Node, (value, at, 1, text, text, plain, False))
        if event.anchor is not None:
            self._anchor(event)
            self._anchors[event.anchor] = node
        self._add(node)

    def _begin_pair(self, text: str, at: Position) -> bool:
        """Take a text as a mapping's next key, where one is expected: more than half of all texts are keys."""
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.pairs is None or frame.key is not None:
            return False
        frame.size += 1
        frame.end = at
        frame.key = (text, at)
        return True

    def _open(self, event: Any, pairs: dict[str, Pair] | None) -> None:
        self._count(1, event)
        self._refuse_tag(event)
        if len(self._stack) >= DEEPEST:
            self._halt("SQJ005", f"nested deeper than {DEEPEST} levels", event)
        self._anchor(event)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(event, pairs))

    def _close(self, event: Any) -> None:
        frame = self._stack.pop()
        at = self._position(frame.start, event.end_mark if frame.flow or frame.end is _NOWHERE else frame.start)
        if not frame.flow and frame.end is not _NOWHERE:
            at = Position(at.path, at.line, at.column, frame.end.end_line, frame.end.end_column)
        value: Any = tuple(frame.items) if frame.pairs is None else _with_merged(frame)
        node = Node(value, at, size=frame.size)
        if frame.anchor:
            self._anchors[frame.anchor] = node
        self._add(node)

    def _alias(self, event: Any) -> None:
        node = self._anchors.get(event.anchor)
        if node is None:
            around = any(frame.anchor == event.anchor for frame in self._stack)
            what = "stands inside the value it names" if around else "names no anchor above it"
            raise _HaltError(
                finding("SQJ010", f"*{event.anchor} {what}", self._position(event.start_mark, event.end_mark))
            )
        self._unused.pop(event.anchor, None)
        self._count(node.size, event)
        if len(self._stack) + _depth(node) > DEEPEST:
            self._halt("SQJ005", f"nested deeper than {DEEPEST} levels", event)
        end = self._stack[-1].end  # there is one: an anchor is above
        self._add(node)
        self._stack[-1].end = _later(end, node.position)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.size += node.size
        frame.end = node.position
        if frame.pairs is None:
            frame.items.append(node)
        elif frame.key is None:
            frame.key = (self._key(node), node.position)
        else:
            name, at = frame.key
            frame.key = None
            if name is None or name == "<<" or name in frame.pairs:
                self._pair(frame, name, at, node)
            else:
                frame.pairs[name] = _new(Pair, (at, node))

    def _key(self, node: Node) -> str | None:
        if isinstance(node.value, str):
            return node.value
        shown = node.text or "a list or mapping"
        self.findings.append(finding("SQJ003", f"the key {shown[:80]} is not text", node.position))
        return None

    def _merge(self, frame: _Frame, node: Node) -> None:
        wrong = [each for each in (node.items or (node,)) if not isinstance(each.value, dict)]
        if wrong:
            self.findings.append(finding("SQJ016", "`<<` merges mappings only", token(wrong[0].position)))
        frame.merged.append(node)

    def _pair(self, frame: _Frame, name: str | None, at: Position, node: Node) -> None:
        """A pair that does not go into the mapping: its key is no text, merges another mapping or is there already."""
        if name == "<<":
            self._merge(frame, node)
        elif name is not None and frame.pairs is not None:
            first = frame.pairs[name].key.line
            self.findings.append(finding("SQJ002", f"the key {name[:80]!r} stands already in line {first}", at))


def _with_merged(frame: _Frame) -> dict[str, Pair]:
    """The mapping with what `<<` brings in; a key that it states itself wins, then the first that is merged."""
    pairs = dict(frame.pairs or {})
    for node in frame.merged:
        for source in node.items or (node,):
            for key, pair in source.pairs.items():
                pairs.setdefault(key, pair)
    return pairs


def _later(end: Position, at: Position) -> Position:
    """The one that ends later; an alias's value stands further up and ends nothing here."""
    return at if (at.end_line, at.end_column) > (end.end_line, end.end_column) else end


def _depth(node: Node) -> int:
    """Levels below a finished node, found without recursion."""
    deepest, level = 0, [node]
    while level:
        deepest += 1
        below = [child for parent in level for child in children(parent)]
        level = list({id(child): child for child in below}.values())
    return deepest


def _bad_character(text: str, offset: int, path: str) -> Finding:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    message = f"the character U+{ord(text[offset]):04X} is not allowed"
    return finding("SQJ006", message, Position(path, line, column, line, column + 1))
