"""What to look at when attempts fail, by the error's category: lines to paste."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ...core.job import Category

#: What tells more than the job itself does, the most telling first. `place`: service.operation.
_LOOKS: Mapping[str, tuple[str, ...]] = {
    Category.CRASH_LOOP: ("list --category crash_loop --service {service}", "pause --service {service} --for 30m"),
    Category.WORKER_LOST: ("worker list --all",),
    Category.TARGET_UNAVAILABLE: ("breaker list", "stats --service {service}"),
    Category.TIMEOUT: ("stats --by operation --service {service}",),
    Category.INFRASTRUCTURE: ("doctor", "worker list"),
    Category.POLICY_VIOLATION: ("policy explain {place}",),
    Category.RESOURCE_EXHAUSTED: ("policy explain {place}",),
    Category.INVALID_INPUT: ("replay {id} --dry-run",),
    Category.INVALID_OUTPUT: ("services show {place}",),
}

_KNOWN = frozenset(map(str, Category))


def looks(row: Mapping[str, Any]) -> list[str]:
    """Return the commands that show what is behind a job's last error."""
    service, operation = row["service_name"], row["operation"]
    words = {"id": str(row["id"]), "service": shlex.quote(service), "place": shlex.quote(f"{service}.{operation}")}
    return [f"specql-jobs {each.format(**words)}" for each in _LOOKS.get(row["error_category"] or "", ())]


def explaining(category: str | None) -> list[str]:
    """Return the command that explains a category; nothing for words that older rows have."""
    return [f"specql-jobs explain {category}"] if category in _KNOWN else []
