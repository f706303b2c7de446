"""AWS through boto3, blocking, for threads: sessions, roles and clients, kept per rights and place."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from .aws_access import AwsAccess, AwsPlace
from .aws_errand import on_before_send

#: Seconds; the shortest that STS gives. A leaked one is soon worth nothing.
ROLE_SECONDS: Final = 900
#: Asked over a client of botocore's own, at an address that no job may reach: only where the registry says so.
_OF_MACHINE: Final = ("iam-role", "container-role")
#: Not looked at where the registry names a file: its absence must not mean other rights.
_OF_WORKER: Final = (
    *("env", "assume-role", "assume-role-with-web-identity", "sso", "login", "custom-process", "config-file"),
    *("ec2-credentials-file", "boto-config"),
)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_=,.@-]")


class NoAws(Exception):
    """boto3 is not here, or there are no credentials; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Door:
    """One way into AWS: a client with its credentials, and the values of those to redact."""

    client: Any
    credentials: Any

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown. May ask STS, so only in an errand's thread."""
        frozen = self.credentials.get_frozen_credentials()
        return tuple(value for value in (frozen.secret_key, frozen.token) if value)


class Doors:
    """The doors of one runner. Each is made when first needed (0.3 s), and once."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Door] = {}
        self._making: dict[tuple[object, ...], threading.Lock] = {}

    def door(self, api: str, place: AwsPlace, external_id: str = "") -> Door:
        """Return the service's client of an AWS API ("lambda", "sqs"); raise NoAws."""
        key = (api, *place.rights)
        found = self._made.get(key)
        if found is None:
            with self._making.setdefault(key, threading.Lock()):
                found = self._made.get(key) or self._made.setdefault(key, _door(api, place, external_id))
        return found

    def forget(self, place: AwsPlace) -> None:
        """Drop what was made for a service, credentials included: AWS did not take them."""
        gone = place.rights
        self._made = {key: door for key, door in self._made.items() if key[1:] != gone}


def core_session(access: AwsAccess) -> Any:
    """Return a botocore session with these rights, sending by the hook; raise NoAws where boto3 is missing."""
    try:
        from botocore.session import Session  # noqa: PLC0415 - 150 ms, and an optional library
    except ImportError:
        raise NoAws("boto3 is not installed on this host: pip install 'specql-jobs[aws]'") from None
    session = Session(profile=access.profile or None)
    if access.credentials_file:
        session.set_config_variable("credentials_file", access.credentials_file)
    resolver = session.get_component("credential_provider")
    for name in (*(() if access.metadata else _OF_MACHINE), *(_OF_WORKER if access.credentials_file else ())):
        resolver.remove(name)
    session.register("before-send", on_before_send)
    return session


def _door(api: str, place: AwsPlace, external_id: str) -> Door:
    session = core_session(place.access)
    credentials = session.get_credentials()
    if credentials is None:
        raise NoAws("this host has no AWS credentials for the service; specql-jobs doctor says what is looked at")
    if place.access.role_arn:
        credentials = _assumed(session, place, external_id)
        session = core_session(replace(place.access, profile=""))
        session.register_component("credential_provider", _Given(credentials))
    return Door(_client(session, api, place), credentials)


def _client(session: Any, api: str, place: AwsPlace) -> Any:
    import boto3  # noqa: PLC0415 - 100 ms, and an optional library
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},  # the queue retries; boto3 would invoke three times
        ignore_configured_endpoint_urls=True,
        user_agent_extra="specql-jobs",
    )
    made = boto3.Session(botocore_session=session, region_name=place.region)
    return made.client(api, endpoint_url=place.endpoint_url or None, config=config)


# ---- roles ----------------------------------------------------------------------------------------------------------


class _Given:
    """A credential resolver that knows one answer."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        """Return the credentials (botocore's name for it)."""
        return self._credentials


def _assumed(session: Any, place: AwsPlace, external_id: str) -> Any:
    """Return credentials of the service's role, narrowed to what the service needs, asked for anew before they end."""
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415

    sts = _client(session, "sts", place)
    asked: dict[str, Any] = {
        "RoleArn": place.access.role_arn,
        "RoleSessionName": _NOT_IN_NAMES.sub("-", f"specql-jobs-{place.service}")[:64],
        "DurationSeconds": ROLE_SECONDS,
        "Policy": place.session_policy,
        **({"ExternalId": external_id} if external_id else {}),
    }

    def ask() -> dict[str, str]:
        found = sts.assume_role(**asked)["Credentials"]
        until: datetime = found["Expiration"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": until.astimezone(UTC).isoformat(),
        }

    # Seconds before the end in which they are renewed: the defaults, 15 minutes, are all of such a session.
    return RefreshableCredentials.create_from_metadata(ask(), ask, "sts-assume-role", 120, 60)
