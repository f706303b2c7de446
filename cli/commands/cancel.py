"""`cancel`: stop pending and running jobs, keep their record."""

from __future__ import annotations

import re
from typing import Annotated

from typer import Option

from ...core.selector import parse_duration
from ..changes import Bulk, change
from ..leaf import command, group
from ..optional_value import optional_value
from ..options import Safety, Selection, Target
from ..output.change import Verb
from ..output.console import Console

app = group("Stop pending or running jobs.")
VERB = Verb("cancel", ("pending", "running"), ("cancelled", "requested"))

DEFAULT_WAIT = "1m"


@command(
    app,
    "cancel 0193c1f2-5a3e-7b60-9d1c-2f4e6a8b0c1d",
    "cancel --status pending --operation reports.rebuild --dry-run",
    "cancel --tenant 6f1c0b52-90a3-4c55-8f0e-3f6a1d7f2b11 --reason 'left' --yes",
    "cancel --status running --service thumbs --wait=30s --yes",
    cls=optional_value(
        "--wait", DEFAULT_WAIT, lambda word: re.fullmatch(r"\d[\d.]*[smhdw][\d.smhdw]*", word) is not None
    ),
)
async def cancel(
    console: Console,
    selection: Selection,
    target: Target,
    safety: Safety,
    wait: Annotated[
        str, Option("--wait", metavar="[=DUR]", help=f"Follow running jobs until they have ended ({DEFAULT_WAIT})")
    ] = "",
) -> None:
    """Cancel pending jobs at once and have their worker stop running ones (`requested` until it has).

    With --wait each of those is followed: `cancelled` when it was stopped, `ended first` when it completed or failed
    before (exit 7, or 6 when none was stopped), `still running` when time was up (exit 8).
    """
    seconds = parse_duration(wait) if wait else None
    await change(console, Bulk(VERB, selection, safety, wait=seconds), target)
