"""Why nothing happens, said to whoever waits for jobs: after some seconds of stillness, once for each reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..core.clock import monotonic
from ..core.store import following, report
from .output import job_why
from .output.job_json import JobView

if TYPE_CHECKING:
    from ..core.store.db import Connection
    from .following import Follower

#: Nothing happened for so long: now it is worth a question to the database, and from then on as often.
QUIET = 3.0  # seconds


class Stillness:
    """Watches how many jobs are left; `look` at each turn of the waiting."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._left = 0
        self._since = monotonic()
        self._said: object = None

    def moved(self) -> None:
        """Something happened: the seconds begin anew."""
        self._since = monotonic()

    async def look(self, left: Sequence[UUID]) -> None:
        """Say why the first pending job of these waits, where nothing has happened and it was not said before."""
        if len(left) != self._left:
            self._left = len(left)
            self.moved()
        if not left or monotonic() - self._since < QUIET:
            return
        self.moved()
        view = await self._follower.ask(lambda connection: _first_pending(connection, left))
        if view is not None:
            self._say(view)

    def _say(self, view: JobView) -> None:
        code, message = job_why.why(view)
        reason = (code, view.row["pause"], view.row["limited_by"])
        if reason == self._said:
            return
        self._said = reason
        first = next((each for each in job_why.next_commands(view) if " cancel " not in each), "")
        self._follower.say(f"job {view.row['id']} waits, {code}: {message}" + (f"; {first}" if first else ""))


async def _first_pending(connection: Connection, ids: Sequence[UUID]) -> JobView | None:
    id_ = await following.first_pending(connection, ids)
    row: dict[str, Any] | None = (await report.jobs(connection, [id_])).get(id_) if id_ else None
    if id_ is None or row is None or row["status"] != "pending":
        return None
    return JobView(row, (), (), (), (), (await report.links(connection, [id_]))[id_])
