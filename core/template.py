"""`{field}` placeholders: a job's validated input put into exactly one argv element, URL path segment or JSON value.

Nothing filled in is ever parsed again: no shell, no str.format (which reaches attributes), no second expansion.
`{{` and `}}` stand for the braces themselves; `{a.b}` reads field b of object a.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .contract import PlanError

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\}")
_PIECE = re.compile(r"\{\{|\}\}|" + PLACEHOLDER.pattern)

#: Linux refuses one argument of this size or more (MAX_ARG_STRLEN).
LONGEST_ARGUMENT = 128 * 1024  # bytes


def placeholders(node: Any) -> Iterator[str]:
    """Yield the field paths that a template (text, list or mapping) reads."""
    if isinstance(node, str):
        yield from (match[1] for match in _PIECE.finditer(node) if match[1])
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from placeholders(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from placeholders(value)


def fill_argument(template: str, values: Mapping[str, Any]) -> str:
    """Return one argv element; raise PlanError where a value would make it an option, or cannot be an argument."""
    text = _fill(template, values, _text)
    if text.startswith("-") and not template.startswith("-"):
        raise PlanError(f"the value for {template} starts with '-' and would be read as an option")
    if "\0" in text:
        raise PlanError(f"the value for {template} contains a NUL byte")
    if len(_encoded(template, text)) >= LONGEST_ARGUMENT:
        raise PlanError(f"the value for {template} is longer than {LONGEST_ARGUMENT} bytes")
    return text


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """Return a URL path or query text with each value percent-encoded, so that it stays inside its segment."""
    return _fill(template, values, _segment)


def fill_value(template: Any, values: Mapping[str, Any]) -> Any:
    """Return JSON data: a text that is one placeholder takes the value with its type, others become text."""
    if isinstance(template, str):
        whole = PLACEHOLDER.fullmatch(template)
        return _lookup(whole[1], values) if whole else _fill(template, values, _text)
    if isinstance(template, Mapping):
        return {key: fill_value(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill_value(value, values) for value in template]
    return template


def _fill(template: str, values: Mapping[str, Any], render: Callable[[str, Any], str]) -> str:
    def piece(match: re.Match[str]) -> str:
        return render(match[1], _lookup(match[1], values)) if match[1] else match[0][0]

    return _PIECE.sub(piece, template)


def _lookup(path: str, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise PlanError(f"the template needs the input field {path!r}, which this job does not have")
        value = value[name]
    return value


def _text(path: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise PlanError(f"the input field {path!r} is null and cannot be put into text")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _segment(path: str, value: Any) -> str:
    text = _text(path, value)
    if text in ("", ".", ".."):
        raise PlanError(f"the input field {path!r} is {text!r} and cannot be a path segment")
    return quote(_encoded(path, text), safe="")


def _encoded(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PlanError(f"the value for {what} contains half of a character (a lone surrogate)") from None
