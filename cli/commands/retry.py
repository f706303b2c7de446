"""`retry`: failed and cancelled jobs again, same row, same id."""

from __future__ import annotations

from ..changes import change
from ..leaf import command, group
from ..options import Safety, Selection, Target
from ..output.change import Verb
from ..output.console import Console

app = group("Run failed or cancelled jobs again.")
VERB = Verb("retry", ("failed", "cancelled"), ("retried",))


@command(
    app,
    "retry 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "retry --status failed --service payments --since 1h --dry-run",
    "retry --fingerprint 8c1d03aa77e0 --reason 'INC-412 stripe is back' --yes",
)
async def retry(console: Console, selection: Selection, target: Target, safety: Safety) -> None:
    """Make failed or cancelled jobs pending again: same row, same id, attempts counted anew."""
    await change(console, VERB, selection, target, safety)
