"""SQL that stands in an entity's texts: enough of its grammar to find references, assignments and whole expressions.

Nothing here judges whether PostgreSQL would take a text; it tells an expression from prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..registry.scalars import Scalar

#: `$$` and `US$` are no references: only a `$` that follows neither a word nor another one begins a name.
_REFERENCE: Final = r"(?<![\w$])\$[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_TOKEN: Final = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<string>'(?:[^']|'')*')
  | (?P<reference>{_REFERENCE})
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<cast>::[A-Za-z_]\w*(?:\(\d+(?:,\d+)?\))?(?:\[\])?)
  | (?P<word>"(?:[^"]|"")+"|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
  | (?P<open>[(\[]) | (?P<close>[)\]]) | (?P<comma>,)
  | (?P<operator>[-+*/%<>=!|&~^@?\#]+)
    """,
    re.VERBOSE,
)
_REFERENCES: Final = re.compile(_REFERENCE)
_STRING: Final = re.compile(r"'(?:[^']|'')*'")
_OPERATORS: Final = frozenset({"and", "or", "is", "in", "like", "ilike", "between", "similar", "to", "collate"})
_PREFIXES: Final = frozenset({"not", "distinct", "+", "-"})
#: Without a reference in it, a text is a formula only by one of these.
_FUNCTIONS: Final = frozenset(
    ("now", "clock_timestamp", "statement_timestamp", "gen_random_uuid", "uuid_generate_v4", "coalesce", "concat")
)
_NIL: Final = frozenset({"current_timestamp", "current_date", "current_user", "localtimestamp"})


class NoConstant:
    """The mark for a text that is no constant: None is one."""


_NO_CONSTANT: Final = NoConstant()


class Token(NamedTuple):
    """A piece of SQL: string, reference, number, cast, word, open, close, comma or operator."""

    kind: str
    text: str
    start: int
    end: int


class Assigned(NamedTuple):
    """`field = value` of a SET: each as the span of its text."""

    field: tuple[int, int]
    value: tuple[int, int]


def references(text: str, start: int = 0, end: int | None = None, *, prose: bool = False) -> Iterator[re.Match[str]]:
    """Yield the matches of `$name.path` in a part of a text; in prose, quotes hide nothing."""
    shown = text if prose else _STRING.sub(lambda match: " " * len(match[0]), text)
    return _REFERENCES.finditer(shown, start, len(text) if end is None else end)


def constant(text: str) -> Scalar | NoConstant:
    """Return the value of an SQL constant: 'text', 12.5, true, null; a NoConstant for anything else."""
    tokens = tokens_of(text)
    if tokens is None or len(tokens) != 1:
        return _NO_CONSTANT
    only = tokens[0]
    if only.kind == "string":
        return only.text[1:-1].replace("''", "'")
    if only.kind == "number":
        return float(only.text) if "." in only.text else int(only.text[:18])
    words: dict[str, Scalar] = {"true": True, "false": False, "null": None}
    return words.get(only.text.lower(), _NO_CONSTANT)


def is_formula(text: str) -> bool:
    """Whether a text reads as an SQL expression rather than as words to be sent."""
    tokens = tokens_of(text)
    if not tokens or not _begins(tokens) or not _alternates(tokens):
        return False
    kinds = {each.kind for each in tokens}
    return "reference" in kinds or _calls(tokens) or (len(tokens) == 1 and tokens[0].text.lower() in _NIL)


def assignments(text: str, start: int, end: int) -> tuple[Assigned, ...] | None:
    """Return the assignments of a SET's list between two offsets; None when it is no such list."""
    tokens = tokens_of(text[start:end])
    if not tokens:
        return None
    found = []
    for part in _parts(tokens):
        if len(part) < 3 or part[0].kind != "word" or part[1].text not in ("=", ":="):
            return None
        field, value = part[0], part[2:]
        spans = (start + field.start, start + field.end), (start + value[0].start, start + value[-1].end)
        found.append(Assigned(*spans))
    return tuple(found)


def keyword(text: str, word: str, start: int = 0) -> tuple[int, int] | None:
    """Return where a keyword stands in a text, outside its quoted parts."""
    matches = (match for match in _TOKEN.finditer(text, start) if match.lastgroup == "word")
    return next((match.span() for match in matches if match.group().lower() == word), None)


def tokens_of(text: str) -> list[Token] | None:
    """Return the tokens of a text without its spaces; None when some character is none of SQL."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), match.start(), match.end()))
    return found


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """The tokens between commas that stand in no bracket."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for each in tokens:
        depth += (each.kind == "open") - (each.kind == "close")
        if each.kind == "comma" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(each)
    return parts


def _begins(tokens: list[Token]) -> bool:
    first = tokens[0]
    if first.kind == "word":
        follows = tokens[1].kind == "open" and tokens[1].start == first.end if len(tokens) > 1 else False
        return follows or first.text.lower() in _NIL
    return first.kind in ("reference", "string", "number", "open")


def _calls(tokens: list[Token]) -> bool:
    return tokens[0].kind == "word" and tokens[0].text.lower() in _FUNCTIONS and len(tokens) > 1


def _alternates(tokens: list[Token]) -> bool:
    """Whether operators stand between operands and brackets close."""
    depth, wanted = 0, True  # an operand is wanted next
    for index, each in enumerate(tokens):
        word = each.text.lower()
        kind = "operator" if each.kind == "word" and word in _OPERATORS else each.kind
        if wanted and kind in ("reference", "string", "number", "word") and word not in _PREFIXES:
            wanted = False
        elif kind == "open" and (wanted or tokens[index - 1].kind in ("word", "reference")):
            depth, wanted = depth + 1, True
        elif kind == "close" and depth and (not wanted or tokens[index - 1].kind == "open"):
            depth, wanted = depth - 1, False
        elif (not wanted and kind == "operator") or (kind == "comma" and depth and not wanted):
            wanted = True
        elif not (wanted and word in _PREFIXES) and not (kind == "cast" and not wanted):
            return False
    return not wanted and depth == 0
