"""The question before a bulk change: asked on the terminal, never answered by a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, NoReturn

from ..core import dsn as address
from ..core.errors import Conflict, UsageError
from ..core.settings import Settings
from .exits import DECLINED, Terminated
from .options import Safety
from .output.console import Console
from .output.streams import is_terminal
from .output.text import amount

#: Up to this many jobs, none of them running or given up before, nothing is asked.
UNASKED = 10

#: Where the answer comes from when ids were piped into stdin.
TERMINAL = "/dev/tty"


@dataclass(frozen=True, slots=True)
class Change:
    """What is asked about: the verb, how many jobs, how many run, and how many were discarded and not asked for."""

    verb: str
    total: int
    running: int = 0
    discarded: int = 0

    @property
    def is_small(self) -> bool:
        """Whether nobody has to be asked."""
        return self.total <= UNASKED and not self.running and not self.discarded

    @property
    def words(self) -> str:
        """Say what would be done."""
        parts = [
            f"{count} of them {word}"
            for count, word in ((self.running, "running"), (self.discarded, "discarded"))
            if count
        ]
        return ", ".join([f"{self.verb} {amount(self.total, 'job')}", *parts])


def confirm_change(console: Console, settings: Settings, safety: Safety, change: Change) -> None:
    """Ask unless the change is small, or --yes was given.

    Raises UsageError where a question is needed and nobody can answer it, Conflict when the answer is no.
    """
    _refuse_unreasoned(settings, safety)
    if safety.yes or (change.is_small and not settings.protected):
        return
    target = f"on {address.describe(settings.require_dsn())}"
    answer = _ask(console, f"{change.words} {target}?{_wanted(settings)} ", change)
    if answer != (settings.profile if settings.protected else "y"):
        raise Conflict(DECLINED.message, hint=DECLINED.hint, code=DECLINED.code, name=DECLINED.name)


def _refuse_unreasoned(settings: Settings, safety: Safety) -> None:
    if not settings.protected:
        return
    if not safety.reason.strip():
        confirm_too = f" --confirm {settings.profile}" if safety.yes and not safety.confirm else ""
        raise UsageError(
            f"profile {settings.profile} is protected and needs a reason", hint=f"--reason 'INC-412 …'{confirm_too}"
        )
    if safety.yes and safety.confirm != settings.profile:
        raise UsageError(
            f"profile {settings.profile} is protected: --yes alone does not confirm",
            hint=f"--yes --confirm {settings.profile}",
        )


def _wanted(settings: Settings) -> str:
    return f" Type {settings.profile} to go on:" if settings.protected else " y/N:"


def _ask(console: Console, prompt: str, change: Change) -> str:
    if console.is_json:
        raise _unanswerable(change)
    stream = _person()
    if stream is None:
        raise _unanswerable(change)
    console.prompt(prompt)
    with _interruptible():
        answer = stream.readline().strip()
    return "y" if answer.lower() in ("y", "yes") else answer


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the question at once: the event loop's own handlers only note them for later."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of handlers
    raise Terminated


def _person() -> IO[str] | None:
    if is_terminal(sys.stdin):
        return sys.stdin
    try:
        return open(TERMINAL, encoding="utf-8")
    except OSError:
        return None


def _unanswerable(change: Change) -> UsageError:
    leave = "leave out what was discarded with --status failed, or " if change.discarded else ""
    return UsageError(
        f"to {change.words} needs a yes, and nobody can be asked here",
        code="E204",
        name="confirmation-needed",
        hint=f"{leave}look first with --dry-run, then add --yes",
    )
