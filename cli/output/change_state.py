"""Where a bulk change stands: one word each, the same in text and JSON, and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Seconds without a sign of whoever makes it; a batch takes far less, and a canary is looked at each second.
SILENT = 30.0

MEANINGS = {
    "running": "its batches are being made",
    "canary": "somebody waits for its first jobs before the others go",
    "interrupted": f"for over {SILENT:.0f} s nobody has gone on with it; what is done is done",
    "stopped": "too few of its first jobs completed; the others were left as they are",
    "done": "every job was met",
}


def state_of(entry: Mapping[str, Any]) -> str:
    """Return where a change stands: a key of MEANINGS. `interrupted` is running or canary where nobody is at it."""
    silent = entry["silent_seconds"]
    unfinished = entry["state"] in ("running", "canary")
    return "interrupted" if unfinished and silent is not None and silent > SILENT else str(entry["state"])
