"""`count`: how many jobs a selector selects."""

from __future__ import annotations

from ..counted import count_jobs
from ..leaf import Listed, command, group
from ..options import Grouping, Selection, Target
from ..output.console import Console

app = group("How many jobs.")


@command(
    app,
    "count --status failed --since 1h",
    "count --group-by status",
    "count --status pending --group-by tenant,operation -o json",
    "count -q --service payments --exact",
    formats=Listed,
)
async def count(console: Console, selection: Selection, grouping: Grouping, target: Target) -> None:
    """Count jobs; with -q the number alone, with --group-by how many of each, the most first.

    What cannot be counted within 0.4 s is estimated from a part of the table, and has a ~ before it; --exact counts to
    the end. Pending, running and failed jobs are always counted. --limit is of groups.
    """
    await count_jobs(console, selection, grouping, target)
