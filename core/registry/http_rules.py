"""Domain rules of http services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from ..addresses import AddressClass, classify, parse_address
from ..job import ExecutionType
from ..policy import Policy
from .model import Finding
from .view import View

#: Where a service says whom it calls.
_ADDRESS_KEYS: Final = {ExecutionType.HTTP: "base_url", ExecutionType.SERVERLESS: "endpoint_url"}


def host_of(url: str) -> str:
    """Return the host that a URL names; "" where it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets around what is no IPv6 address
        return ""


def base_url(view: View) -> Iterator[Finding]:
    """A service that has no address, or one that its own policy refuses."""
    if view.kind is not ExecutionType.HTTP:
        return
    url = view.config("base_url")
    if url is None:
        yield view.found("SQJ501", f"{view.name} has no base_url: its jobs must name an endpoint", view.position)
    elif not host_of(url):
        yield view.found(
            "SQJ104", f"{view.name}.runner_config.base_url names no host", view.at("runner_config", "base_url")
        )
    elif url.startswith("http://") and not admits_plain_http(view.policy) and not _is_forbidden(host_of(url)):
        message = f"{view.name} calls {host_of(url)} over plain http, which the policy refuses"
        yield view.found("SQJ502", message, view.at("runner_config", "base_url"))


def private_address(view: View) -> Iterator[Finding]:
    """A base_url or endpoint_url that names an address which the policy refuses before any name is looked up."""
    key = _ADDRESS_KEYS.get(view.kind, "")
    host = host_of(view.config(key) or "") if key else ""
    address = parse_address("127.0.0.1" if host == "localhost" else host)
    if address is None:
        return
    if _is_forbidden(host):
        message = f"{view.name} calls {host}, an address that is never reachable from a job"
        yield view.found("SQJ505", message, view.at("runner_config", key))
    elif view.policy.allow_private_networks:
        return
    elif classify(address) in (AddressClass.LOOPBACK, AddressClass.PRIVATE):
        message = f"{view.name} calls {host}, a {classify(address)} address, which the policy refuses"
        yield view.found("SQJ504", message, view.at("runner_config", key))


def _is_forbidden(host: str) -> bool:
    """Whether no policy opens an address; what else is wrong with it does not matter then."""
    address = parse_address(host)
    return address is not None and classify(address) is AddressClass.FORBIDDEN


#: What each auth_type needs: a secret by reference, or (those in _PLAIN_TOO) as it is.
_CREDENTIALS: Final = {
    "bearer": ("token",),
    "basic": ("username",),
    "api_key": ("api_key",),
    "hmac": ("secret",),
    "oauth2": ("client_id", "client_secret"),
}
_PLAIN_TOO: Final = frozenset({"username", "client_id"})


def credentials(view: View) -> Iterator[Finding]:
    """An authentication that no request could use."""
    if view.kind is not ExecutionType.HTTP:
        return
    kind, stated = view.config("auth_type"), view.config("auth_config") or {}
    missing = [name for name in _CREDENTIALS.get(kind or "", ()) if not _states(stated, name)]
    if kind == "oauth2" and "token_url" not in stated:
        missing.append("token_url")
    where = view.at("runner_config", "auth_type" if kind else "auth_config")
    if missing:
        keys = " and ".join(name if name == "token_url" else f"{name}_env_var (or {name}_file)" for name in missing)
        message = f"{view.name}: auth_type {kind} needs {' and '.join(missing)}"
        yield view.found("SQJ503", message, where, help_text=f"add {keys} under auth_config")
    elif stated and kind is None:
        yield view.found("SQJ503", f"{view.name} has auth_config but no auth_type", where)


def _states(stated: dict[str, Any], name: str) -> bool:
    return any(f"{name}{kind}" in stated for kind in ("_env_var", "_file")) or (name in _PLAIN_TOO and name in stated)


def admits_plain_http(policy: Policy) -> bool:
    """Whether requests without TLS are sent at all."""
    return policy.allow_http or policy.allow_private_networks
