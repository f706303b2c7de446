"""How a service proves who asks: typed settings that name where secrets are, never the secrets.

Bearer, basic, API key in a header, HMAC-SHA256 signature, and OAuth 2 client credentials. Not done: keys in the query
string (they end up in logs), OAuth flows that need a person, AWS SigV4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ..core.errors import ConfigError
from ..core.secrets import SecretRef
from .http_headers import owned
from .http_url import UrlRefused, parse_url

_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
AUTH_TYPES = ("bearer", "basic", "api_key", "hmac", "oauth2", "none")


@dataclass(frozen=True, slots=True)
class HeaderAuth:
    """A secret in one header: bearer tokens and API keys. `prefix` stands before the value."""

    secret: SecretRef
    header_name: str = "Authorization"
    prefix: str = "Bearer "


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """User name and password (RFC 7617)."""

    username: SecretRef | str
    password: SecretRef | None


@dataclass(frozen=True, slots=True)
class HmacAuth:
    """HMAC-SHA256 over `timestamp LF method LF path?query LF body`, in hex; the timestamp (Unix seconds) beside it."""

    secret: SecretRef
    header_name: str = "X-Signature"
    timestamp_header: str = "X-Signature-Timestamp"


@dataclass(frozen=True, slots=True)
class OAuth2Auth:
    """Client credentials (RFC 6749, 4.4): the token is fetched from `token_url` and kept until it expires."""

    token_url: httpx.URL
    client_id: SecretRef | str
    client_secret: SecretRef
    scope: str = ""


Auth = HeaderAuth | BasicAuth | HmacAuth | OAuth2Auth


def secret_refs(auth: Auth | None) -> tuple[SecretRef, ...]:
    """Return which secrets it needs."""
    match auth:
        case HeaderAuth(secret) | HmacAuth(secret):
            found: tuple[SecretRef | str | None, ...] = (secret,)
        case BasicAuth(username, password):
            found = (username, password)
        case OAuth2Auth():
            found = (auth.client_id, auth.client_secret)
        case None:
            found = ()
    return tuple(item for item in found if isinstance(item, SecretRef))


# ---- reading the registry -------------------------------------------------------------------------------------------


def read_auth(config: Mapping[str, Any]) -> Auth | None:
    """Return how the service authenticates, None for not at all; raise ConfigError naming the field."""
    kind = str(config.get("auth_type") or "none").lower()
    settings = config.get("auth_config") or {}
    if not isinstance(settings, Mapping):
        raise ConfigError("auth_config must be a mapping", hint="write  auth_config: {token_env_var: NAME}")
    if kind not in AUTH_TYPES:
        raise ConfigError(f"auth_type {kind!r} is not one of {', '.join(AUTH_TYPES)}", hint="write  auth_type: bearer")
    if settings and "auth_type" not in config:
        raise ConfigError("auth_config is given without auth_type", hint=f"add auth_type: {' | '.join(AUTH_TYPES)}")
    return None if kind == "none" else _READERS[kind](settings)


def _bearer(settings: Mapping[str, Any]) -> Auth:
    return HeaderAuth(_secret(settings, "token"))


def _api_key(settings: Mapping[str, Any]) -> Auth:
    prefix = str(settings.get("prefix") or "")
    return HeaderAuth(_secret(settings, "api_key"), _header_name(settings, "header_name", "X-API-Key"), prefix)


def _basic(settings: Mapping[str, Any]) -> Auth:
    username = _plain_or_secret(settings, "username")
    return BasicAuth(username, _optional_secret(settings, "password"))


def _hmac(settings: Mapping[str, Any]) -> Auth:
    name = _header_name(settings, "header_name", "X-Signature")
    stamp = _header_name(settings, "timestamp_header", "X-Signature-Timestamp")
    return HmacAuth(_secret(settings, "secret"), name, stamp)


def _oauth2(settings: Mapping[str, Any]) -> Auth:
    try:
        url = parse_url(str(settings.get("token_url") or ""))
    except UrlRefused as error:
        raise ConfigError(f"auth_config.token_url {error}", hint="write  token_url: https://host/path") from None
    scope = settings.get("scope") or ""
    text = scope if isinstance(scope, str) else " ".join(str(item) for item in scope)
    return OAuth2Auth(url, _plain_or_secret(settings, "client_id"), _secret(settings, "client_secret"), text)


_READERS: dict[str, Callable[[Mapping[str, Any]], Auth]] = {
    "bearer": _bearer,
    "basic": _basic,
    "api_key": _api_key,
    "hmac": _hmac,
    "oauth2": _oauth2,
}


def _secret(settings: Mapping[str, Any], name: str) -> SecretRef:
    found = _optional_secret(settings, name)
    if found is None:
        raise ConfigError(f"auth_config needs {name}_env_var or {name}_file", hint=f"write  {name}_env_var: NAME")
    return found


def _optional_secret(settings: Mapping[str, Any], name: str) -> SecretRef | None:
    if name in settings:
        hint = f"put the value into a variable and write  {name}_env_var: NAME"
        raise ConfigError(f"auth_config.{name} holds a secret in the registry itself", hint=hint)
    variable, path = settings.get(f"{name}_env_var"), settings.get(f"{name}_file")
    if variable and not _ENV_NAME.fullmatch(str(variable)):
        raise ConfigError(f"auth_config.{name}_env_var is not a variable name", hint=f"write  {name}_env_var: NAME")
    if variable:
        return SecretRef("env", str(variable))
    return SecretRef("file", str(path)) if path else None


def _plain_or_secret(settings: Mapping[str, Any], name: str) -> SecretRef | str:
    plain = settings.get(name)
    return plain if isinstance(plain, str) and plain else _secret(settings, name)


def _header_name(settings: Mapping[str, Any], key: str, default: str) -> str:
    name = str(settings.get(key) or default)
    if not _HEADER_NAME.fullmatch(name) or owned(name):
        raise ConfigError(f"auth_config.{key} {name!r} cannot carry a credential", hint=f"write  {key}: {default}")
    return name
