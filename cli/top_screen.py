"""What `top` shows and what its keys do: pure, a screen and a key make the next screen and what is to be done."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Pane(StrEnum):
    """What fills the middle of the screen."""

    SERVICES = "services"
    ERRORS = "errors"
    JOBS = "jobs"
    HELP = "help"


class Order(StrEnum):
    """What services are sorted by, the largest first; names from A to Z."""

    NAME = "name"
    READY = "ready"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Line:
    """One line that can be chosen: the selector's words that mean its jobs, and the service where it is one."""

    words: tuple[str, ...]
    service: str = ""
    paused: bool = False

    @property
    def is_job(self) -> bool:
        """Whether it is one job, by its id."""
        return len(self.words) == 1


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do in the database, and the words of the command that does the same."""

    verb: str  # pause, resume, retry, cancel, or jobs: look at them
    line: Line
    agreed: bool = False  # asked, and answered with y

    @property
    def command(self) -> str:
        """The command line that does the same, to be pasted."""
        return shlex.join(["specql-jobs", self.verb, *self.words])

    @property
    def words(self) -> tuple[str, ...]:
        """The options of that command."""
        if self.verb in ("show", "jobs"):
            return self.line.words
        more = () if self.line.is_job else _MORE.get(self.verb, ())
        return (*self.line.words, *more, *_CHANGE, *(("--yes",) if self.agreed else ()))


REASON = "from top"
#: A pause by one key ends by itself: who pressed it goes to bed.
PAUSE_FOR = "30m"
_CHANGE = ("--reason", REASON)
_MORE = {
    "pause": ("--for", PAUSE_FOR),
    "retry": ("--status", "failed", "--since", "1h"),
    "cancel": ("--status", "pending,running"),
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything about the view that keys change."""

    pane: Pane = Pane.SERVICES
    order: Order = Order.NAME
    place: int = 0  # the chosen line, from 0
    filter: str = ""
    typing: bool = False  # keys go into the filter
    asked: Action | None = None  # waits for y
    question: str = ""
    before: Pane = Pane.SERVICES  # where escape leads from jobs and help
    subject: Line | None = None  # whose jobs the pane of jobs shows
    message: str = ""
    commands: tuple[str, ...] = ()  # what was done, as commands, the last one last
    done: bool = False

    def ask(self, action: Action, question: str) -> Screen:
        """Put a question to which only y is a yes."""
        return replace(self, asked=action, question=question, message="")

    def did(self, action: Action, outcome: str) -> Screen:
        """Note what was done, as its command and in words."""
        return replace(self, commands=(*self.commands, action.command), message=outcome)


Pressed = tuple[Screen, Action | None]


def press(screen: Screen, key: str, lines: Sequence[Line]) -> Pressed:
    """Return the screen after a key, and what is to be done; `lines` are those that can be chosen now."""
    if screen.asked is not None:
        return _answered(screen, key)
    if screen.typing:
        return _typed(screen, key), None
    screen = replace(screen, message="")
    if key in _ACTIONS:
        return _acted(screen, _ACTIONS[key], lines)
    if key == "enter":
        return _entered(screen, lines)
    return _moved(screen, key, len(lines)), None


def kept(screen: Screen, before: Sequence[Line], after: Sequence[Line]) -> Screen:
    """Keep what was chosen chosen while lines come, go and change their order: a key must not meet its neighbour."""
    if not 0 <= screen.place < len(before):
        return screen
    words = before[screen.place].words
    places = [at for at, line in enumerate(after) if line.words == words]
    return replace(screen, place=places[0]) if places else screen


def _answered(screen: Screen, key: str) -> Pressed:
    action = screen.asked
    screen = replace(screen, asked=None, question="")
    if key.lower() == "y" and action is not None:
        return screen, replace(action, agreed=True)
    return replace(screen, message="nothing was changed"), None


def _typed(screen: Screen, key: str) -> Screen:
    match key:
        case "enter":
            return replace(screen, typing=False)
        case "escape":
            return replace(screen, typing=False, filter="")
        case "backspace":
            return replace(screen, filter=screen.filter[:-1], place=0)
        case _ if len(key) == 1:
            return replace(screen, filter=screen.filter + key, place=0)
    return screen


_ACTIONS = {"p": "pause", "r": "retry", "x": "cancel"}


def _acted(screen: Screen, verb: str, lines: Sequence[Line]) -> Pressed:
    if not lines or screen.pane is Pane.HELP:
        return replace(screen, message="no line is chosen"), None
    line = lines[min(screen.place, len(lines) - 1)]
    if verb == "pause" and not line.service:
        return replace(screen, message="only a service can be paused here"), None
    if verb == "pause" and line.paused:
        verb = "resume"
    return screen, Action(verb, line)


def _entered(screen: Screen, lines: Sequence[Line]) -> Pressed:
    if not lines or screen.pane is Pane.HELP:
        return screen, None
    line = lines[min(screen.place, len(lines) - 1)]
    if screen.pane is Pane.JOBS:
        return screen.did(Action("show", line), "that command has everything about the job"), None
    return replace(screen, pane=Pane.JOBS, before=screen.pane, subject=line, place=0), Action("jobs", line)


def _moved(screen: Screen, key: str, lines: int) -> Screen:
    match key:
        case "q":
            screen = replace(screen, done=True)
        case "down" | "j":
            screen = replace(screen, place=min(screen.place + 1, max(lines - 1, 0)))
        case "up" | "k":
            screen = replace(screen, place=max(min(screen.place, lines) - 1, 0))
        case "/":
            screen = replace(screen, typing=True, filter="", place=0)
        case "s":
            orders = list(Order)
            screen = replace(screen, order=orders[(orders.index(screen.order) + 1) % len(orders)], place=0)
        case "e":
            back = screen.pane is Pane.ERRORS
            screen = replace(screen, pane=Pane.SERVICES if back else Pane.ERRORS, place=0)
        case "?":
            screen = replace(screen, pane=Pane.HELP, before=_home(screen))
        case "escape":
            screen = replace(screen, pane=_home(screen), filter="", place=0)
    return screen


def _home(screen: Screen) -> Pane:
    return screen.before if screen.pane in (Pane.JOBS, Pane.HELP) else screen.pane
