"""How fast a bulk retry goes, and whether a few jobs go first: `--rate 20/s`, `--canary 10,90%`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from typer import Option

from ..core.errors import UsageError
from ..core.selector import parse_duration

#: Percent of the first jobs that must complete where --canary says nothing of it.
DEFAULT_PERCENT = 80

_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)/(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_CANARY = re.compile(r"(\d{1,6})(?:,(\d{1,3})%?)?")


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate`: jobs a second; `canary`: how many go first, `percent` of which complete within `seconds`."""

    rate: float | None = None
    canary: int | None = None
    percent: int = DEFAULT_PERCENT
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Pacing:
    """The options."""

    rate: Annotated[
        str, Option("--rate", metavar="N/s", help="Spread them: so many a second, minute or hour: 20/s, 100/m")
    ] = ""
    canary: Annotated[
        str,
        Option(
            "--canary",
            metavar="N[,PCT%]",
            help=f"N jobs first; the others when PCT% of them have completed ({DEFAULT_PERCENT}%)",
        ),
    ] = ""
    canary_timeout: Annotated[
        str, Option("--canary-timeout", metavar="DUR", help="How long to wait for the first ones")
    ] = "10m"

    def read(self) -> Pace:
        """Return the pace; raise UsageError for what is none."""
        canary, percent = _canary(self.canary) if self.canary else (None, DEFAULT_PERCENT)
        rate = _rate(self.rate) if self.rate else None
        return Pace(rate, canary, percent, parse_duration(self.canary_timeout))


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip().lower())
    if match is None or not float(match[1]):
        raise UsageError(f"--rate {text!r} is not a rate", hint="write 20/s, 100/m or 1000/h")
    return float(match[1]) / _SECONDS[match[2]]


def _canary(text: str) -> tuple[int, int]:
    match = _CANARY.fullmatch(text.strip())
    jobs, percent = (int(match[1]), int(match[2] or DEFAULT_PERCENT)) if match else (0, 0)
    if not jobs or not 1 <= percent <= 100:
        raise UsageError(f"--canary {text!r} is not N or N,PCT%", hint="write 10, or 10,90%")
    return jobs, percent
