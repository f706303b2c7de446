"""Settings that every service has which calls somewhere: URLs, switches, credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..core.contract import Endpoint
from ..core.errors import ConfigError

_URL = re.compile(r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[\x21-\x7e]*)?")


def auth_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return auth_config, empty where there is none."""
    found = config.get("auth_config") or {}
    if not isinstance(found, Mapping):
        raise ConfigError("auth_config must be a mapping", hint="write  auth_config: {role_arn: …}")
    return found


def url_of(config: Mapping[str, Any], key: str) -> str:
    """Return a URL without a trailing slash, "" where there is none; raise ConfigError for a doubtful one."""
    text = str(config.get(key) or "")
    if text and (not _URL.fullmatch(text) or any(mark in text for mark in "@?#\\")):
        raise ConfigError(f"{key} is not a plain URL", hint=f"write  {key}: https://host/path")
    return text.rstrip("/")


def endpoint(url: str) -> Endpoint:
    """Return what policy judges of a URL."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Endpoint(parts.scheme, (parts.hostname or "").lower(), port)


def flag_of(value: object, key: str) -> bool:
    """Return a switch; raise ConfigError for what is none."""
    if not isinstance(value, bool):
        raise ConfigError(f"{key} must be true or false", hint=f"write  {key.rpartition('.')[2]}: true")
    return value
