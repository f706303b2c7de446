"""`validate --entities`: the call_service steps of entity files beside the registries that they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .output.console import Console

if TYPE_CHECKING:
    from ..core.entities.load import Entities
    from ..core.registry.load import Loaded

_MOST_NAMED = 3  # files that a message lists


def read(console: Console, paths: Sequence[str], loaded: Loaded) -> Entities:
    """Return the entities with what is found in them; say what is not checked.

    Raise UsageError for a path that cannot be read.
    """
    from ..core.entities.load import hold, load  # noqa: PLC0415 - only who asks for entities pays for them

    if any(not path.strip() for path in paths):
        raise UsageError("an --entities path is empty", hint="leave it out, or name a file or folder")
    entities = load([Path(path) for path in paths])
    _say(console, paths, entities, usable=loaded.registry is not None)
    return hold(entities, loaded.registry)


def _say(console: Console, paths: Sequence[str], entities: Entities, *, usable: bool) -> None:
    if not entities.files:
        console.warn(f"{', '.join(paths)}: no entity was found, so no call_service was checked")
    if entities.skipped:
        listed = ", ".join(entities.skipped[:_MOST_NAMED])
        more = len(entities.skipped) - _MOST_NAMED
        console.say(f"skipped, no entities: {listed}" + (f" and {more} more" if more > 0 else ""))
    if entities.files and not usable:
        console.warn("the registry has errors: what call_service steps name, send and use was not held against it")


def beside(loaded: Loaded, entities: Entities) -> Loaded:
    """Return the registries and the entities as one thing that was checked: findings, texts, number of files."""
    return replace(
        loaded,
        findings=(*loaded.findings, *entities.findings),
        sources=MappingProxyType({**loaded.sources, **entities.sources}),
        files=loaded.files + entities.files,
        suppressed=(*loaded.suppressed, *entities.suppressed),
    )


def counts(entities: Entities) -> dict[str, int]:
    """Return what the summary says of entities."""
    return {"entities": len(entities.entities), "calls": sum(1 for _ in entities.calls())}
