"""How long ended jobs are kept, by status: as somebody stated it. Where nobody did, they are kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError, UsageError
from .selector import parse_duration

#: The statuses that end a job, and so may be pruned.
PRUNABLE = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Seconds for which an ended job stays, by its status; None keeps it for ever."""

    completed: float | None = None
    failed: float | None = None
    cancelled: float | None = None

    def __bool__(self) -> bool:
        """Whether anything is ever to be deleted."""
        return any(seconds is not None for seconds in self.seconds().values())

    def seconds(self) -> dict[str, float | None]:
        """Return the seconds by status."""
        return {status: getattr(self, status) for status in PRUNABLE}


def configured(table: Mapping[str, Any]) -> Retention:
    """Return what the [retention] table of a configuration file says; raise ConfigError for what is no duration."""
    return Retention(**{status: _seconds(status, table[status]) for status in PRUNABLE if status in table})


def _seconds(status: str, text: str) -> float:
    try:
        return parse_duration(text)
    except UsageError as error:
        raise ConfigError(f"[retention] {status}: {error.message}", hint=error.hint) from None
