"""Pieces of a report's page: figures, legends, tables, and values in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from .markup import Child, Element, tag
from .plots import Series, milliseconds

Data = dict[str, Any]

#: The drawing widths for wide screens and for phones: one of the two is shown, so that labels stay readable.
WIDE, NARROW = 1080.0, 360.0


def plotted(
    there: bool, series: Sequence[Series], otherwise: str, draw: Callable[[float], Element]
) -> Iterator[Element]:
    """Yield a legend and a plot, or a sentence where there is nothing to draw."""
    if not there:
        yield none(otherwise)
        return
    yield legend((each.name, each.colour) for each in series)
    yield figure(draw)


def figure(draw: Callable[[float], Element]) -> Element:
    """Return a drawing twice, for wide and narrow screens."""
    return tag("figure", tag("div", draw(WIDE), class_="wide"), tag("div", draw(NARROW), class_="narrow"))


def legend(entries: Iterable[tuple[str, str]]) -> Element:
    """Return what each colour stands for."""
    return tag("ul", *(tag("li", tag("i", class_=colour), name) for name, colour in entries), class_="legend")


def none(text: str) -> Element:
    """Return a sentence that there is nothing."""
    return tag("p", f"{text[:1].upper()}{text[1:]}.", class_="none")


def table(heads: Sequence[str], rows: Iterable[Sequence[Child]], kinds: Sequence[str | None]) -> Element:
    """Return a table; `kinds` are the columns' classes, such as "number"."""
    head = tag("tr", *(tag("th", text, scope="col", class_=kind) for text, kind in zip(heads, kinds, strict=True)))
    body = (tag("tr", *(tag("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True))) for row in rows)
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll", tabindex="0")


def points(rows: Sequence[Data], key: str) -> list[tuple[datetime, float]]:
    """Return the values of a key with their times, as far as there are any."""
    return [(at(row["at"]), row[key]) for row in rows if row[key] is not None]


def filled(rows: Sequence[Data], steps: Sequence[str]) -> list[tuple[datetime, float]]:
    """Return the jobs of each step, 0 where there are none."""
    jobs = {row["at"]: row["jobs"] for row in rows}
    return [(at(step), jobs.get(step, 0)) for step in steps]


def at(text: str) -> datetime:
    """Return the time that RFC 3339 text names."""
    return datetime.fromisoformat(text)


def time(text: str) -> str:
    """Return a time for people, in UTC."""
    return f"{at(text).astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def clock(text: str) -> str:
    """Return the same without its year."""
    return f"{at(text).astimezone(UTC):%d %b %H:%M:%S}"


def ms(value: float | None) -> str:
    """Return a length of time, or a dash."""
    return "–" if value is None else milliseconds(value)


def or_dash(value: float | None, told: Callable[[float], str]) -> str:
    """Return a value in words, or a dash."""
    return "–" if value is None else told(value)
