"""The text of a selector: which parts of the job table are read, and how each is compared with times.

The table's partial indexes hold parts of it. A condition on `status` with a parameter proves to no planner which part
is meant, so each part is named, and the parts that a selector can meet are read one after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from ..job import Status
from ..selector import Selector
from .db import queries

#: The last change of state, whatever the status.
ANY_CHANGE = "coalesce(j.completed_at, j.started_at, j.created_at)"

_ENDED = "j.status IN ('completed', 'failed', 'cancelled')"
_PARTS = {
    "pending": "j.status = 'pending' AND j.blocked_by = 0",
    "blocked": "j.status = 'pending' AND j.blocked_by <> 0",
    "running": "j.status = 'running'",
    "failed": "j.status = 'failed' AND j.completed_at IS NOT NULL",
    "ended": f"{_ENDED} AND j.completed_at IS NOT NULL",
    "untimed": f"{_ENDED} AND j.completed_at IS NULL",  # ended by a program that is not ours, and says not when
    "any": "true",
}
_OPEN = frozenset({Status.PENDING, Status.RUNNING})
#: Whose index on `completed_at` serves both the window and the order.
_TIMED = ("failed", "ended")


def chosen(selector: Selector) -> str:
    """Return a parenthesised SELECT of the selected jobs' columns and of `changed_at`, their last change of state."""
    return "(" + "\nUNION ALL\n".join(_part(name) for name in _parts(selector)) + ")"


def latest(selector: Selector) -> str:
    """Like `chosen`, of each part only the %(limit)s that changed last: an index in that order is read no further."""
    limited = "({part}\n ORDER BY {changed} DESC, j.id DESC LIMIT %(limit)s)"
    parts = (limited.format(part=_part(name), changed=_changed(name)) for name in _parts(selector))
    return "(" + "\nUNION ALL\n".join(parts) + ")"


def open_or_ended(selector: Selector) -> str:
    """Like `chosen`, where the times are asked of jobs that ended: open ones are wanted whenever they changed."""
    parts = _parts(selector) if "any" not in _parts(selector) else _by_status(Selector())
    return "(" + "\nUNION ALL\n".join(_part(name, timed=name in (*_TIMED, "untimed")) for name in parts) + ")"


def sampled() -> str:
    """Like `chosen`, with a `weight`: every open and failed job, and %(percent)s of the pages for the others."""
    exact = [name for name in _by_status(Selector()) if name not in ("ended", "untimed")]
    parts = [_part(name, extra=", 1.0::float8 AS weight") for name in (*exact, "failed")]
    rest = _part("any", extra=", %(weight)s::float8 AS weight", sample="TABLESAMPLE SYSTEM (%(percent)s) ")
    return "(" + "\nUNION ALL\n".join([*parts, f"{rest} AND j.status IN ('completed', 'cancelled')"]) + ")"


@cache
def everywhere() -> str:
    """Return the condition of a selector on `jobs.tb_job_run j`, for a query that orders by something else."""
    return f"{words()}\nAND {_window(ANY_CHANGE)}"


def words() -> str:
    """Return the condition of a selector without its times."""
    return f"{queries('report.sql')['words']}\nAND {places()}"


def places() -> str:
    """Return the part of it that asks where a job belongs: service, operation, type and tenant."""
    return queries("report.sql")["places"]


# ---- parts -----------------------------------------------------------------------------------------------------------


def _parts(selector: Selector) -> tuple[str, ...]:
    """The parts that a selector can meet. Ids and correlations have indexes of their own over all of them."""
    if selector.ids or selector.correlation.wanted:
        return ("any",)
    return tuple(_by_status(selector))


def _by_status(selector: Selector) -> list[str]:
    wanted = {Status(word) for word in selector.status.wanted or tuple(Status)} - set(selector.status.excluded)
    found = ["pending", "blocked"] if Status.PENDING in wanted else []
    found += ["running"] if Status.RUNNING in wanted else []
    if ended := wanted - _OPEN:
        found += ["failed" if ended == {Status.FAILED} else "ended", "untimed"]
    return found or ["any"]  # a status that is wanted and excluded: nothing matches, wherever one looks


def _changed(name: str) -> str:
    return "j.completed_at" if name in _TIMED else ANY_CHANGE


def _part(name: str, *, extra: str = "", sample: str = "", timed: bool = True) -> str:
    conditions: Iterable[str] = (_PARTS[name], words(), *((_window(_changed(name)),) if timed else ()))
    columns = f"j.*, {_changed(name)} AS changed_at{extra}"
    asked = "\nAND ".join(conditions)
    return f"SELECT {columns} FROM jobs.tb_job_run j {sample}WHERE {asked}"  # noqa: S608 - fixed text, values are parameters


def _window(changed: str) -> str:
    return queries("report.sql")["window"].replace("{changed}", changed)
