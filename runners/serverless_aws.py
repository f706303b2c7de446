"""AWS through boto3, blocking, for threads: sessions, roles and clients, kept per rights and place."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from .serverless_aws_config import AwsAccess, AwsSpec, partition_of, role_account
from .serverless_errand import on_before_send

#: Seconds; the shortest that STS gives. A leaked one is soon worth nothing.
ROLE_SECONDS: Final = 900
#: Asked over a client of botocore's own, at an address that no job may reach: only where the registry says so.
_OF_MACHINE: Final = ("iam-role", "container-role")
#: Not looked at where the registry names a file: its absence must not mean other rights.
_OF_WORKER: Final = (
    *("env", "assume-role", "assume-role-with-web-identity", "sso", "login", "custom-process", "config-file"),
    *("ec2-credentials-file", "boto-config"),
)
#: What a role may do for a service, as an IAM policy.
Rights = Callable[[AwsSpec], dict[str, Any]]
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

    def __init__(self, rights: Rights | None = None) -> None:
        """`rights`: what an assumed role keeps of its own; those of a job unless stated."""
        self._rights = rights or session_policy
        self._made: dict[tuple[object, ...], Door] = {}
        self._making: dict[tuple[object, ...], threading.Lock] = {}

    def door(self, api: str, spec: AwsSpec, external_id: str = "") -> Door:
        """Return the service's client of an AWS API ("lambda", "sqs"); raise NoAws."""
        key = (api, *_rights(spec))
        found = self._made.get(key)
        if found is None:
            with self._making.setdefault(key, threading.Lock()):
                found = self._made.get(key) or self._made.setdefault(key, self._new(api, spec, external_id))
        return found

    def _new(self, api: str, spec: AwsSpec, external_id: str) -> Door:
        return _door(api, spec, external_id, self._rights(spec))

    def forget(self, spec: AwsSpec) -> None:
        """Drop what was made for a service, credentials included: AWS did not take them."""
        gone = _rights(spec)
        self._made = {key: door for key, door in self._made.items() if key[1:] != gone}


def _rights(spec: AwsSpec) -> tuple[object, ...]:
    """What a door depends on. A role is assumed for one function, so such doors are not shared."""
    place = (spec.access, spec.region, spec.endpoint_url)
    return (*place, spec.function, spec.result_queue, spec.service) if spec.access.role_arn else place


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


def _door(api: str, spec: AwsSpec, external_id: str, policy: Mapping[str, Any]) -> Door:
    session = core_session(spec.access)
    credentials = session.get_credentials()
    if credentials is None:
        raise NoAws("this host has no AWS credentials for the service; specql-jobs doctor says what is looked at")
    if spec.access.role_arn:
        credentials = _assumed(session, spec, external_id, policy)
        session = core_session(replace(spec.access, profile=""))
        session.register_component("credential_provider", _Given(credentials))
    return Door(_client(session, api, spec), credentials)


def _client(session: Any, api: str, spec: AwsSpec) -> Any:
    import boto3  # noqa: PLC0415 - 100 ms, and an optional library
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},  # the queue retries; boto3 would invoke three times
        ignore_configured_endpoint_urls=True,
        user_agent_extra="specql-jobs",
    )
    made = boto3.Session(botocore_session=session, region_name=spec.region)
    return made.client(api, endpoint_url=spec.endpoint_url or None, config=config)


# ---- roles ----------------------------------------------------------------------------------------------------------


class _Given:
    """A credential resolver that knows one answer."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load_credentials(self) -> Any:
        """Return the credentials (botocore's name for it)."""
        return self._credentials


def _assumed(session: Any, spec: AwsSpec, external_id: str, policy: Mapping[str, Any]) -> Any:
    """Return credentials of the service's role, narrowed by `policy`, asked for anew before they expire."""
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415

    sts = _client(session, "sts", spec)
    asked: dict[str, Any] = {
        "RoleArn": spec.access.role_arn,
        "RoleSessionName": _NOT_IN_NAMES.sub("-", f"specql-jobs-{spec.service}")[:64],
        "DurationSeconds": ROLE_SECONDS,
        "Policy": json.dumps(policy, separators=(",", ":")),
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


def session_policy(spec: AwsSpec) -> dict[str, Any]:
    """Return what the role may do for this service: invoke this function, and read its queue of results."""
    allowed = [_on_function("lambda:InvokeFunction", spec)]
    if spec.result_queue:
        start = f"arn:{partition_of(spec.region)}"
        owner, name = spec.result_queue.split("/")[-2:]
        actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        allowed.append(_allowed(actions, [f"{start}:sqs:{spec.region}:{owner}:{name}"]))
    return _policy(allowed)


def looking_policy(spec: AwsSpec) -> dict[str, Any]:
    """Return what the role may do to find out whether this function exists: read its configuration."""
    return _policy([_on_function("lambda:GetFunctionConfiguration", spec)])


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


def _on_function(action: str, spec: AwsSpec) -> dict[str, Any]:
    account = spec.function.account or role_account(spec.access.role_arn)
    function = f"arn:{partition_of(spec.region)}:lambda:{spec.region}:{account}:function:{spec.function.name}"
    return _allowed([action], [function, f"{function}:*"])


def _allowed(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources}
