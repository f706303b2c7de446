"""The life of `top`: keys change the screen at once; looking and acting go on beside, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core import dsn as address
from ..core.clock import monotonic
from ..core.errors import SpecqlJobsError, Unavailable
from ..core.worker.tasks import cancelled
from .following import REST
from .output.keyboard import keyboard
from .output.top_text import table
from .output.top_view import Sight
from .top_engine import Engine
from .top_screen import Action, Line, Pane, Screen, kept, press

if TYPE_CHECKING:
    from ..core.settings import Settings
    from ..core.store.overview import Overview
    from .following import Follower
    from .output.top_view import TopView

#: The screen is drawn so often even when nothing happens: it says how old it is.
REDRAW = 1.0  # seconds


class TopLoop:
    """One run of `top`."""

    def __init__(self, view: TopView, follower: Follower, settings: Settings, interval: float) -> None:
        """`interval`: seconds between two looks."""
        self.screen = Screen()
        self._view = view
        self._engine = Engine(follower, settings)
        self._interval = interval
        self._target = address.describe(settings.require_dsn())
        self._seen: Overview | None = None
        self._seen_at = monotonic()
        self._jobs: Sequence[dict[str, Any]] = ()
        self._wanted: asyncio.Queue[Action] = asyncio.Queue()

    async def run(self) -> None:
        """Show the queue until somebody leaves; raise what keeps it from being seen."""
        await self._look()  # an error is told before the screen is taken
        with keyboard() as keys, self._view.open():
            work = asyncio.create_task(self._work())
            try:
                while not self.screen.done and not work.done():
                    self._draw()
                    await self._next(keys, work)
            finally:
                await cancelled(work)
        if work.done() and not work.cancelled():
            work.result()

    async def _next(self, keys: asyncio.Queue[str], work: asyncio.Task[None]) -> None:
        """Wait for a key, for news, or for the time to draw again."""
        pressed = asyncio.ensure_future(keys.get())
        try:
            await asyncio.wait({pressed, work}, timeout=REDRAW, return_when=asyncio.FIRST_COMPLETED)
            if pressed.done():
                self._press(pressed.result())
        finally:
            pressed.cancel()

    def _press(self, key: str) -> None:
        if key == "resize" or self._seen is None:
            self.screen = replace(self.screen, done=self.screen.done or key == "q")
            return
        self.screen, action = press(self.screen, key, self._lines())
        if action is not None:
            self._wanted.put_nowait(action)

    def _draw(self) -> None:
        self._view.draw(self.screen, Sight(self._target, self._seen, self._jobs, monotonic() - self._seen_at))

    # ---- beside the keys ---------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Look by the clock, and do what is wanted in between; a dear look is made less often."""
        cost = 0.0
        while True:
            try:
                async with asyncio.timeout(max(self._interval, cost * REST)):
                    action = await self._wanted.get()
            except TimeoutError:
                action = None
            if action is not None:
                await self._do(action)
            started = monotonic()
            await self._look()
            cost = monotonic() - started
            self._draw()

    async def _look(self) -> None:
        seen, subject = await self._engine.look(), self.screen.subject
        jobs = await self._engine.jobs(subject) if subject is not None and self.screen.pane is Pane.JOBS else ()
        before = self._lines()
        self._seen, self._seen_at, self._jobs = seen, monotonic(), jobs
        self.screen = kept(self.screen, before, self._lines())

    def _lines(self) -> Sequence[Line]:
        """The lines that can be chosen now."""
        return table(self.screen, self._seen, self._jobs).lines if self._seen is not None else ()

    async def _do(self, action: Action) -> None:
        """Ask first where it cannot be undone; an error is told on the screen, unless the database is gone."""
        try:
            await self._ask_or_act(action)
        except Unavailable:
            raise
        except SpecqlJobsError as error:
            self.screen = replace(self.screen, message=error.message)
        self._draw()

    async def _ask_or_act(self, action: Action) -> None:
        if action.verb == "jobs":
            self._jobs = ()
            return
        refusal = self._engine.refusal(action)
        if refusal:
            self.screen = replace(self.screen, message=refusal)
            return
        question = "" if action.agreed else await self._engine.question(action)
        if question:
            self.screen = self.screen.ask(action, question)
            return
        outcome = await self._engine.act(action)
        self.screen = self.screen.did(action, outcome)
