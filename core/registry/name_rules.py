"""Domain rules about names: what SpecQL makes function names of, and what an environment calls a service."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from .canonical import Named
from .codes import finding
from .key_hints import CUTOFF
from .model import Finding
from .view import View

_SQL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST: Final = 63  # bytes of a PostgreSQL identifier
_ROOM: Final = len("_x__success")  # around the two names stand at least one letter of an entity, and the ending


def callbacks(view: View) -> Iterator[Finding]:
    """Names of which no plain callback name can be made: ENTITY_SERVICE_OPERATION_success."""
    if not _SQL.fullmatch(view.name):
        yield view.found("SQJ701", f"callbacks of {view.name} need quotes in SQL", view.position)
    for operation in view.operations:
        whole = f"{view.name}.{operation.name}"
        if not _SQL.fullmatch(operation.name):
            message = f"callbacks of {whole} need quotes in SQL"
            yield view.found("SQJ701", message, operation.position, operation.name)
        elif len(view.name) + len(operation.name) + _ROOM > LONGEST:
            message = f"callbacks of {whole} have names longer than {LONGEST} bytes"
            yield view.found("SQJ702", message, operation.position, operation.name)


def misspelt(changed: Mapping[str, Named], base: Mapping[str, Named], environment: str) -> Iterator[Finding]:
    """Services that an environment adds and whose name is nearly one of the base."""
    added = [entry for key, entry in changed.items() if key not in base]
    for entry in added:
        near = difflib.get_close_matches(entry.name.lower(), list(base), n=1, cutoff=max(CUTOFF, 0.85))
        if near and near[0] not in changed:
            message = f"{environment} adds the service {entry.name[:80]!r}; did you mean {base[near[0]].name}?"
            yield finding("SQJ205", message, entry.position, service=entry.name)
