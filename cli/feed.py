"""A cursor over changes that repeats nothing and misses nothing that commits within the overlap."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

#: A change is stamped when its transaction starts and seen when it commits; longer transactions may be missed.
OVERLAP = timedelta(seconds=5)


class Feed:
    """Remembers what was shown inside the overlap, and where the next look begins."""

    def __init__(self, shown: Iterable[dict[str, Any]] = ()) -> None:
        self.cursor: datetime | None = None
        self._shown: dict[tuple[Any, datetime], None] = {}
        self.new(shown)

    def new(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that were not shown before, and move the cursor behind them."""
        fresh = [each for each in events if (each["id"], each["at"]) not in self._shown]
        for each in fresh:
            self._shown[each["id"], each["at"]] = None
        if fresh:
            latest = max(each["at"] for each in fresh) - OVERLAP
            self.cursor = max(self.cursor or latest, latest)
            self._shown = {key: None for key in self._shown if key[1] >= self.cursor}
        return fresh
