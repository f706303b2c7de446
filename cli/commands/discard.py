"""`discard`: failed jobs given up, their record kept."""

from __future__ import annotations

from ..changes import Bulk, change
from ..leaf import command, group
from ..options import Safety, Selection, Target
from ..output.change import Verb
from ..output.console import Console

app = group("Give failed jobs up, keep their record.")
VERB = Verb("discard", ("failed",), ("discarded",))


@command(
    app,
    "discard 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d --reason 'customer left'",
    "discard --fingerprint 8c1d03aa77e0 --dry-run",
    "discard --operation reports.rebuild --until 7d --reason 'too late to matter' --yes",
)
async def discard(console: Console, selection: Selection, target: Target, safety: Safety) -> None:
    """Make failed jobs cancelled: nobody is to look at them again. Their error stays, nothing is deleted.

    `retry` still brings them back. What waits for a discarded job is not touched.
    """
    await change(console, Bulk(VERB, selection, safety), target)
