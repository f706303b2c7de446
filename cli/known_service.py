"""Whether anybody knows a service that was typed: the queue, or the registry at hand."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..core.errors import SpecqlJobsError
from ..core.job import folded
from .context import load_registry
from .options import Sources

if TYPE_CHECKING:
    from ..core.registry.model import Registry
    from ..core.settings import Settings
    from ..core.store.db import Connection


async def refuse_unknown_service(connection: Connection, name: str, settings: Settings) -> None:
    """Raise NotFound, with the nearest name, for a service of which neither queue nor registry tells."""
    from ..core.store import gates  # noqa: PLC0415 - psycopg costs 170 ms

    if await gates.is_met(connection, name):
        return
    registry = _registry(settings)
    if registry is not None and registry.service(name) is not None:
        return
    known = set(await gates.services(connection)) | set(registry.services if registry else ())
    if folded(name) not in known:
        from ..core.registry.lookup import unknown  # noqa: PLC0415 - needs the registry's model

        raise unknown("service", name, sorted(known), "the queue")


def _registry(settings: Settings) -> Registry | None:
    """The registry at hand; none, or a broken one, must not keep anybody from a repair of the queue."""
    with suppress(SpecqlJobsError):
        return load_registry(Sources(), settings)
    return None
