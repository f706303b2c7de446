"""What `top` asks of the database and does to it: one thing after the other, over one connection that comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.selector import Moment, Selector, Words, parse_duration, parse_operations, parse_words
from ..core.store import changes, gates, overview, report
from ..core.store.counting import tally
from .output.change import Match
from .output.text import amount, moment
from .selectors import as_record
from .top_screen import PAUSE_FOR, REASON, Action, Line

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.db import Connection
    from .following import Follower

#: Jobs in the pane of jobs.
NEWEST = 100

_STATUSES = {"retry": ("failed",), "cancel": ("pending", "running")}
#: What is retried with r: what the column of failures counts.
_LATELY = Moment(ago_seconds=3600.0)


class Engine:
    """Looks, counts and acts for the screen."""

    def __init__(self, follower: Follower, settings: Settings) -> None:
        self._follower = follower
        self._settings = settings

    async def look(self) -> overview.Overview:
        """Return how the queue is now."""
        return await self._follower.ask(overview.overview)

    async def jobs(self, line: Line) -> Sequence[dict[str, Any]]:
        """Return the newest jobs of a line."""
        page = await self._follower.ask(lambda connection: report.list_jobs(connection, _selector(line), NEWEST))
        return page.rows

    def refusal(self, action: Action) -> str:
        """Return why an action is not done here, empty where it is."""
        if self._settings.protected:
            return f"profile {self._settings.profile} is protected: leave, and type {action.command}"
        return ""

    async def question(self, action: Action) -> str:
        """Return what to ask before an action; empty where nothing has to be asked, for it can be undone."""
        if action.verb in ("pause", "resume"):
            return ""
        selector = _selector(action.line, action)
        count = (await self._follower.ask(lambda connection: tally(connection, selector, patience=None))).total
        return f"{action.verb} {amount(count, 'job')} of {' '.join(action.line.words)}?"

    async def act(self, action: Action) -> str:
        """Do it; return what came of it in words."""
        return await self._follower.ask(lambda connection: self._act(connection, action))

    async def _act(self, connection: Connection, action: Action) -> str:
        scope = gates.PauseScope(service=action.line.service)
        match action.verb:
            case "pause":
                until = await gates.pause(connection, scope, parse_duration(PAUSE_FOR), REASON, self._settings.actor)
                waiting = amount((await gates.behind(connection, scope)).pending, "pending job")
                return f"{scope.words} is paused for {PAUSE_FOR}, until {moment(until)}; {waiting}; p again resumes it"
            case "resume":
                lifted = await gates.resume(connection, scope, REASON, self._settings.actor)
                return f"{scope.words} is dispatched again" if lifted else f"{scope.words} has no pause of its own"
            case _:
                return await self._change(connection, action)

    async def _change(self, connection: Connection, action: Action) -> str:
        selector = _selector(action.line, action)
        groups = await report.snapshot(connection, selector)
        ids = Match(groups, [], []).ids
        order = changes.Order(
            kind=action.verb,
            actor=self._settings.actor,
            reason=REASON,
            selector=as_record(selector, None),
            plan="",
        )
        entry = await changes.open_change(connection, order, ids)
        async for _ in changes.drive(connection, entry):
            pass  # each step is committed; the screen is drawn by another task
        await changes.turn(connection, entry, "done")
        outcomes = (await changes.tally(connection, entry)).outcomes
        done = sum(outcomes.get(word, 0) for word in ("retried", "cancelled", "requested"))
        return f"{action.verb}: {done} of {amount(len(ids), 'job')}; specql-jobs changes show {entry}"


def _selector(line: Line, action: Action | None = None) -> Selector:
    """The jobs of a line; with an action, those that it applies to."""
    found = Selector(ids=(UUID(line.words[0]),)) if line.is_job else _by_flags(line.words)
    if action is None:
        return found
    since = _LATELY if action.verb == "retry" and not line.is_job else None
    return replace(found, status=Words(_STATUSES[action.verb]), since=since)


def _by_flags(words: Sequence[str]) -> Selector:
    flags = dict(zip(words[::2], words[1::2], strict=True))
    return Selector(
        service=parse_words("--service", [flags["--service"]]) if "--service" in flags else Words(),
        operation=parse_operations([flags["--operation"]]) if "--operation" in flags else Words(),
        fingerprint=Words((flags["--fingerprint"],)) if "--fingerprint" in flags else Words(),
    )
