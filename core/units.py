"""Sizes and durations as people write them: `512MB`, `1GiB`, `30s`, `5m`, or a bare number in the key's own unit."""

from __future__ import annotations

import math
import re
from typing import Final

MIB: Final = 1024 * 1024

# MB means MiB here, as it does to Docker: `memory: 512MB` and `memory_mb: 512` are the same limit.
_SIZES: Final = {"": 1, "b": 1, "k": 1024, "m": MIB, "g": 1024 * MIB, "t": 1024 * 1024 * MIB}
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?(?:([KMGT])i?B?|B)", re.IGNORECASE | re.ASCII)

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?(ms|s|m|h|d)", re.ASCII)


def parse_size(value: object, unit: int = 1) -> int:
    """Return `value` in units of `unit` bytes; a bare number is already in that unit. Raise ValueError."""
    if isinstance(value, str):
        return _size(value, unit)
    number = parse_number(value)
    if number != int(number):
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def parse_seconds(value: object) -> float:
    """Return a duration in seconds; a bare number is seconds. Raise ValueError."""
    if not isinstance(value, str):
        return float(parse_number(value))
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value[:80]!r} is not a duration such as 30s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_number(value: object) -> int | float:
    """Return a finite number that is not a boolean. Raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{str(value)[:80]!r} is not a number")
    if not math.isfinite(value):
        raise ValueError("the number is not finite")
    return value


def _size(text: str, unit: int) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:80]!r} is not a size such as 512MB or 1GiB")
    size = float(match[1]) * _SIZES[(match[2] or "").lower()] / unit
    if size < 1:
        raise ValueError(f"{text[:80]!r} is less than one unit of this limit")
    return int(size)
