"""What may have been meant by a key that is unknown where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..job import ExecutionType

_SECTIONS: Final = {"runner_config": "config", "security_policy": "policy"}
#: Keys that a help names; a longer list helps nobody.
_MOST_KEYS: Final = 24
CUTOFF: Final = 0.6  # difflib's measure of likeness; below it suggestions mislead


def nearest(key: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return up to three keys that were probably meant: those that begin with `key`, else the one most like it."""
    longer = [each for each in known if each.startswith(f"{key.lower()}_")]
    if longer:
        return tuple(longer[:3])
    return tuple(difflib.get_close_matches(key.lower(), known, n=1, cutoff=CUTOFF))


def owners(key: str, where: str, definitions: Mapping[str, Any]) -> str:
    """Return "; it belongs to http services" for a key that other execution types have in this section."""
    section = _SECTIONS.get(where.rpartition(".")[2])
    if section is None:
        return ""
    kinds = [kind for kind in ExecutionType if key in definitions[f"{kind}_{section}"]["properties"]]
    return f"; it belongs to {' and '.join(kinds)} services" if kinds else ""


def known_keys(known: Sequence[str]) -> str:
    """Return the keys that are allowed, or "" where they are too many to read."""
    return f"allowed here: {', '.join(known)}" if 0 < len(known) <= _MOST_KEYS else ""
