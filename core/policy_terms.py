"""A policy as people and rows write it (`resource_limits: {memory: 512MB}`), read into the fields of Policy.

One table serves the registry, the host ceiling and a queue row, so that a key means the same in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .policy import FILE_MODES, NETWORK_MODES, SANDBOX_MODES, Policy
from .units import MIB, parse_number, parse_seconds, parse_size

MOST_ENTRIES: Final = 1000
LONGEST_ENTRY: Final = 4096


@dataclass(frozen=True, slots=True)
class Stated:
    """One term of a policy: its key as written, the field that it sets (such as `resources.pids`), and the value."""

    key: str
    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class Misstated:
    """A key that is no term of a policy, or a value that is none for it."""

    key: str
    message: str


def read_terms(stated: Mapping[str, object], prefix: str = "") -> Iterator[Stated | Misstated]:
    """Yield every term of a written policy, groups such as resource_limits included; nothing is skipped."""
    for key, value in stated.items():
        path = f"{prefix}{key}"
        if path in GROUPS:
            yield from _group(path, value)
        elif path in TERMS:
            yield _term(path, value)
        else:
            yield Misstated(path, f"`{path[:80]}` is not a policy key")


def apply(policy: Policy, field: str, value: Any) -> Policy:
    """Return `policy` with one field set; a dotted field is one of its resources."""
    return apply_all(policy, {field: value})


def apply_all(policy: Policy, values: Mapping[str, Any]) -> Policy:
    """Return `policy` with several fields set, as `apply` sets one."""
    dotted = {field: value for field, value in values.items() if field.startswith("resources.")}
    plain: dict[str, Any] = {field: value for field, value in values.items() if field not in dotted}
    if dotted:
        inner = {field.removeprefix("resources."): value for field, value in dotted.items()}
        plain["resources"] = replace(policy.resources, **inner)
    return replace(policy, **plain)


def current(policy: Policy, field: str) -> Any:
    """Return the value of a field; a dotted field is one of its resources."""
    if field.startswith("resources."):
        return getattr(policy.resources, field.removeprefix("resources."))
    return getattr(policy, field)


def _group(path: str, value: object) -> Iterator[Stated | Misstated]:
    if isinstance(value, Mapping):
        yield from read_terms({str(key): below for key, below in value.items()}, f"{path}.")
    else:
        yield Misstated(path, f"`{path}` is not a mapping")


def _term(path: str, value: object) -> Stated | Misstated:
    field, read = TERMS[path]
    try:
        return Stated(path, field, read(value))
    except ValueError as error:
        return Misstated(path, f"`{path}`: {error}")


# ---- values --------------------------------------------------------------------------------------------------------


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError("wanted a list of text")
    if len(value) > MOST_ENTRIES or any(not 0 < len(item) <= LONGEST_ENTRY or "\0" in item for item in value):
        raise ValueError("the list is too long, or an entry is empty, too long or holds a NUL")
    return tuple(dict.fromkeys(value))


def _ports(value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("wanted a list of port numbers")
    if any(isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536 for port in value):
        raise ValueError("a port is a whole number from 1 to 65535")
    return tuple(dict.fromkeys(value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("wanted true or false")
    return value


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("wanted a number above 0")
    return value


def _amount(value: object) -> float:
    return _positive(float(parse_number(value)))


def _seconds(value: object) -> float:
    return _positive(parse_seconds(value))


def _whole(value: object) -> int:
    number = parse_number(value)
    if number != int(number):
        raise ValueError("wanted a whole number")
    return int(number)


def _count(value: object) -> int:
    return int(_positive(_whole(value)))


def _count_or_none(value: object) -> int:
    """A count for which 0 is the strictest value, not `no limit`."""
    number = _whole(value)
    if number < 0:
        raise ValueError("wanted 0 or more")
    return number


def _bytes(value: object) -> int:
    return int(_positive(parse_size(value)))


def _mebibytes(value: object) -> int:
    return int(_positive(parse_size(value, MIB)))


def _one_of(modes: tuple[str, ...]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in modes:
            raise ValueError(f"wanted {' or '.join(modes)}")
        return value

    return read


GROUPS: Final = frozenset({"resource_limits", "volume_restrictions", "cost_limits", "tenant_limits", "circuit_breaker"})

_SAME_NAME: Final[dict[str, Callable[[object], Any]]] = {
    **dict.fromkeys(("allowed_domains", "allowed_commands", "working_directory_restrictions"), _names),
    **dict.fromkeys(("read_paths", "write_paths", "allowed_env", "allowed_images"), _names),
    **dict.fromkeys(("allowed_providers", "allowed_regions", "allowed_functions"), _names),
    **dict.fromkeys(("allow_private_networks", "allow_http", "network_isolation", "require_digest"), _flag),
    **dict.fromkeys(("max_request_size", "max_response_size", "max_output_bytes"), _bytes),
    **dict.fromkeys(("max_concurrency", "rate_limit_per_minute"), _count),
    "max_redirects": _count_or_none,
    "max_execution_time": _seconds,
    "network_access": _one_of(NETWORK_MODES),
    "localhost_ports": _ports,
    "file_access": _one_of(FILE_MODES),
    "sandbox": _one_of(SANDBOX_MODES),
}

#: Key as written -> the field of Policy, and how its value is read.
TERMS: Final[dict[str, tuple[str, Callable[[object], Any]]]] = {
    **{key: (key, read) for key, read in _SAME_NAME.items()},
    "resource_limits.cpu_cores": ("resources.cpu_cores", _amount),
    "resource_limits.cpu": ("resources.cpu_cores", _amount),
    "resource_limits.memory_mb": ("resources.memory_mb", _mebibytes),
    "resource_limits.memory": ("resources.memory_mb", _mebibytes),
    "resource_limits.disk_mb": ("resources.disk_mb", _mebibytes),
    "resource_limits.disk": ("resources.disk_mb", _mebibytes),
    "resource_limits.cpu_seconds": ("resources.cpu_seconds", _amount),
    "resource_limits.pids": ("resources.pids", _count),
    "resource_limits.max_processes": ("resources.pids", _count),
    "resource_limits.open_files": ("resources.open_files", _count),
    "resource_limits.timeout_seconds": ("max_execution_time", _seconds),
    "volume_restrictions.allowed_host_paths": ("allowed_host_paths", _names),
    "volume_restrictions.max_volumes": ("max_volumes", _count_or_none),
    "cost_limits.max_invocations_per_hour": ("max_invocations_per_hour", _count),
    "cost_limits.max_cost_per_hour": ("max_cost_per_hour", _amount),
    "tenant_limits.max_concurrency": ("tenant_concurrency", _count),
    "tenant_limits.rate_limit_per_minute": ("tenant_rate_per_minute", _count),
    "circuit_breaker.failure_threshold": ("failure_threshold", _count),
    "circuit_breaker.recovery_timeout": ("recovery_timeout", _seconds),
}
