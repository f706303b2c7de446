"""`retry`: failed and cancelled jobs again, same row, same id."""

from __future__ import annotations

from ..changes import Bulk, change
from ..leaf import command, group
from ..options import Safety, Selection, Target
from ..output.change import Verb
from ..output.console import Console
from ..pace import Pacing

app = group("Run failed or cancelled jobs again.")
VERB = Verb("retry", ("failed", "cancelled"), ("retried",))


@command(
    app,
    "retry 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "retry --status failed --service payments --since 1h --dry-run",
    "retry --fingerprint 8c1d03aa77e0 --reason 'INC-412 stripe is back' --yes",
    "retry -s failed --service payments --canary 10,90% --rate 20/s --reason INC-412 --yes",
)
async def retry(console: Console, selection: Selection, target: Target, safety: Safety, pacing: Pacing) -> None:
    """Make failed or cancelled jobs pending again: same row, same id, attempts counted anew.

    The jobs are written down first and changed in batches; `changes show ID` says how far it is. With --rate each job
    is due one interval after the one before: once they are pending, nothing here has to stay. With --canary the others
    wait here for the first ones; they stay as they are (exit 7) when too few complete, and `changes resume ID` goes on.
    """
    await change(console, Bulk(VERB, selection, safety, pacing.read()), target)
