"""Free slots between lanes: by tenant, then service, then operation; a higher priority before every share."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.lanes import Lane
from specql_jobs.core.worker.sharing import shares

A, B = UUID(int=1), UUID(int=2)
LANES = st.builds(
    Lane, st.integers(-2, 2), st.sampled_from("xyz"), st.sampled_from("op"), st.sampled_from([UUID(int=0), A, B])
)


def test_one_lane_gets_everything() -> None:
    """Nothing is kept back where nobody else wants it."""
    assert shares([Lane(0, "s", "o")], 7, 3) == [(Lane(0, "s", "o"), 7)]


def test_tenants_get_equal_shares_however_many_lanes_they_have() -> None:
    """A tenant with jobs in four services gets as many slots as one with jobs in one."""
    many = [Lane(0, service, "o", A) for service in "pqrs"]
    found = shares([*many, Lane(0, "p", "o", B)], 40, 0)
    slots = Counter(
        {A: sum(n for lane, n in found if lane.tenant == A), B: sum(n for lane, n in found if lane.tenant == B)}
    )
    assert slots == {A: 20, B: 20}


def test_with_one_slot_everybody_has_a_turn() -> None:
    """Over as many turns as there are lanes, each lane comes first once."""
    lanes = [Lane(0, service, "o", tenant) for tenant in (A, B) for service in "xyz"]
    first = Counter(shares(lanes, 1, turn)[0][0] for turn in range(6))
    assert first == Counter(lanes)


def test_a_higher_priority_comes_before_every_lower_one() -> None:
    """The place is the negated priority: lanes are answered in its order."""
    found = shares([Lane(0, "s", "o", A), Lane(-5, "s", "o", B), Lane(3, "s", "o")], 4, 1)
    assert [lane.place for lane, _ in found] == [-5, 0, 3]


@given(st.sets(LANES, min_size=1, max_size=30), st.integers(1, 500), st.integers(0, 10**6))
def test_every_lane_has_a_share_and_all_slots_are_shared(lanes: set[Lane], slots: int, turn: int) -> None:
    """Each lane is named once with at least one slot; a priority's lanes together get all slots, or a few more."""
    found = shares(sorted(lanes), slots, turn)
    assert sorted(lane for lane, _ in found) == sorted(lanes)
    assert all(1 <= share <= slots for _, share in found)
    for place in {lane.place for lane in lanes}:
        assert sum(share for lane, share in found if lane.place == place) >= slots
