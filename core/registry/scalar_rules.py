"""Unquoted words that this reader takes as text and others as a switch or a number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .codes import finding
from .model import Finding
from .nodes import Node, token

_SWITCH: Final = re.compile(r"(?:y|n|yes|no|on|off)", re.IGNORECASE)
_NUMBER: Final = re.compile(
    r"[-+]?(?:0[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|0b[01]+|[0-9]+(?:_[0-9]+)+|[0-9]+(?::[0-5]?[0-9])+)"
)
_FIRST: Final = frozenset("yYnNoO+-0123456789")  # what such a word begins with
_LONGEST: Final = 40  # characters; no such word is longer


def ambiguous(root: Node) -> Iterator[Finding]:
    """Yield a finding for each plain scalar that YAML 1.1 reads otherwise; an aliased list or mapping once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        value = node.value
        if isinstance(value, str):
            if value[:1] in _FIRST and node.plain and len(node.text) <= _LONGEST:
                yield from _scalar(node)
        elif isinstance(value, dict | tuple) and id(node) not in seen:
            seen.add(id(node))
            waiting += [pair[1] for pair in value.values()] if isinstance(value, dict) else value


def _scalar(node: Node) -> Iterator[Finding]:
    if _SWITCH.fullmatch(node.text):
        message = f"`{node.text}` is text here, and true or false to other readers of YAML"
        yield finding("SQJ012", message, token(node.position))
    elif _NUMBER.fullmatch(node.text):
        message = f"`{node.text}` is text here, and another number to other readers of YAML"
        yield finding("SQJ013", message, token(node.position))
