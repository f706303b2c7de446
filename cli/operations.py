"""SERVICE.OPERATION as typed, found in the registry."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..core.errors import NotFound, UsageError
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
    service_name, operation_name = split(text)
    service = registry.service(service_name)
    if service is None:
        raise _unknown("service", service_name, [item.name for item in registry.services.values()])
    operation = service.operation(operation_name)
    if operation is None:
        known = [item.name for item in service.operations.values()]
        raise _unknown("operation", operation_name, known, f"{service.name} has ")
    return service, operation


def _unknown(what: str, name: str, known: list[str], prefix: str = "the registry has ") -> NotFound:
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    listed = ", ".join(sorted(known)[:10]) or "none"
    hint = f"did you mean {near[0]}?" if near else f"{prefix}{listed}"
    return NotFound(f"no {what} is named {name!r}", hint=hint, code="E310", name=f"unknown-{what}")
