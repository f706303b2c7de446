"""What `demo incident` says: the list, the page that wakes somebody, the way out, the verdict."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .tables import text_table

if TYPE_CHECKING:
    from ..demo.incidents import Incident
    from ..demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Shown:
    """One incident, where it is, and what is still wrong with it (None: nobody asked)."""

    incident: Incident
    stage: Stage
    program: str  # how this program is called from here
    stated: str = ""  # --folder as it was given
    wrong: Sequence[str] | None = None

    @property
    def begin(self) -> tuple[str, ...]:
        """What to type first, in a shell."""
        folder, dsn = shlex.quote(str(self.stage.folder)), shlex.quote(self.stage.dsn)
        return (f"cd {folder}", f"export SPECQL_JOBS_DSN={dsn}", self.typed(self.incident.begin))

    def typed(self, command: str) -> str:
        """Return a command with the program's name before each of its parts."""
        return " | ".join(f"{self.program} {part}" for part in command.split(" | "))

    def about(self, flag: str) -> str:
        """Return the command that does something else about this incident."""
        folder = f" --folder {shlex.quote(str(self.stage.folder))}" if self.stated else ""
        return f"{self.program} demo incident {self.incident.name} --{flag}{folder}"


def as_json(did: str, shown: Shown | None = None) -> dict[str, Any]:
    """Return the document's data."""
    from ..demo.incidents import INCIDENTS  # noqa: PLC0415 - only for this command

    known = [{"name": each.name, "teaches": each.teaches} for each in INCIDENTS]
    if shown is None:
        return {"did": did, "known": known, "incident": None}
    wrong = shown.wrong
    about = {
        "name": shown.incident.name,
        "folder": str(shown.stage.folder),
        "dsn": shown.stage.dsn,
        "page": list(shown.incident.page),
        "begin": list(shown.begin),
        "walk": list(shown.incident.walk),
        "healthy": None if wrong is None else not wrong,
        "wrong": [] if wrong is None else list(wrong),
    }
    return {"did": did, "known": known, "incident": about}


def table(incidents: Sequence[Incident], width: int | None) -> str:
    """Return the list of incidents."""
    rows = text_table(("NAME", "WHAT IT TEACHES"), [(each.name, each.teaches) for each in incidents], width)
    return f"{rows}\n\nspecql-jobs demo incident NAME    makes one"


def text(did: str, shown: Shown) -> str:
    """Return what is said after something was done."""
    incident = shown.incident
    match did:
        case "make":
            return _page(shown)
        case "mend":
            return f"{incident.mending}\n\nthen    {shown.about('check')}"
        case "walk":
            return "\n".join(shown.typed(line) for line in incident.walk)
        case "check":
            return _verdict(shown)
        case _:
            return f"the incident {incident.name} has ended; {shown.stage.folder} is gone"


def _page(shown: Shown) -> str:
    begin = "\n".join(f"  {line}" for line in shown.begin)
    rest = (("mend", "the outside is set right"), ("check", "is the queue healthy again?"))
    more = (*rest, ("walk", "a way out, if you are stuck"), ("end", "away with all of it"))
    width = max(len(shown.about(flag)) for flag, _ in more)
    notes = "\n".join(f"  {shown.about(flag):<{width}}  {why}" for flag, why in more)
    page = "\n".join(shown.incident.page)
    return f"{page}\n\nBegin:\n{begin}\n\nAnd:\n{notes}"


def _verdict(shown: Shown) -> str:
    if not shown.wrong:
        return f"healthy again: every job has ended as it should\n\nthen    {shown.about('end')}"
    return "not yet:\n" + "\n".join(f"  {line}" for line in shown.wrong)
