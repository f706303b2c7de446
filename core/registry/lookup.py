"""A service and an operation by name, in any case; unknown names are answered with the nearest known one."""

from __future__ import annotations

from difflib import get_close_matches

from ..errors import NotFound
from .model import Operation, Registry, Service


def find(registry: Registry, service_name: str, operation_name: str) -> tuple[Service, Operation]:
    """Return the service and the operation; raise NotFound with the nearest names."""
    service = find_service(registry, service_name)
    operation = service.operation(operation_name)
    if operation is None:
        known = [item.name for item in service.operations.values()]
        raise unknown("operation", operation_name, known, service.name, where=f" in {service.name}")
    return service, operation


def find_service(registry: Registry, name: str) -> Service:
    """Return the service; raise NotFound with the nearest name."""
    service = registry.service(name)
    if service is None:
        raise unknown("service", name, [item.name for item in registry.services.values()], "the registry")
    return service


def unknown(what: str, name: str, known: list[str], owner: str, *, where: str = "") -> NotFound:
    """Return the error for a name that `owner` does not have: E310, with the nearest name or the first ten."""
    near = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    listed = ", ".join(sorted(known)[:10]) or "none"
    hint = f"did you mean {near[0]}?" if near else f"{owner} has {listed}"
    return NotFound(f"no {what} is named {name!r}{where}", hint=hint, code="E310", name=f"unknown-{what}")
