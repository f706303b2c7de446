"""What one worker knows of the queue's lanes between two surveys: which have work, how far each is claimed, who rests.

Memory only; wrong by a fraction of a second at most, and never about limits: those are counted in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
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


class Step(NamedTuple):
    """One question of a round: to a limited service, or, where `service` is empty, to open lanes."""

    service: str
    portions: tuple[Portion, ...]


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
        free = [each for each in due if each.held in ("", "half_open") and not self._is_paused(each)]
        self.withheld = len(free) < len(due) or any(until > now for until in self._resting.values())
        self._lanes = {sighting.lane: sighting.first for sighting in free}
        self._probing = frozenset(sighting.lane.service for sighting in due if sighting.held == "half_open")

    def ownerless(self) -> list[str]:
        """Return the services whose breaker is half open, and that have none by this worker's registry."""
        return sorted(service for service in self._probing if self.terms(service).limits.breaker is None)

    def dropped(self, service: str) -> None:
        """The service has no breaker any more."""
        self._probing -= {service}

    def round(self, slots: int, now: float) -> list[Step]:
        """Return who is asked for how much when `slots` are free: a higher priority before every lower one."""
        asked = [lane for lane in self._lanes if not self._rests(lane.service, now)]
        if not asked:
            return []
        portions = self._portions(asked, slots, self._lanes)
        self._turn += 1 if len(portions) == len(asked) else min(len(portions), slots)
        steps: list[Step] = []
        for _, level in groupby(portions, key=lambda portion: portion.lane.place):
            steps += self._steps(list(level))
        return _merged(steps)

    def _steps(self, level: Sequence[Portion]) -> Iterator[Step]:
        """Of one priority: the limited services first, for they seldom take all."""
        limited = _by_service(portion for portion in level if self._is_limited(portion.lane.service))
        yield from (Step(service, portions) for service, portions in limited.items())
        free = tuple(portion for portion in level if portion.lane.service not in limited)
        if free:
            yield Step("", free)

    def _portions(self, lanes: Sequence[Lane], slots: int, places: Mapping[Lane, datetime]) -> list[Portion]:
        if len(lanes) == 1:
            shared = [(lanes[0], slots)]
        else:
            shared = list(islice(shares(lanes, slots, self._turn), MOST_PORTIONS))
        return [Portion(lane, quota, places[lane], self.terms(lane.service).execution_type) for lane, quota in shared]

    def took(self, portions: Sequence[Portion], taken: Sequence[Claimed], wanted: int) -> None:
        """Note what open lanes gave."""
        self._remember(taken)
        self._drop_empty(portions, taken, wanted)

    def _drop_empty(self, portions: Sequence[Portion], taken: Sequence[Claimed], wanted: int) -> None:
        """Leave a lane alone until the next survey that gave less than its quota, unless `wanted` cut it short."""
        found = _counted(portions, taken)
        for portion in portions:
            count, first = found.get(portion.lane, (0, portion.after))
            if count < portion.quota and len(taken) < wanted:
                self._lanes.pop(portion.lane, None)
            elif portion.lane in self._lanes:
                self._lanes[portion.lane] = first

    def latest(self, slots: int, serves: Callable[[str], bool]) -> list[Portion]:
        """Return who is asked for how much by a look at the lanes alone that gave jobs lately, in the queue's order."""
        lanes = [lane for lane in self._latest if serves(lane.service) and not self._is_limited(lane.service)]
        self._turn += 1
        return self._portions(lanes, slots, self._latest)

    def _remember(self, taken: Sequence[Claimed]) -> None:
        """Remember the highest and the lowest lane: claims come in the queue's order."""
        for job in taken if len(taken) < 2 else (taken[0], taken[-1]):
            lane = job.lane
            self._latest[lane] = max(job.run_at, self._latest.pop(lane, job.run_at))
        while len(self._latest) > MOST_REMEMBERED:
            del self._latest[next(iter(self._latest))]

    def took_limited(self, step: Step, taken: Sequence[Claimed], wanted: int, now: float) -> None:
        """Note what a limited service gave: lanes that gave less than asked are left alone until the next survey.

        A service that gave nothing rests: its limit is reached, or it has nothing.
        """
        self._drop_empty(step.portions, taken, wanted)
        if len(taken) < wanted:
            self.withheld = True
        if not taken:
            self._resting[step.service] = now + REST

    def freed(self, service: str) -> None:
        """One of the service's jobs has ended: its limit may have room again."""
        self._resting.pop(service, None)

    def _is_paused(self, sighting: Sighting) -> bool:
        return bool(sighting.paused_types) and self.terms(sighting.lane.service).execution_type in sighting.paused_types

    def _rests(self, service: str, now: float) -> bool:
        return self._resting.get(service, 0.0) > now

    def _is_limited(self, service: str) -> bool:
        return service in self._probing or self.terms(service).limits.counted


def _merged(steps: Sequence[Step]) -> list[Step]:
    """Open lanes of neighbouring priorities are one question: the claim takes them in their order."""
    found: list[Step] = []
    for step in steps:
        if found and not step.service and not found[-1].service:
            found[-1] = Step("", (*found[-1].portions, *step.portions))
        else:
            found.append(step)
    return found


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
