"""`top` on the screen: every line made to fit, drawn at once, the terminal given back at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..top_screen import Pane, Screen
from . import top_text
from .tables import text_table
from .text import age, amount, cut, one_line

if TYPE_CHECKING:
    from rich.live import Live

    from ...core.store.overview import Overview

KEYS = "q quit  / filter  s sort  e errors  enter jobs  p pause  r retry  x cancel  ? help"

#: A look older than this is told as old. Seconds.
STALE = 6.0

#: A line and how it looks: "", bold, reverse, red, yellow or dim.
Styled = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Sight:
    """What there is to show, beside the screen itself."""

    target: str
    seen: Overview | None
    jobs: Sequence[dict[str, Any]]
    age_seconds: float


def frame(screen: Screen, sight: Sight, width: int, height: int) -> list[Styled]:
    """Return the lines of the screen from top to bottom: at most `height`, none longer than `width`."""
    head, foot = _head(screen, sight), _foot(screen)
    room = max(height - len(head) - len(foot), 0)
    body = _body(screen, sight, width, room)
    lines = [*head, *body, *([("", "")] * (room - len(body))), *foot]
    return [(cut(text, width), style) for text, style in lines[-height:] if height]


def _head(screen: Screen, sight: Sight) -> list[Styled]:
    if sight.seen is None:
        return [(f"top  {sight.target}", "bold"), ("looking …", "dim")]
    states = [worker["state"] for worker in sight.seen.workers]
    alive, silent = states.count("running") + states.count("draining"), states.count("silent")
    workers = f"{amount(alive, 'worker')}" + (f", {silent} silent" if silent else "")
    what = f"{screen.pane}" + (f" by {screen.order}" if screen.pane is Pane.SERVICES else "")
    if screen.subject is not None and screen.pane is Pane.JOBS:
        what = f"jobs of {one_line(' '.join(screen.subject.words))}"
    filtered = f"  /{screen.filter}" if screen.filter and not screen.typing else ""
    title = f"top  {sight.seen.at.astimezone():%H:%M:%S}  {workers}  {what}{filtered}  {sight.target}"
    old = f"this is {age(sight.age_seconds)} old: the database does not answer"
    return [(title, "bold"), (old, "red") if sight.age_seconds > STALE else ("", "")]


def _body(screen: Screen, sight: Sight, width: int, room: int) -> list[Styled]:
    if screen.pane is Pane.HELP:
        return [(line, "") for line in top_text.HELP[:room]]
    if sight.seen is None:
        return []
    table = top_text.table(screen, sight.seen, sight.jobs)
    if not table.rows:
        return [("nothing here", "dim")][:room]
    header, *rows = text_table(table.headers, table.rows, width, table.spare).split("\n")
    below = _errors_below(screen, sight, width, room - len(rows) - 1)
    space = max(room - 1 - len(below), 0)
    place = min(screen.place, len(rows) - 1)
    first = max(0, min(place - space // 2, len(rows) - space))
    shown = [(row, _style(at, row, place)) for at, row in enumerate(rows)][first : first + space]
    return [*[(header, "bold")][:room], *shown, *below]


def _style(at: int, row: str, place: int) -> str:
    if at == place:
        return "reverse"
    return "yellow" if any(word in row for word in ("PAUSED", "BREAKER", "NO WORKER")) else ""


def _errors_below(screen: Screen, sight: Sight, width: int, room: int) -> list[Styled]:
    """The largest groups of errors under the services, where there is room for two of them or more."""
    groups = sight.seen.errors if sight.seen is not None and screen.pane is Pane.SERVICES else ()
    if not groups or room < 4:
        return []
    errors = top_text.table(Screen(Pane.ERRORS), sight.seen, ()) if sight.seen else None
    assert errors is not None
    lines = text_table(errors.headers, errors.rows[: room - 2], width, errors.spare).split("\n")
    return [("", ""), (lines[0], "bold"), *((line, "red") for line in lines[1:])]


def _foot(screen: Screen) -> list[Styled]:
    ran = f"ran: {one_line(screen.commands[-1])}" if screen.commands else ""
    if screen.typing:
        said = (f"/{screen.filter}_", "bold")
    elif screen.asked is not None:
        said = (f"{one_line(screen.question)} y/N", "bold")
    else:
        said = (one_line(screen.message), "")
    return [(ran, "yellow"), said, (KEYS, "dim")]


class TopView:
    """Draws frames on the whole terminal while it is open."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._live: Live | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Take the terminal's other screen; give the first one back whatever happens."""
        from rich.console import Console as RichConsole  # noqa: PLC0415 - 50 ms, for the full screen only
        from rich.live import Live  # noqa: PLC0415 - the same

        rich = RichConsole(no_color=not self._colour, highlight=False, markup=False, emoji=False)
        with Live(console=rich, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
            self._live = live
            yield
        self._live = None

    def draw(self, screen: Screen, sight: Sight) -> None:
        """Show the screen as it is now, in the terminal's size of now."""
        from rich.text import Text  # noqa: PLC0415 - see above

        if self._live is None:
            return
        size = self._live.console.size
        lines = frame(screen, sight, size.width, size.height)
        text = Text("\n", no_wrap=True, overflow="crop").join(Text(line, style) for line, style in lines)
        self._live.update(text, refresh=True)
