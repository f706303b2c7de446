"""Which lanes a survey looks at where there are more than a page of them: the first always, the others in turn."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..lanes import Lane, Sighting
from ..store.claims import BEGINNING, SURVEY_PAGE
from ..store.store import Store


class Surveys:
    """Goes round the lanes of the priority at which the first page ends, and of all lower ones.

    Those of higher priorities are seen by each survey. Each begins at least half a page behind the one before: every
    lane is seen in two surveys for each page, and two more. How far behind is chance, so that no lane can keep missing
    the turns at which those that were seen are asked.
    """

    def __init__(self, page: int = SURVEY_PAGE) -> None:
        """`page`: the lanes of one statement."""
        self._page = page
        self._ring: list[Lane] = []  # what the last survey saw of those that it goes round; empty: begin anew
        self._ended = False  # whether it came to the end of all lanes
        self._whole = False  # whether it has seen all since it began anew, and found nothing to claim
        self.unseen = False  # whether there may be jobs in lanes that were not seen since something was claimed

    async def look(self, store: Store, *, idle: bool) -> list[Sighting]:
        """Return the lanes to claim from. `idle`: those of the last survey gave nothing, the next are seen at once."""
        top = await store.survey(page=self._page)
        if len(top) < self._page:
            self._ring, self.unseen = [], False
            return top
        cut = top[-1].lane.place
        level = [each for each in top if each.lane.place == cut]
        start = self._start(idle)
        window = await self._window(store, start, level) if start.place >= cut else self._first(level)
        self._ring = [each.lane for each in window]
        self.unseen = not (self._ended and self._whole)
        return [each for each in top if each.lane.place < cut] + window

    def _start(self, idle: bool) -> Lane:
        """Return the lane behind which to begin."""
        if idle and self._ended:
            self._ring = []
        self._whole = idle and (self._whole or not self._ring)
        if not self._ring:
            return BEGINNING
        step = self._page if idle else random.randint(self._page // 2, self._page)  # noqa: S311 - no secret
        return self._ring[min(step, len(self._ring)) - 1]

    def _first(self, level: list[Sighting]) -> list[Sighting]:
        self._ended = False
        return level

    async def _window(self, store: Store, start: Lane, level: Sequence[Sighting]) -> list[Sighting]:
        """Return a page from behind `start`; where it leaves `level`, the first page's last priority, with that, too.

        So a lower priority is never seen without the higher one, and the last lanes share with the first.
        """
        found = await store.survey(start, self._page)
        self._ended = len(found) < self._page
        if self._ended or found[-1].lane.place > level[0].lane.place:
            found += [each for each in level if each.lane <= start]
        return found
