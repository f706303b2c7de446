"""Which of the names that are gone is there under another name: told from what stands behind it, never from a guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from typing import Final, TypeVar

from .frozen import thaw
from .model import Operation, Service

#: Share of equal letters from which two names are taken for one: charge and charge_card, not charge and refund.
_NEAR: Final = 0.6

#: Where nearly everything has another name, it is another registry, and pairing it would take minutes.
_MOST_PAIRS: Final = 10_000

Renamed = dict[str, str]  # the old key -> the new key
_Named = TypeVar("_Named", Service, Operation)


def renamed_services(old: Mapping[str, Service], new: Mapping[str, Service]) -> Renamed:
    """Return the services that only have another name: executed alike, with the same operations."""
    return _matched(old, new, _same_service)


def renamed_operations(old: Mapping[str, Operation], new: Mapping[str, Operation]) -> Renamed:
    """Return the operations that only have another name: the same input, and the same call or a name that is near."""
    return _matched(old, new, _same_operation)


def _matched(old: Mapping[str, _Named], new: Mapping[str, _Named], same: Callable[[_Named, _Named], bool]) -> Renamed:
    """Pairs that are the same behind their names, the nearest names first; each name is used once."""
    gone, came = [key for key in old if key not in new], [key for key in new if key not in old]
    if len(gone) * len(came) > _MOST_PAIRS:
        return {}
    pairs = [(before, after) for before in gone for after in came if same(old[before], new[after])]
    found: Renamed = {}
    for before, after in sorted(pairs, key=lambda pair: -_nearness(*pair)):
        if before not in found and after not in found.values():
            found[before] = after
    return found


def _same_service(old: Service, new: Service) -> bool:
    alike = old.execution_type == new.execution_type and old.operations.keys() == new.operations.keys()
    same_target = bool(old.runner_config) and thaw(old.runner_config) == thaw(new.runner_config)
    return alike and bool(old.operations) and (same_target or _nearness(old.name, new.name) >= _NEAR)


def _same_operation(old: Operation, new: Operation) -> bool:
    if thaw(old.input_schema) != thaw(new.input_schema):
        return False
    same_call = bool(old.mapping) and thaw(old.mapping) == thaw(new.mapping)
    return same_call or _nearness(old.name, new.name) >= _NEAR


def _nearness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()
