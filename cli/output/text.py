"""Text that is safe and pleasant to show: control characters made visible, times and durations for people."""

from __future__ import annotations

import re
from datetime import datetime

#: C0 and C1 controls, and the Unicode marks that reorder or hide text. Tab and line feed are handled by the caller.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def clean(text: str) -> str:
    """Return `text` with every control character written as an escape; line feeds and tabs stay."""
    return _CONTROL.sub(_escaped, text)


def one_line(text: str) -> str:
    """Return `text` on one line, control characters escaped."""
    return " ".join(clean(text).split())


def _escaped(match: re.Match[str]) -> str:
    point = ord(match[0])
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"


def cut(text: str, width: int | None) -> str:
    """Return at most `width` characters, with an ellipsis where something is missing; None means all."""
    if width is None or len(text) <= width:
        return text
    return text[: max(width - 1, 0)] + "…"


def duration(seconds: float) -> str:
    """Return a length of time in one or two units: 412ms, 3.2s, 4m10s, 2h05m, 3d4h."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    return _two_units(int(seconds))


def age(seconds: float) -> str:
    """Return how long ago, in whole seconds and the largest two units."""
    return f"{int(max(seconds, 0))}s" if seconds < 60 else _two_units(int(seconds))


def _two_units(seconds: int) -> str:
    for size, unit, small_size, small in _UNITS:
        if seconds >= size:
            rest = seconds % size // small_size
            return f"{seconds // size}{unit}{rest:02d}{small}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


def size(count: float) -> str:
    """Return bytes in the largest unit that leaves a number of at least one: 512 B, 3.4 MiB, 5.1 GiB."""
    power = min(max(int(count).bit_length() - 1, 0) // 10, len(_SIZES) - 1)
    return f"{int(count)} B" if power == 0 else f"{count / 1024**power:.1f} {_SIZES[power]}"


def amount(count: int, noun: str, plural: str = "") -> str:
    """Return a counted noun: `1 job`, `1,200 jobs`; `plural` where an s does not make it."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def moment(at: datetime | None) -> str:
    """Return a time for people, in their own zone, to the second."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""
