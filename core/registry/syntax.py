"""What libyaml says of a text that is no YAML, as a finding where the mistake is, with what mends it."""

from __future__ import annotations

from typing import Final

import yaml

from .codes import finding, helped
from .model import Finding, Position
from .nodes import token


def syntax_finding(error: yaml.MarkedYAMLError, text: str, path: str, quoted: Position | None) -> Finding:
    """Return what libyaml reports as a finding; `quoted` is the last text in quotes that ends in another line."""
    return _unclosed(error, quoted) or _syntax(error, text, path)


def _unclosed(error: yaml.MarkedYAMLError, quoted: Position | None) -> Finding | None:
    """A finding where a text in quotes begins that ends right before what YAML stumbles over: it lacks a quote."""
    mark = error.problem_mark
    if mark is None or quoted is None or mark.line + 1 != quoted.end_line or mark.column + 1 < quoted.end_column:
        return None
    message = f"not valid YAML: the text in quotes that begins here ends in line {quoted.end_line}"
    return helped(finding("SQJ001", message, token(quoted)), "close it with a quote in its own line")


def _syntax(error: yaml.MarkedYAMLError, text: str, path: str) -> Finding:
    mark = (None if _began_earlier(error) else error.problem_mark) or error.context_mark
    at = _point(text, mark.line, mark.column, path) if mark else Position(path, 1, 1, 1, 2)
    line = text.split("\n")[at.line - 1]
    if line[at.column - 1 : at.column] == "\t":
        return finding("SQJ006", "a tab stands where YAML wants spaces", at)
    context = f"{error.context}: " if error.context and error.problem else ""
    help_text = next((text for words, text in _MENDING.items() if words in f"{error.context} {error.problem}"), "")
    begun = error.context_mark.line + 1 if error.context_mark and "flow" in (error.context or "") else at.line
    since = f"; it begins in line {begun}" if begun != at.line else ""
    return helped(finding("SQJ001", f"not valid YAML: {context}{error.problem or error.context}{since}", at), help_text)


def _began_earlier(error: yaml.MarkedYAMLError) -> bool:
    """Whether the mistake is where something begins, and is noticed only where the file or the next line does."""
    unclosed = "quoted scalar" in (error.context or "") and "unexpected" in (error.problem or "")
    return unclosed or "simple key" in (error.context or "")


_INDENTATION: Final = "check the indentation: keys of one mapping, and the dashes of one list, begin in the same column"
#: What libyaml says, and what mends it.
_MENDING: Final = {
    "while parsing a block": _INDENTATION,
    "could not find expected ':'": "write key: value, with a colon and an ordinary space between the two",
    "mapping values are not allowed": "put a text with a colon in quotes, and begin keys of one mapping in one column",
    "unknown escape character": "write \\\\ for a backslash, or use single quotes",
    "expected ',' or": "close the bracket, or put a comma between its entries",
}


def _point(text: str, line: int, column: int, path: str) -> Position:
    """One character's position; what libyaml reports beyond the end is put at the end of the last line."""
    lines = text.rstrip("\n").split("\n")
    if line >= len(lines):
        line, column = len(lines) - 1, len(lines[-1])
    return Position(path, line + 1, column + 1, line + 1, column + 2)
