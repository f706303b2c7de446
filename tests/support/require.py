"""Skip a test whose means are absent, or fail it where they were promised."""

from __future__ import annotations

import os
from typing import Final

import pytest

VARIABLE: Final = "SPECQL_JOBS_REQUIRE"


def names(text: str) -> frozenset[str]:
    """Return the words of a comma-separated list."""
    return frozenset(word.strip() for word in text.split(",") if word.strip())


#: Read at import, because every test runs with SPECQL_JOBS_* removed from its environment.
PROMISED: Final = names(os.environ.get(VARIABLE, ""))


def require(name: str, available: bool, reason: str, promised: frozenset[str] = PROMISED) -> None:
    """Go on if `available`; else skip, or fail if SPECQL_JOBS_REQUIRE names it (docker, sandbox, postgres, node)."""
    if available:
        return
    if name in promised:
        pytest.fail(f"{VARIABLE} names {name}, but it is not here: {reason}", pytrace=False)
    pytest.skip(f"{name}: {reason}")
