"""One run of `logs`: which attempts are meant, what was shown of them, what is left to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.errors import NotFound
from ..core.store import following
from .captured import Captured
from .commands.show import refuse_unknown
from .output import log_text
from .stillness import Stillness

if TYPE_CHECKING:
    from .commands.logs import Part
    from .following import Follower
    from .output.console import Console

Row = dict[str, Any]


class LogView:
    """Shows the output of some jobs as it is read."""

    def __init__(self, console: Console, part: Part) -> None:
        self._console = console
        self._part = part
        self._captured = Captured()
        self._standings: dict[UUID, Row] = {}
        self._headers = part.all_attempts
        self._last: tuple[UUID, int] | None = None
        self._lines = 0
        self._reading = True  # whether anybody does
        self._still: Stillness | None = None

    async def begin(self, follower: Follower, ids: Sequence[UUID]) -> None:
        """Show what is kept already; raise NotFound for an unknown id."""
        self._standings = await follower.ask(lambda connection: following.standings(connection, ids))
        refuse_unknown([id_ for id_ in ids if id_ not in self._standings])
        logged = await follower.ask(lambda connection: following.logged_attempts(connection, ids))
        self._refuse_absent(logged)
        self._headers = self._headers or len(ids) > 1
        chosen = {id_: self._chosen(logged[id_]) for id_ in ids}
        for id_ in ids:
            self._captured.begin(id_, min(chosen[id_], default=None))
        found: dict[UUID, list[Row]] = {id_: [] for id_ in ids}
        async for rows in self._captured.new(follower):
            for row in self._wanted(rows):
                if row["lease_seq"] in chosen[row["job_id"]] or self._part.follow:
                    found[row["job_id"]].append(row)
        self._answer(found, {id_: log_text.note(self._standings[id_], logged[id_], chosen[id_]) for id_ in ids})

    async def open_jobs(self, follower: Follower) -> bool:
        """Whether any job may still say something, and somebody reads it. What ended before was read to its end."""
        if not self._reading:
            return False
        left = await follower.ask(lambda connection: following.open_jobs(connection, list(self._standings)))
        if not left:
            await self.read_on(follower)
        self._still = self._still or Stillness(follower)
        await self._still.look(left)
        return bool(left)

    async def read_on(self, follower: Follower) -> None:
        """Show what was not shown before."""
        async for rows in self._captured.new(follower):
            self._show(self._wanted(rows))
        follower.announce()

    async def tell_ends(self, follower: Follower) -> None:
        """Say how each job that was followed has ended."""
        found = await follower.ask(lambda connection: following.standings(connection, list(self._standings)))
        for line in log_text.ends(list(found.values())):
            self._console.say(line)

    def finish(self) -> None:
        """End a stream of JSON lines with its summary."""
        if self._console.format == "jsonl":
            self._console.lines([{"type": "summary", "jobs": len(self._standings), "lines": self._lines}])

    def _refuse_absent(self, logged: Mapping[UUID, Sequence[Row]]) -> None:
        """Raise NotFound when none of the jobs has had the attempt that was asked for."""
        wanted = self._part.attempt
        had = {id_: log_text.attempts_of(self._standings[id_], logged[id_]) for id_ in logged}
        if wanted is None or any(wanted in numbers for numbers in had.values()):
            return
        raise NotFound(
            log_text.absent(wanted, had),
            code="E302",
            name="attempt-unknown",
            hint=f"specql-jobs logs {next(iter(had))} --all-attempts",
        )

    def _chosen(self, logged: Sequence[Row]) -> dict[int, Row]:
        """The attempts that are meant, by lease."""
        if self._part.attempt is not None:
            logged = [each for each in logged if each["attempt"] == self._part.attempt]
        elif self._part.all_attempts:
            return {each["lease_seq"]: each for each in logged}
        return {each["lease_seq"]: each for each in logged[-1:]}

    def _wanted(self, rows: Sequence[Row]) -> list[Row]:
        return [row for row in rows if self._part.stream is None or row["stream"] == self._part.stream]

    def _answer(self, found: dict[UUID, list[Row]], notes: dict[UUID, str | None]) -> None:
        if self._part.tail is not None:
            found = {id_: _last_lines(rows, self._part.tail) for id_, rows in found.items()}
        if self._console.is_json:
            rows = self._standings
            self._console.document([log_text.document(rows[id_], found[id_], notes[id_]) for id_ in found])
            return
        for id_, chunks in found.items():
            self._show(chunks)
            if notes[id_]:
                self._console.say(str(notes[id_]))

    def _show(self, chunks: Sequence[Row]) -> None:
        if chunks and self._still is not None:
            self._still.moved()
        for chunk in chunks:
            self._reading = self._write(chunk) and self._reading
            if chunk["truncated"] and self._console.format == "text":
                self._console.say(log_text.cut_note(chunk))

    def _write(self, chunk: Row) -> bool:
        if self._console.format == "jsonl":
            lines = list(log_text.as_lines(chunk))
            self._lines += len(lines)
            return self._console.lines(lines)
        if self._part.raw:
            return self._console.raw(chunk["content"])
        return self._console.data(self._header(chunk) + log_text.as_text(chunk, self._console))

    def _header(self, chunk: Row) -> str:
        """Name job and attempt wherever the reader could not know."""
        place = (chunk["job_id"], chunk["lease_seq"])
        changed, first, self._last = place != self._last, self._last is None, place
        if not changed or (first and not self._headers):
            return ""
        return log_text.header(chunk, self._standings[chunk["job_id"]]) + "\n"


def _last_lines(chunks: Sequence[Row], count: int) -> list[Row]:
    """The chunks without all but their last `count` lines."""
    kept: list[Row] = []
    for chunk in reversed(chunks):
        lines = log_text.lines_of(chunk)[-count:] if count else []
        if lines:
            kept.append(chunk | {"content": "\n".join(lines) + "\n"})
        count -= len(lines)
    return kept[::-1]
