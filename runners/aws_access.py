"""Whose rights at AWS a registry names, for functions and for container jobs alike, and where they hold. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..core.errors import ConfigError
from ..core.secrets import SecretRef
from .service_settings import flag_of

REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::([0-9]{12}):role/[A-Za-z0-9_+=,.@/-]{1,512}")


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """Whose rights are used. Nothing stated: what the worker's own environment and files give."""

    role_arn: str = ""
    external_id: SecretRef | None = None
    profile: str = ""
    credentials_file: str = ""
    metadata: bool = False  # may ask the machine or the container for its identity

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Return the secrets that a plan names."""
        file = (SecretRef("file", self.credentials_file),) if self.credentials_file else ()
        return (*((self.external_id,) if self.external_id else ()), *file)


@dataclass(frozen=True, slots=True)
class AwsPlace:
    """Where one service calls AWS and as whom; `session_policy` is all that an assumed role may do, as JSON."""

    service: str
    region: str
    access: AwsAccess
    endpoint_url: str
    session_policy: str

    @property
    def rights(self) -> tuple[object, ...]:
        """What a client depends on. A role is narrowed to one service, so such clients are not shared."""
        place = (self.access, self.region, self.endpoint_url)
        return (*place, self.session_policy, self.service) if self.access.role_arn else place


def allowed(actions: list[str], resources: list[str]) -> dict[str, Any]:
    """Return one statement of a session policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources}


def partition_of(region: str) -> str:
    """Return the first part of the ARNs of a region."""
    heads = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}
    return next((partition for head, partition in heads.items() if region.startswith(head)), "aws")


def read_access(auth: Mapping[str, Any]) -> AwsAccess:
    """Return whose rights an auth_config names; raise ConfigError naming the field."""
    role = str(auth.get("role_arn") or "")
    if role and not _ROLE.fullmatch(role):
        raise ConfigError("auth_config.role_arn is no role", hint="write  role_arn: arn:aws:iam::ACCOUNT:role/NAME")
    external = auth.get("external_id_env_var")
    if external and not role:
        raise ConfigError("auth_config.external_id_env_var needs role_arn", hint="write  role_arn: …")
    return AwsAccess(
        role_arn=role,
        external_id=SecretRef("env", str(external)) if external else None,
        profile=str(auth.get("profile") or ""),
        credentials_file=str(auth.get("credentials_file") or ""),
        metadata=flag_of(auth.get("metadata", False), "auth_config.metadata"),
    )


def role_account(role_arn: str) -> str:
    """Return the account of a role."""
    match = _ROLE.fullmatch(role_arn)
    return match[2] if match else ""
