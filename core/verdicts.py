"""`judge` for plan after plan under one policy: what differs from a clean one by amounts alone is only weighed."""

from __future__ import annotations

from operator import attrgetter

from .footprint import Footprint, Violation
from .policy import AMOUNTS, Policy, amounts, judge

#: Whatever is not an amount is compared, so that a field added to Footprint is never passed over.
_touched = attrgetter(*(name for name in Footprint._fields if name not in AMOUNTS))


class Verdicts:
    """The verdicts of one policy. Remembers one clean footprint: the jobs of an operation touch mostly the same."""

    __slots__ = ("_clean", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._clean: object = None

    def judge(self, footprint: Footprint) -> tuple[Violation, ...]:
        """Return exactly what `policy.judge` returns for this policy: no check but `amounts` looks at an amount."""
        touched = _touched(footprint)
        if touched == self._clean and not any(amounts(footprint, self.policy)):
            return ()
        found = judge(footprint, self.policy)
        if not found and _is_constant(touched):
            self._clean = touched
        return found


def _is_constant(touched: object) -> bool:
    """Whether what was judged cannot change any more: a list in place of a tuple could."""
    try:
        hash(touched)
    except TypeError:
        return False
    return True
