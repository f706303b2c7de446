"""Header rules: which names the runner owns, which a job's input may set, and which values are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..core.contract import PlanError
from ..core.errors import ConfigError
from ..core.job import Category

Headers = tuple[tuple[str, str], ...]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e\t]*")

#: They frame the message or carry the job's identity: the runner alone writes them.
_OWNED = frozenset(
    (
        *("host", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"),
        *("transfer-encoding", "content-length", "accept-encoding"),
    )
)
_OWNED_PREFIXES = ("proxy-", "x-job-")

#: What a job's input may set: negotiation, preconditions and tracing; nothing that says who asks.
FROM_INPUT = frozenset(
    (
        *("accept", "accept-language", "content-language", "content-type", "prefer"),
        *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
        *("traceparent", "tracestate", "x-correlation-id", "x-request-id"),
    )
)

_SENSITIVE = re.compile(r"auth|cookie|token|secret|passw|credential|signature|api-?key|(^|-)key$", re.IGNORECASE)


def owned(name: str) -> bool:
    """Whether only the runner itself may write this header."""
    return name.lower() in _OWNED or name.lower().startswith(_OWNED_PREFIXES)


def sensitive(name: str) -> bool:
    """Whether the header's value is shown as a mask and stays with its origin."""
    return name.lower() != "idempotency-key" and bool(_SENSITIVE.search(name))


def valid_value(value: str) -> bool:
    """Whether `value` may stand in a header: printable ASCII, so that nothing can end the line."""
    return bool(_VALUE.fullmatch(value))


def registry_headers(node: object, field: str) -> Headers:
    """Return the headers that a registry file sets; raise ConfigError naming the field."""
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        raise ConfigError(f"{field} must be a mapping of header names to values", hint='write  headers: {Accept: "…"}')
    return tuple(_registry_header(str(name), value, field) for name, value in node.items())


def _registry_header(name: str, value: object, field: str) -> tuple[str, str]:
    if not _NAME.fullmatch(name) or isinstance(value, Mapping | list | tuple) or value is None:
        raise ConfigError(f"{field}: {name!r} is not a header with one value", hint=f"write  {field}: {{Name: value}}")
    if owned(name):
        raise ConfigError(f"{field}: {name} is written by the runner itself", hint=f"remove {name} from {field}")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not valid_value(text):
        raise ConfigError(f"{field}: the value of {name} is not printable ASCII", hint="encode the value")
    return name, text


def input_headers(node: object) -> Headers:
    """Return the headers that a job's input asks for; raise PlanError for a name that input may not set."""
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        raise PlanError("the input field 'headers' must be an object of header names to values")
    return tuple(_input_header(str(name), value) for name, value in node.items())


def _input_header(name: str, value: object) -> tuple[str, str]:
    if name.lower() not in FROM_INPUT:
        message = f"a job's input may not set the header {name[:64]!r}; set it in the registry"
        raise PlanError(message, Category.POLICY_VIOLATION)
    return name, checked(name, value)


def checked(name: str, value: object) -> str:
    """Return a filled-in header value; raise PlanError if it could end its line or is no single value."""
    if not isinstance(value, str | int | float) or not valid_value(str(value)):
        raise PlanError(f"the value for the header {name} must be text of printable ASCII characters")
    return str(value).lower() if isinstance(value, bool) else str(value)


def merged(*layers: Iterable[tuple[str, str]]) -> Headers:
    """Return one header per name; later layers win."""
    found = {name.lower(): (name, value) for layer in layers for name, value in layer}
    return tuple(found.values())


def without_credentials(headers: Headers) -> Headers:
    """Return the headers that may travel to another origin."""
    return tuple((name, value) for name, value in headers if not sensitive(name))


def sensitive_values(headers: Headers) -> Iterator[str]:
    """Yield the values to redact."""
    return (value for name, value in headers if sensitive(name))
