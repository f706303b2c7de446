"""SERVICE.OPERATION as typed, found in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.errors import UsageError
from ..core.selector import split_operation

if TYPE_CHECKING:
    from ..core.registry.model import Operation, Registry, Service


def split(text: str) -> tuple[str, str]:
    """Return (service, operation); raise UsageError where the text is not SERVICE.OPERATION."""
    service, operation = split_operation(text)
    if not service or not operation:
        raise UsageError(f"{text!r} is not SERVICE.OPERATION", hint="write payments.charge")
    return service, operation


def resolve(registry: Registry, text: str) -> tuple[Service, Operation]:
    """Return the service and the operation; raise NotFound with the nearest names."""
    from ..core.registry.lookup import find  # noqa: PLC0415 - needs the registry's model

    return find(registry, *split(text))


def named_service(registry: Registry, text: str) -> tuple[Service, Operation | None]:
    """Return the service of SERVICE or SERVICE.OPERATION, and the operation if one is named; raise NotFound."""
    from ..core.registry.lookup import find, find_service  # noqa: PLC0415 - needs the registry's model

    service, operation = split_operation(text)
    if not service or registry.service(text) is not None:
        return find_service(registry, text), None
    return find(registry, service, operation)
