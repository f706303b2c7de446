"""Plots as inline SVG: bars, lines and marks over time. Colours are classes: the page's scheme decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .markup import Element, tag
from .text import duration

Point = tuple[datetime, float]

HEIGHT = 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 10.0, 10.0, 26.0  # room for the labels, in the units of the drawing
_BAR, _ROW = 12.0, 40.0  # of horizontal bars: a bar's thickness, a group's height
_GAPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)  # between labels, s
_LABEL_WIDTH, _LONG_LABEL = 70.0, 105.0  # of one time below the axis, without and with its day


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a plot: its class in the page's style, and its value at each step."""

    name: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Span:
    """The time axis: from `since` to `until` in steps of `step` seconds."""

    since: datetime
    until: datetime
    step: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return max((self.until - self.since).total_seconds(), 1.0)

    def share(self, at: datetime) -> float:
        """Where a time lies in it, from 0 to 1."""
        return min(max((at - self.since).total_seconds() / self.seconds, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """The value axis: the labelled values, and where a value lies between 0 and 1."""

    ticks: Sequence[float]
    share: Callable[[float], float]
    label: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Frame:
    """The inner rectangle of a drawing of this width."""

    width: float
    span: Span
    scale: Scale

    def x(self, at: datetime) -> float:
        """The place of a time."""
        return _LEFT + self.span.share(at) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """The place of a value."""
        return HEIGHT - _BOTTOM - self.scale.share(value) * (HEIGHT - _TOP - _BOTTOM)


# ---- scales ----------------------------------------------------------------------------------------------------------


def count_scale(largest: float) -> Scale:
    """From 0 to a round number above the largest count."""
    step = nice_step(max(largest, 1.0) / 4)
    top = step * math.ceil(max(largest, 1.0) / step)
    ticks = [step * number for number in range(round(top / step) + 1)]
    return Scale(ticks, lambda value: value / top, short_number)


def nice_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten: the first that is not below `least`, and at least 1."""
    if least <= 1:
        return 1.0
    power = 10 ** math.floor(math.log10(least))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least))


def time_scale(values: Sequence[float]) -> Scale:
    """Logarithmic, in whole powers of ten: a median of 20 ms and a p99 of 30 s are both to be seen. Values in ms."""
    known = [max(value, 0.1) for value in values] or [1.0, 10.0]
    low = math.floor(math.log10(min(known)))
    high = max(math.ceil(math.log10(max(known))), low + 1)
    ticks = [10.0**power for power in range(low, high + 1)]
    return Scale(ticks, lambda value: (math.log10(max(value, 0.1)) - low) / (high - low), milliseconds)


def milliseconds(value: float) -> str:
    """A length of time on an axis or in a table."""
    return f"{value:.1f}ms" if value < 1 else duration(value / 1000)


def short_number(value: float) -> str:
    """1,200 or 3.4M."""
    if value >= 1e6:
        return f"{value / 1e6:.4g}M"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


# ---- plots ---------------------------------------------------------------------------------------------------------


def stacked_bars(series: Sequence[Series], span: Span, width: float, label: str) -> Element:
    """Return bars for each step, the series on top of each other."""
    sums = [sum(values) for values in zip(*([value for _, value in each.points] for each in series), strict=True)]
    frame = Frame(width, span, count_scale(max(sums, default=0)))
    return _drawing(frame, label, _bars(series, frame))


def _bars(series: Sequence[Series], frame: Frame) -> Iterator[Element]:
    below: dict[datetime, float] = {}
    for each in series:
        for at, value in each.points:
            if value:
                bottom = below.get(at, 0.0)
                below[at] = bottom + value
                yield _bar(each, (at, value), bottom, frame)


def _bar(series: Series, point: Point, bottom: float, frame: Frame) -> Element:
    at, value = point
    left, right = frame.x(at), frame.x(at + timedelta(seconds=frame.span.step))
    top = frame.y(bottom + value)
    title = tag("title", f"{_clock(at, frame.span)}: {value:,.0f} {series.name}")
    return tag(
        "rect", title, class_=series.colour, x=left + 0.5, y=top,
        width=max(right - left - 1.0, 0.8), height=max(frame.y(bottom) - top, 0.6),
    )  # fmt: skip


def lines(series: Sequence[Series], span: Span, width: float, label: str) -> Element:
    """Return lines of lengths of time, in ms, broken where a step has no value."""
    frame = Frame(width, span, time_scale([value for each in series for _, value in each.points]))
    return _drawing(frame, label, (part for each in series for part in _line(each, frame)))


def _line(series: Series, frame: Frame) -> Iterator[Element]:
    half = timedelta(seconds=frame.span.step / 2)
    for run in _unbroken(series.points, frame.span.step):
        places = [(frame.x(at + half), frame.y(value)) for at, value in run]
        if len(places) > 1:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield tag("polyline", class_=f"line {series.colour}", points=path)
    for at, value in series.points:
        title = tag("title", f"{_clock(at, frame.span)}: {series.name} {milliseconds(value)}")
        yield tag("circle", title, class_=series.colour, cx=frame.x(at + half), cy=frame.y(value), r=2.0)


def _unbroken(points: Sequence[Point], step: int) -> Iterator[list[Point]]:
    run: list[Point] = []
    for point in points:
        if run and (point[0] - run[-1][0]).total_seconds() > step * 1.5:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def marks(points: Sequence[tuple[datetime, str, str]], span: Span, width: float, label: str) -> Element:
    """Return a strip of marks: (time, class, title) of each event."""
    frame = Frame(width, span, count_scale(1))
    drawing = _empty(width, 60.0, label)
    drawing.extend(_times(frame, 34.0))
    for at, colour, title in points:
        x = frame.x(at)
        drawing.append(tag("line", tag("title", title), class_=f"mark {colour}", x1=x, x2=x, y1=6.0, y2=34.0))
    return drawing


def bars(groups: Sequence[tuple[str, Sequence[float]]], colours: Sequence[str], width: float, label: str) -> Element:
    """Return horizontal bars, one of each colour for each named group. Values in seconds."""
    largest = max((value for _, values in groups for value in values), default=0.0) or 1.0
    left, room = 92.0, width - 92.0 - 70.0
    drawing = _empty(width, _ROW * len(groups), label)
    for row, (name, values) in enumerate(groups):
        top = row * _ROW + (_ROW - _BAR * len(values)) / 2
        drawing.append(tag("text", name, x=left - 8, y=row * _ROW + _ROW / 2 + 4, text_anchor="end"))
        for index, (value, colour) in enumerate(zip(values, colours, strict=True)):
            if value:
                y, long = top + index * _BAR, max(value / largest * room, 1.0)
                drawing.append(tag("rect", class_=colour, x=left, y=y, width=long, height=_BAR - 2))
                drawing.append(tag("text", duration(value), x=left + long + 6, y=y + _BAR - 3))
    return drawing


# ---- the frame around them -----------------------------------------------------------------------------------------


def _drawing(frame: Frame, label: str, parts: Iterator[Element]) -> Element:
    drawing = _empty(frame.width, HEIGHT, label)
    for tick in frame.scale.ticks:
        y = frame.y(tick)
        drawing.append(tag("line", class_="grid", x1=_LEFT, x2=frame.width - _RIGHT, y1=y, y2=y))
        drawing.append(tag("text", frame.scale.label(tick), x=_LEFT - 6, y=y + 4, text_anchor="end"))
    drawing.extend(parts)
    drawing.extend(_times(frame, HEIGHT - _BOTTOM))
    return drawing


def _empty(width: float, height: float, label: str) -> Element:
    return tag("svg", viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


def _times(frame: Frame, y: float) -> Iterator[Element]:
    yield tag("line", class_="axis", x1=_LEFT, x2=frame.width - _RIGHT, y1=y, y2=y)
    inner = frame.width - _LEFT - _RIGHT
    for at in _round_times(frame.span, max(int(inner // _label_width(frame.span)), 2)):
        x = frame.x(at)
        anchor = "start" if x < _LEFT + _LABEL_WIDTH / 3 else "end" if x > frame.width - _LABEL_WIDTH / 3 else "middle"
        yield tag("line", class_="axis", x1=x, x2=x, y1=y, y2=y + 4)
        yield tag("text", _clock(at, frame.span), x=x, y=y + 18, text_anchor=anchor)


def _label_width(span: Span) -> float:
    return _LONG_LABEL if 86400 < span.seconds < 604800 else _LABEL_WIDTH


def _round_times(span: Span, most: int) -> Iterator[datetime]:
    """At most `most` round times, in UTC, inside the span."""
    gap = next((each for each in _GAPS if span.seconds / each <= most), math.ceil(span.seconds / most / 86400) * 86400)
    at = math.ceil(span.since.timestamp() / gap) * gap
    while at <= span.until.timestamp():
        yield datetime.fromtimestamp(at, UTC)
        at += gap


def _clock(at: datetime, span: Span) -> str:
    """As much of a UTC time as tells the labels of this window apart."""
    shown = at.astimezone(UTC)
    if span.seconds <= 900:
        return f"{shown:%H:%M:%S}"
    return (
        f"{shown:%H:%M}"
        if span.seconds <= 86400
        else f"{shown:%d %b %H:%M}"
        if span.seconds < 604800
        else f"{shown:%d %b}"
    )
