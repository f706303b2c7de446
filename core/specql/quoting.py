"""Text to SQL: literals, identifiers, bodies and comments that cannot be broken out of, whatever they hold.

PostgreSQL stores no NUL and no half of a surrogate pair: `is_storable` tells; everything else comes back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Written as escapes: what a literal means must survive editors, diffs and line endings.
_ESCAPED: Final = re.compile(r"[\x01-\x1f\x7f\\]")
LONGEST: Final = 63  # bytes of an identifier; PostgreSQL cuts the rest without an error

# fmt: off
#: Words that PostgreSQL 14 to 18 do not take as a bare name everywhere that we write one: reserved ones, those that
#: may name a type or function only, and those that PL/pgSQL keeps for itself.
_RESERVED: Final = frozenset((
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "begin", "between",
    "bigint", "binary", "bit", "boolean", "both", "by", "case", "cast", "char", "character", "check", "coalesce",
    "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "dec",
    "decimal", "declare", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "execute",
    "exists", "extract", "false", "fetch", "float", "for", "foreach", "foreign", "freeze", "from", "full", "grant",
    "greatest", "group", "grouping", "having", "if", "ilike", "in", "initially", "inner", "inout", "int", "integer",
    "intersect", "interval", "into", "is", "isnull", "join", "lateral", "leading", "least", "left", "like", "limit",
    "localtime", "localtimestamp", "loop", "national", "natural", "nchar", "none", "normalize", "not", "notnull",
    "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay",
    "placing", "position", "precision", "primary", "real", "references", "return", "returning", "right", "row",
    "select", "session_user", "setof", "similar", "smallint", "some", "strict", "substring", "symmetric",
    "system_user", "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true",
    "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where", "while", "window",
    "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi",
    "xmlroot", "xmlserialize", "xmltable",
))
# fmt: on


def is_storable(text: str) -> bool:
    """Whether a text can be a value in PostgreSQL."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def is_name(text: str) -> bool:
    """Whether a text can be a name that is written whole, on one line."""
    return 0 < len(text.encode("utf-8", "replace")) <= LONGEST and is_storable(text) and not _CONTROL.search(text)


def literal(text: str) -> str:
    """Return a text as an SQL literal of one line, under either setting of standard_conforming_strings."""
    quoted = text.replace("'", "''")
    if not _ESCAPED.search(text):
        return f"'{quoted}'"
    return "E'" + _ESCAPED.sub(_escape, quoted) + "'"


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    return "\\\\" if found == "\\" else f"\\x{ord(found):02x}"


def identifier(name: str) -> str:
    """Return a name as an SQL identifier, quoted where it must be."""
    if _PLAIN.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """Return a name with those that it stands below: schema, table, column."""
    return ".".join(map(identifier, names))


def dollar_quoted(body: str) -> str:
    """Return a function's body between dollar quotes of which it holds none."""
    number, tag = 0, "$body$"
    while tag in body:
        number, tag = number + 1, f"$body{number + 1}$"
    return f"{tag}\n{body}\n{tag}"


def comment(text: str) -> str:
    """Return an SQL comment of one line."""
    return "-- " + _CONTROL.sub("?", text)


def indented(text: str, spaces: int = 2) -> str:
    """Return SQL with each line moved to the right; no literal spans lines."""
    return "\n".join(" " * spaces + line if line else line for line in text.split("\n"))


def bracketed(parts: Sequence[str]) -> str:
    """Return a list as it stands between brackets that it has to itself: each part on its own line."""
    return "\n" + indented(",\n".join(parts)) + "\n"
