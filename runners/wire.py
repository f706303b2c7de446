"""Plain HTTP for runners with a protocol of their own above it: the HTTP runner sends it, to judged addresses only.

A runner that needs the network asks for `RunnerRegistry().runner(ExecutionType.HTTP)` and uses it as a `Wire`: there is
one HTTP client in this program, and nobody goes around its checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..core.contract import Failed, Footprint, Refused, Violation

Judge = Callable[[Footprint], tuple[Violation, ...]]


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request, credentials included. `pool` keeps the connections of one service apart from another's."""

    pool: str
    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """One whole answer of any status, decoded. Header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first header of that lower-case name, or an empty text."""
        return next((value for found, value in self.headers if found == name), "")


class WireBroken(Exception):
    """There is no whole answer within bounds; `outcome` says why, `sent` whether anything had left by then."""

    def __init__(self, outcome: Failed | Refused, *, sent: bool = False) -> None:
        super().__init__(type(outcome).__name__)
        self.outcome = outcome
        self.sent = sent


class Wire(Protocol):
    """What sends plain requests."""

    async def send(self, request: WireRequest, judge: Judge, most_bytes: int) -> WireAnswer:
        """Return the answer, at most `most_bytes` long; raise WireBroken. To cancel is to close the connection."""
