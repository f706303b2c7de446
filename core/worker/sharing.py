"""How free slots are shared between lanes: by tenant, then by service, then by operation; pure.

Nobody's backlog buys more than a share: a tenant with 500,000 jobs and one with ten get as many of the next slots,
until the ten are done.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from ..lanes import Lane

Share = tuple[Lane, int]

#: What is shared between first. Within an operation there is one lane: its priority is the caller's matter.
_LEVELS: tuple[Callable[[Lane], Hashable], ...] = (
    lambda lane: lane.tenant,
    lambda lane: lane.service,
    lambda lane: lane.operation,
)


def shares(lanes: Iterable[Lane], slots: int, turn: int) -> list[Share]:
    """Return each lane with its share of `slots`, in the order in which lanes take their turns.

    A higher priority goes before every lower one. Shares are rounded up: who comes first is `turn`'s matter, which
    callers let rise by one for each call.
    """
    levels: dict[int, list[Lane]] = {}
    for lane in lanes:
        levels.setdefault(lane.place, []).append(lane)
    return [share for place in sorted(levels) for share in _split(levels[place], slots, turn, _LEVELS)]


def _split(lanes: Sequence[Lane], slots: int, turn: int, levels: Sequence[Callable[[Lane], Hashable]]) -> list[Share]:
    if len(lanes) == 1 or not levels:
        return [(lane, slots) for lane in lanes]
    groups = _rotated(_grouped(lanes, levels[0]), turn)
    share = -(-slots // len(groups))
    parts = [_split(group, share, turn // len(groups), levels[1:]) for group in groups]
    return list(_by_turns(parts))


def _grouped(lanes: Sequence[Lane], key: Callable[[Lane], Hashable]) -> list[list[Lane]]:
    groups: dict[Hashable, list[Lane]] = {}
    for lane in lanes:
        groups.setdefault(key(lane), []).append(lane)
    return list(groups.values())


def _rotated(groups: list[list[Lane]], turn: int) -> list[list[Lane]]:
    first = turn % len(groups)
    return groups[first:] + groups[:first]


def _by_turns(parts: Sequence[Sequence[Share]]) -> Iterator[Share]:
    """One of each part, then the next of each: where slots run out, every part has had its turn."""
    return (share for share in chain.from_iterable(zip_longest(*parts)) if share is not None)
