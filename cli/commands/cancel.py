"""`cancel`: stop pending and running jobs, keep their record."""

from __future__ import annotations

from ..changes import change
from ..leaf import command, group
from ..options import Safety, Selection, Target
from ..output.change import Verb
from ..output.console import Console

app = group("Stop pending or running jobs.")
VERB = Verb("cancel", ("pending", "running"), ("cancelled", "requested"))


@command(
    app,
    "cancel 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "cancel --status pending --operation reports.rebuild --dry-run",
    "cancel --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 --reason 'left' --yes",
)
async def cancel(console: Console, selection: Selection, target: Target, safety: Safety) -> None:
    """Cancel pending jobs at once and have their worker stop running ones (`requested` until it has)."""
    await change(console, VERB, selection, target, safety)
