"""Words of TypeScript: names, literals, comments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_LONGEST_COMMENT = 300  # characters


def key(name: str) -> str:
    """Return a property's name, quoted where it must be."""
    return name if _IDENTIFIER.fullmatch(name) else literal(name)


def literal(value: Any) -> str:
    """Return the type that one JSON value has."""
    if isinstance(value, dict):
        return "{ " + "".join(f"{key(str(name))}: {literal(below)}; " for name, below in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "number"
    return json.dumps(value)


def union(values: Iterable[str]) -> str:
    """Return the union of some words."""
    return " | ".join(f"'{value}'" for value in values)


def comment(words: str, indent: str = "") -> str:
    """Return a documentation comment of one line, or nothing."""
    line = " ".join(words.split()).replace("*/", "* /")
    short = line if len(line) <= _LONGEST_COMMENT else line[:_LONGEST_COMMENT] + "…"
    return f"{indent}/** {short} */\n" if short else ""


def exported(text: str) -> set[str]:
    """Return the names that a file of ours exports."""
    return set(re.findall(r"^export (?:type|interface|const|function) (\w+)", text, re.MULTILINE))


def pascal(name: str) -> str:
    """Return a name as types are written: letters and digits, each word with a capital."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    return "".join(word[:1].upper() + word[1:] for word in words)
