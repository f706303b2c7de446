"""Formulas and conditions to SQL: each reference and bare word becomes what it stands for, each literal is quoted anew.

Three habits of other languages are taken as meant: `==` compares, `!= null` asks whether there is a value, and `+`
joins texts. What is not known to be harmless or to mean anything has no SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ..entities.expression import Formula, Reference
from ..entities.sql_text import Token, tokens_of
from . import columns
from .place import Place, Resolved
from .problems import no_expression, no_value
from .quoting import is_storable, literal

# fmt: off
_WORDS: Final = frozenset((
    "and", "or", "not", "is", "null", "in", "like", "ilike", "between", "similar", "to", "true", "false", "case",
    "when", "then", "else", "end", "distinct", "from", "collate", "any", "all", "some", "array", "symmetric",
    "unknown", "escape", "current_date", "current_time", "current_timestamp", "localtimestamp", "current_user",
    "session_user",
))
#: Words that a field's name goes before, unless a literal follows: `interval '1 day'`.
_SOFT: Final = frozenset((
    "interval", "date", "time", "timestamp", "timestamptz", "at", "zone", "epoch", "year", "quarter", "month", "week",
    "day", "hour", "minute", "second", "dow", "doy", "numeric", "text", "integer", "boolean", "jsonb", "uuid", "both",
    "leading", "trailing", "for",
))
_OPERATORS: Final = frozenset((
    "=", "<>", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "||", "^", "~", "~*", "!~", "!~*", "@>", "<@", "?",
    "->", "->>", "#>", "#>>", "&&", "?|", "?&",
))
_MEANT: Final = {"==": "=", "===": "=", "!==": "<>", "!=": "<>"}
#: What ends the operands that one `+` belongs to.
_ENDS: Final = frozenset((
    "=", "<>", "<", ">", "<=", ">=", "and", "or", "not", "is", "in", "like", "ilike", "between", "when", "then", "else",
))
# fmt: on
_FUNCTIONS: Final = {"uuid_generate_v4": "gen_random_uuid"}
_MOMENTS: Final = frozenset({"now", "clock_timestamp", "statement_timestamp", "current_timestamp"})


@dataclass(slots=True)
class _Piece:
    """One token's SQL: whether it is a text, a point in time, or a part of a document, which may be anything."""

    sql: str
    kind: str
    text: bool = False
    moment: bool = False
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Computed:
    """A formula as SQL; `interval` says that it is the time between two moments."""

    sql: str
    interval: bool = False


def computed(formula: Formula, place: Place) -> Computed:
    """Return the SQL of a formula at a place; raise NotCompiled for what has none."""
    tokens = tokens_of(formula.text)
    if not tokens:
        raise no_expression(f"{formula.text[:80]!r} cannot be read as an expression", formula.position)
    pieces = list(_Translation(formula, tokens, place).pieces())
    _read_as_beside(pieces)
    _join_texts(pieces)
    _compare_with_null(pieces)
    return Computed(_spaced(pieces), _is_interval(pieces))


@dataclass(frozen=True, slots=True)
class _Translation:
    formula: Formula
    tokens: list[Token]
    place: Place

    def pieces(self) -> Iterator[_Piece]:
        depth = 0
        for index, token in enumerate(self.tokens):
            depth += (token.kind == "open") - (token.kind == "close")
            if depth < 0:
                raise self._wrong("a bracket closes that was never opened")
            yield self._piece(index, token)
        if depth:
            raise self._wrong("a bracket is not closed")

    def _piece(self, index: int, token: Token) -> _Piece:
        match token.kind:
            case "string":
                return self._string(index, token.text[1:-1].replace("''", "'"))
            case "reference":
                variable, *path = token.text.removeprefix("$").split(".")
                return _of(self.place.resolve(Reference(variable, tuple(path), self.formula.position)))
            case "word":
                return self._word(index, token.text)
            case "operator":
                return _Piece(self._operator(token.text), "operator")
        return _Piece(token.text, token.kind, text=token.text.lower() in ("::text", "::varchar"))

    def _string(self, index: int, text: str) -> _Piece:
        if not is_storable(text):
            raise no_value("the text holds a character that PostgreSQL cannot store", self.formula.position)
        typed = index > 0 and self.tokens[index - 1].text.lower() in _SOFT
        cast = self._next(index).removeprefix("::").split("(")[0] if self._next(index).startswith("::") else "text"
        return _Piece(literal(text), "string", text=not typed and cast in ("text", "varchar"))

    def _word(self, index: int, text: str) -> _Piece:
        word = text.lower()
        if self._next(index) == "(" and not text.startswith('"') and word not in _WORDS:
            return _Piece(_FUNCTIONS.get(word, text), "function", moment=word in _MOMENTS)
        if word in _WORDS:
            return _Piece(word, "word", moment=word in _MOMENTS)
        bare = text[1:-1].replace('""', '"') if text.startswith('"') else text
        if text.startswith('"') and not self.place.declares(bare):
            return self._string(index, bare)
        found = None if self._is_typed(index, word) else self.place.word(bare, self.formula.position)
        if found is not None:
            return _of(found)
        if word in _SOFT:
            return _Piece(word, "word")
        if word == "select":
            raise self._wrong("a query inside an expression is not compiled")
        raise self._wrong(f"nothing is called `{text[:60]}` here")

    def _is_typed(self, index: int, word: str) -> bool:
        following = self.tokens[index + 1].kind if index + 1 < len(self.tokens) else ""
        return word in _SOFT and following == "string"

    def _next(self, index: int) -> str:
        return self.tokens[index + 1].text if index + 1 < len(self.tokens) else ""

    def _operator(self, text: str) -> str:
        found = _MEANT.get(text, text)
        if found in _OPERATORS:
            return found
        head, sign = found[:-1], found[-1]
        if sign in "+-" and _MEANT.get(head, head) in _OPERATORS and head not in ("-", "/"):
            return f"{_MEANT.get(head, head)} {sign}"
        raise self._wrong(f"the operator `{text}` is not compiled")

    def _wrong(self, message: str) -> Exception:
        return no_expression(f"{self.formula.text[:80]!r}: {message}", self.formula.position)


def _of(found: Resolved) -> _Piece:
    loose = found.document and not found.type.json
    textual = columns.is_text(found.type) or loose
    return _Piece(found.value, "value", text=textual, moment=columns.is_moment(found.type), loose=loose)


# ---- what other languages write --------------------------------------------------------------------------------------


def _read_as_beside(pieces: list[_Piece]) -> None:
    """Read a part of a document as a number, or as true or false, where an operator puts it beside one."""
    for before, operator, after in zip(pieces, pieces[1:], pieces[2:], strict=False):
        for one, other in ((before, after), (after, before)):
            kind = "numeric" if other.kind == "number" else "boolean" if other.sql in ("true", "false") else ""
            if operator.kind == "operator" and one.loose and kind:
                one.sql, one.loose, one.text = f"{one.sql}::{kind}", False, False


def _join_texts(pieces: list[_Piece]) -> None:
    """Make `+` join where one of its operands is a text; each bracket is judged by itself."""
    groups: list[list[_Piece]] = [[]]
    done: list[list[_Piece]] = []
    for piece in pieces:
        if piece.kind == "open":
            groups.append([])
        elif piece.kind == "close":
            done.append(groups.pop())
        elif piece.kind == "comma" or piece.sql in _ENDS:
            done.append(groups[-1])
            groups[-1] = []
        else:
            groups[-1].append(piece)
    for group in (*done, *groups):
        if any(each.text for each in group):
            for each in group:
                each.sql = "||" if each.kind == "operator" and each.sql == "+" else each.sql


def _compare_with_null(pieces: list[_Piece]) -> None:
    for before, null in pairwise(pieces):
        if null.sql == "null" and before.kind == "operator" and before.sql in ("=", "<>"):
            before.sql = "is" if before.sql == "=" else "is not"


def _is_interval(pieces: list[_Piece]) -> bool:
    """Whether the whole is one moment less another, as `$entity.ended_at - $entity.started_at`."""
    flat = [each for each in pieces if each.kind not in ("open", "close")]
    return [each.sql for each in flat[1:2]] == ["-"] and len(flat) == 3 and flat[0].moment and flat[2].moment


def _spaced(pieces: list[_Piece]) -> str:
    parts: list[str] = []
    for before, piece in zip([None, *pieces], pieces, strict=False):
        called = piece.kind == "open" and before is not None and (before.kind == "function" or piece.sql == "[")
        tight = before is None or before.kind == "open" or piece.kind in ("close", "comma", "cast") or called
        parts.append(piece.sql if tight else f" {piece.sql}")
    return "".join(parts)
