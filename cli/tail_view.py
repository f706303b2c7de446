"""One run of `tail`: events behind a cursor, with the jobs' output between them, over the loss of the connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from ..core.job import Status
from ..core.store import following, report
from .captured import Captured
from .feed import OVERLAP, Feed
from .output import event_text, log_text, tables
from .output.text import amount
from .stillness import Stillness

if TYPE_CHECKING:
    from ..core.selector import Selector
    from .following import Follower
    from .output.console import Console

Row = dict[str, Any]


class TailView:
    """Shows the changes of the selected jobs as they are read."""

    def __init__(self, console: Console, selector: Selector, *, logs: bool) -> None:
        self._console = console
        self._selector = selector
        self._feed = Feed()
        self._logs = logs
        self._captured = Captured()
        self._places: dict[Any, Row] = {}  # the jobs whose output is read
        self._said: tuple[Any, int] | None = None  # whose output the last lines were
        self._events = 0
        self._reading = True  # whether anybody does

    async def begin(self, follower: Follower, limit: int | None) -> None:
        """Show the latest events; the following ones are those behind them."""
        events = await follower.ask(lambda connection: report.latest_events(connection, self._selector, limit))
        self._feed.new(events)
        if events:
            await self._show(follower, events)
            return
        self._feed.cursor = await follower.ask(following.now) - OVERLAP
        self.show_nothing()

    def show_nothing(self) -> None:
        """Answer that there are no such events."""
        self._write([])

    async def go_on(self, follower: Follower, idle: float | None, most: int | None) -> None:
        """Show what happens from now on, until nobody reads it, or for so many events, or until it is quiet."""
        shown_before, quiet_since = self._events, monotonic()
        busy, still = False, Stillness(follower)
        while self._reading and (most is None or self._events - shown_before < most):
            if idle is not None and monotonic() - quiet_since >= idle:
                return
            await follower.change(busy=busy)
            room = None if most is None else most - (self._events - shown_before)
            new = self._feed.new(await self._look(follower))
            busy = bool(new)
            quiet_since = monotonic() if busy else quiet_since
            follower.announce(f"{amount(len(new), 'event')} replayed")
            if new:
                still.moved()
                await self._show(follower, new[:room])
            await still.look(self._selector.ids)

    def finish(self) -> None:
        """End a stream of JSON lines with its summary."""
        if self._console.format == "jsonl":
            self._console.lines([{"type": "summary", "events": self._events}])

    async def _look(self, follower: Follower) -> list[Row]:
        """Poll from a cursor that lags a little (see Feed)."""
        after = self._feed.cursor
        if after is None:  # no job was meant
            return []
        return await follower.ask(lambda connection: report.events_after(connection, self._selector, after))

    # ---- what is written ---------------------------------------------------------------------------------------------

    async def _show(self, follower: Follower, events: Sequence[Row]) -> None:
        if self._logs:
            await self._show_output(follower, events)
        self._events += len(events)
        self._said = None
        self._reading = self._write(events) and self._reading

    def _write(self, events: Sequence[Row]) -> bool:
        data = [event_text.as_json(each) for each in events]
        match self._console.format:
            case "json":
                self._console.document(data)
                return True
            case "jsonl":
                return self._console.lines([{"type": "event", **each} for each in data])
            case "tsv":
                return self._console.data(tables.tsv(event_text.KEYS, [list(each.values()) for each in data]))
            case "markdown":
                rows = [event_text.row(each) for each in events]
                return self._console.data(tables.markdown_table(event_text.HEADERS, rows))
            case _:
                return self._console.data("\n".join(event_text.line(each, self._console) for each in events))

    async def _show_output(self, follower: Follower, events: Sequence[Row]) -> None:
        """Show what the attempts said that these events end: it was kept in the same transaction."""
        for each in events:
            self._captured.begin(each["id"])
            self._places[each["id"]] = each
        async for chunks in self._captured.new(follower, [each["id"] for each in events]):
            self._reading = all(self._write_output(chunk) for chunk in chunks) and self._reading
        for each in events:
            if Status(each["status"]).terminal:
                self._captured.end(each["id"])
                self._places.pop(each["id"], None)

    def _write_output(self, chunk: Row) -> bool:
        if self._console.format == "jsonl":
            return self._console.lines([*log_text.as_lines(chunk)])
        place = (chunk["job_id"], chunk["lease_seq"])
        changed, self._said = place != self._said, place
        head = log_text.header(chunk, self._places[chunk["job_id"]]) + "\n" if changed else ""
        return self._console.data(head + log_text.as_text(chunk, self._console))
