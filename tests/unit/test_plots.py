"""Plots of a report: labels that can be read, values that lie where they should, whatever the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from specql_jobs.cli.output.plots import Series, Span, lines, nice_step, stacked_bars
from specql_jobs.core.store.post_mortem import step_of

START = datetime(2026, 3, 28, 22, 51, 3, tzinfo=UTC)
#: A digit's width in the drawing's font, at most, in its units.
DIGIT = 7.5


def _span(seconds: int) -> Span:
    return Span(START, START + timedelta(seconds=seconds), step_of(seconds))


def _points(span: Span, value: float) -> list[tuple[datetime, float]]:
    steps = int(span.seconds // span.step) + 1
    return [(START + timedelta(seconds=span.step * number), value * (number % 7 + 1)) for number in range(steps)]


@pytest.mark.parametrize("width", [360.0, 1080.0])
@pytest.mark.parametrize("seconds", [30, 600, 3600, 10800, 86400, 90000, 3 * 86400, 604800, 90 * 86400, 3650 * 86400])
def test_times_below_the_axis_do_not_touch(seconds: int, width: float) -> None:
    """From half a minute to ten years, on a phone and on a desk, no label reaches into the next."""
    span = _span(seconds)
    plot = stacked_bars([Series("completed", "completed", _points(span, 3))], span, width, "plot")
    inner = [each for each in plot.iter("text") if each.get("text-anchor") == "middle"]
    ends = [(float(each.get("x", 0)), len(each.text or "") * DIGIT / 2) for each in inner]
    assert all(right - left > half + other for (left, half), (right, other) in pairwise(ends))


@pytest.mark.parametrize("value", [0.01, 20.0, 4e7])
def test_everything_lies_inside_the_drawing(value: float) -> None:
    """Microseconds or half a day: no point of a line leaves its drawing."""
    span = _span(3600)
    plot = lines([Series("p50", "p50", _points(span, value))], span, 1080.0, "plot")
    places = [(float(each.get("cx", -1)), float(each.get("cy", -1))) for each in plot.iter("circle")]
    assert places
    assert all(0 <= x <= 1080 and 0 <= y <= 230 for x, y in places)


@pytest.mark.parametrize(("least", "step"), [(0.2, 1), (1, 1), (1.1, 2), (3, 5), (7, 10), (10, 10), (251, 500)])
def test_counts_are_labelled_with_round_numbers(least: float, step: float) -> None:
    """1, 2 or 5 times a power of ten, never less than asked for."""
    assert nice_step(least) == step
