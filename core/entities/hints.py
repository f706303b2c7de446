"""What was probably meant by a name that is not known, or all that is known where that is short."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

#: difflib's measure of likeness. Names of one family (create_charge, create_refund) reach 0.64: that is no slip.
CUTOFF: Final = 0.75
_MOST_NAMES: Final = 16  # a longer list helps nobody


def near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the names that `name` is nearly, or begins: at most three."""
    by_lower = {each.lower(): each for each in known}
    longer = [each for each in by_lower if each.startswith(f"{name.lower()}_")][:3]
    found = longer or difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=CUTOFF)
    return tuple(by_lower[each] for each in found)


def hint(name: str, known: Iterable[str], introduction: str, otherwise: str = "") -> str:
    """Return "did you mean …?", or the introduction with every known name, or `otherwise`."""
    names = list(known)
    found = near(name, names)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"{introduction} {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES else otherwise
