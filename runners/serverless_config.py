"""What a registry says about a function, whoever runs it: provider, prices, memory; and what a key is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.errors import ConfigError
from .service_settings import auth_of

PROVIDERS: Final = ("aws", "gcp", "azure", "http")

#: Keys that say something to some providers only. Another provider's service that states one is refused: what it asks
#: for would not happen.
_ONLY_FOR: Final = {
    "qualifier": ("aws",),
    "result_queue": ("aws",),
    "environment": ("aws",),
    "cloud_events": ("gcp", "azure", "http"),
    "auth_config.role_arn": ("aws",),
    "auth_config.profile": ("aws",),
    "auth_config.external_id_env_var": ("aws",),
    "auth_config.credentials_file": ("aws", "gcp"),
    "auth_config.metadata": ("aws", "gcp"),
    "auth_config.audience": ("gcp",),
    "auth_config.token_env_var": ("gcp", "azure", "http"),
    "auth_config.token_file": ("gcp", "azure", "http"),
    "auth_config.api_key_env_var": ("azure", "http"),
    "auth_config.api_key_file": ("azure", "http"),
    "auth_config.secret_env_var": ("http",),
    "auth_config.secret_file": ("http",),
}

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}(?:/[A-Za-z0-9_.-]{1,128})*")

#: US dollars, x86, us-east-1, first tier: https://aws.amazon.com/lambda/pricing/ . Other regions, Arm and other
#: providers: price_per_gb_second and price_per_invocation in the registry.
LAMBDA_GB_SECOND: Final = 0.0000166667
LAMBDA_INVOCATION: Final = 0.0000002
#: The most memory that a function can have (AWS Lambda quotas); assumed where the registry does not say.
LARGEST_MEMORY: Final = 10240  # MiB


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a GB-second and for an invocation."""

    gb_second: float
    invocation: float

    def cost(self, seconds: float, memory_mb: float) -> float:
        """Return what one invocation costs that is billed for `seconds` with `memory_mb` MiB."""
        return round(seconds * memory_mb / 1024 * self.gb_second + self.invocation, 12)


# ---- what all providers have ----------------------------------------------------------------------------------------


def provider_of(config: Mapping[str, Any]) -> str:
    """Return the provider; raise ConfigError for an unknown one, and for keys that it has no use for."""
    provider = str(config.get("provider") or "")
    if provider not in PROVIDERS:
        raise ConfigError(f"provider {provider!r} is not one of {', '.join(PROVIDERS)}", hint="write  provider: aws")
    for key, providers in _ONLY_FOR.items():
        if _stated(config, key) and provider not in providers:
            raise ConfigError(f"{key} means nothing to provider {provider}", hint=f"remove {key}")
    if provider != "aws" and config.get("invocation_type") == "Event":
        raise ConfigError("invocation_type Event is for provider aws", hint="remove invocation_type")
    return provider


def _stated(config: Mapping[str, Any], key: str) -> bool:
    place, _, name = key.rpartition(".")
    return name in auth_of(config) if place else key in config


def prices_of(config: Mapping[str, Any], provider: str) -> Prices | None:
    """Return what the function costs; None where nobody says."""
    second, invocation = (config.get(key) for key in ("price_per_gb_second", "price_per_invocation"))
    if provider != "aws" and second is None and invocation is None:
        return None
    known = (LAMBDA_GB_SECOND, LAMBDA_INVOCATION) if provider == "aws" else (0.0, 0.0)
    return Prices(known[0] if second is None else float(second), known[1] if invocation is None else float(invocation))


def memory_of(config: Mapping[str, Any]) -> int | None:
    """Return the function's memory in MiB, None where the registry does not say."""
    memory = config.get("memory_mb")
    return None if memory is None else int(memory)


def plain_function(config: Mapping[str, Any]) -> str:
    """Return the name of a function at a URL."""
    name = str(config.get("function_name") or "")
    if not _PLAIN_NAME.fullmatch(name) or any(part in (".", "..") for part in name.split("/")):
        raise ConfigError(f"function_name {name!r} is no function's name", hint="write  function_name: resize")
    return name
