"""What one worker knows of the queue's lanes between two surveys: which have work, how far each is claimed, who rests.

Memory only; wrong by a fraction of a second at most, and never about limits: those are counted in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from ..lanes import UNLIMITED, Claimed, Lane, Limits, Portion, Sighting
from .sharing import shares

#: Lanes of one claim. More would make the statement long; the others have their turn with the next.
MOST_PORTIONS = 64

#: Lanes in which a worker that is woken looks first.
MOST_REMEMBERED = 4

#: How long a service rests that gave less than it was asked for, because of its limits or for want of jobs.
REST = 0.1  # seconds


class ServiceTerms(NamedTuple):
    """What a worker's registry says of a service, as far as claims are concerned."""

    execution_type: str = ""
    limits: Limits = UNLIMITED


@dataclass(frozen=True, slots=True)
class Round:
    """What to ask for, in this order: limited services of the highest priority, open lanes, other limited services."""

    first: tuple[tuple[str, tuple[Portion, ...]], ...] = ()
    open: tuple[Portion, ...] = ()
    then: tuple[tuple[str, tuple[Portion, ...]], ...] = ()


@dataclass(slots=True)
class LaneBoard:
    """The lanes with due jobs, as the last survey saw them and claims since have left them."""

    terms: Callable[[str], ServiceTerms]
    _lanes: dict[Lane, datetime] = field(default_factory=dict)  # and the place before which nothing is left
    _probing: frozenset[str] = frozenset()
    _resting: dict[str, float] = field(default_factory=dict)  # limited services, until when (monotonic)
    _turn: int = 0
    _latest: dict[Lane, datetime] = field(default_factory=dict)  # open lanes that gave jobs, and the last place of each
    next_due: float | None = None  # monotonic; of the first lane whose head is scheduled
    withheld: bool = False  # whether there are due jobs that a pause, a breaker or a limit keeps back

    def put(self, sightings: Iterable[Sighting], serves: Callable[[str], bool], now: float) -> None:
        """Replace what is known by what a survey saw."""
        seen = [sighting for sighting in sightings if serves(sighting.lane.service)]
        scheduled = [sighting.due_in for sighting in seen if sighting.due_in > 0]
        due = [sighting for sighting in seen if sighting.due_in <= 0]
        self.next_due = now + min(scheduled) if scheduled else None
        self.withheld = any(sighting.held for sighting in due)
        self._lanes = {sighting.lane: sighting.first for sighting in due if sighting.held in ("", "half_open")}
        self._probing = frozenset(sighting.lane.service for sighting in due if sighting.held == "half_open")

    def has_lanes(self, now: float) -> bool:
        """Whether any lane is known that may be asked now."""
        return any(not self._rests(lane.service, now) for lane in self._lanes)

    def round(self, slots: int, now: float) -> Round:
        """Return who is asked for how much when `slots` are free."""
        asked = [lane for lane in self._lanes if not self._rests(lane.service, now)]
        if not asked:
            return Round()
        self._turn += 1
        portions = self._portions(asked, slots)
        limited = _by_service(portion for portion in portions if self._is_limited(portion.lane.service))
        top = portions[0].lane.place
        return Round(
            first=tuple(item for item in limited.items() if item[1][0].lane.place == top),
            open=tuple(portion for portion in portions if portion.lane.service not in limited),
            then=tuple(item for item in limited.items() if item[1][0].lane.place != top),
        )

    def _portions(self, lanes: Sequence[Lane], slots: int) -> list[Portion]:
        if len(lanes) == 1:
            shared = [(lanes[0], slots)]
        else:
            shared = list(islice(shares(lanes, slots, self._turn), MOST_PORTIONS))
        return [
            Portion(lane, quota, self._lanes[lane], self.terms(lane.service).execution_type) for lane, quota in shared
        ]

    def took(self, portions: Sequence[Portion], taken: Sequence[Claimed], wanted: int) -> None:
        """Note what open lanes gave: a lane that gave less than its quota is empty, unless `wanted` cut it short."""
        found = _counted(portions, taken)
        self._remember(taken)
        for portion in portions:
            count, first = found.get(portion.lane, (0, portion.after))
            if count < portion.quota and len(taken) < wanted:
                self._lanes.pop(portion.lane, None)
            elif portion.lane in self._lanes:
                self._lanes[portion.lane] = first

    def latest(self, slots: int) -> tuple[Portion, ...]:
        """Return the open lanes that gave jobs lately: where the next ones are likely, without a look at all lanes."""
        lanes = [lane for lane in self._latest if not self._is_limited(lane.service)]
        return tuple(
            Portion(lane, slots, self._latest[lane], self.terms(lane.service).execution_type) for lane in lanes
        )

    def _remember(self, taken: Sequence[Claimed]) -> None:
        if not taken:
            return
        last = taken[-1]  # claims come in the queue's order
        self._latest[last.lane] = max(last.run_at, self._latest.get(last.lane, last.run_at))
        while len(self._latest) > MOST_REMEMBERED:
            del self._latest[next(iter(self._latest))]

    def took_limited(self, service: str, taken: Sequence[Claimed], wanted: int, now: float) -> None:
        """Note what a limited service gave: less than wanted, and it rests for a moment."""
        for lane, (_, first) in _counted((), taken).items():
            if lane in self._lanes:
                self._lanes[lane] = first
        if len(taken) < wanted:
            self._resting[service] = now + REST
            self.withheld = True

    def freed(self, service: str) -> None:
        """One of the service's jobs has ended: its limit may have room again."""
        self._resting.pop(service, None)

    def _rests(self, service: str, now: float) -> bool:
        return self._resting.get(service, 0.0) > now

    def _is_limited(self, service: str) -> bool:
        return service in self._probing or self.terms(service).limits.counted


def _by_service(portions: Iterable[Portion]) -> dict[str, tuple[Portion, ...]]:
    found: dict[str, tuple[Portion, ...]] = {}
    for portion in portions:
        found[portion.lane.service] = (*found.get(portion.lane.service, ()), portion)
    return found


def _counted(portions: Sequence[Portion], taken: Sequence[Claimed]) -> Mapping[Lane, tuple[int, datetime]]:
    """How many each lane gave, and the first place among them. Claims come in the queue's order."""
    if len(portions) == 1 and taken:
        return {portions[0].lane: (len(taken), taken[0].run_at)}
    found: dict[Lane, tuple[int, datetime]] = {}
    for job in taken:
        lane = job.lane
        count, first = found.get(lane, (0, job.run_at))
        found[lane] = (count + 1, min(first, job.run_at))
    return found
