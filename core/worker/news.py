"""What settlements say about the services they called, for circuit breakers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..job import Category, folded
from ..lanes import Breaker, News
from ..lifecycle import Event, Settlement

#: The target did not answer. Its "no" is an answer; a policy, an input or this host's trouble says nothing about it.
SILENT = frozenset({Category.TARGET_UNAVAILABLE, Category.TIMEOUT})
ANSWERED = frozenset({Category.TARGET_ERROR, Category.INVALID_OUTPUT})


def news_of(settlements: Iterable[Settlement], breaker_of: Callable[[str], Breaker | None]) -> list[News]:
    """Return what these settlements, in the order of their ends, say of each service that has a breaker."""
    found: dict[str, News] = {}
    for settlement in settlements:
        service = folded(settlement.job.service_name)
        breaker = breaker_of(service)
        if settlement.seconds_left is not None and settlement.seconds_left <= 0:
            continue  # its deadline ended it: perhaps nothing was asked of the target
        if breaker is None or not (settlement.event is Event.SUCCEED or settlement.category in SILENT | ANSWERED):
            continue
        before = found.get(service, News(service, answered=False, failed=0, breaker=breaker))
        found[service] = _after(before, silent=settlement.category in SILENT)
    return list(found.values())


def _after(news: News, *, silent: bool) -> News:
    if silent:
        return News(news.service, news.answered, news.failed + 1, news.breaker)
    return News(news.service, answered=True, failed=0, breaker=news.breaker)
