"""Credentials for one request: masked for people to read, as curl arguments to paste, and with values for sending."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import shlex
import time
from collections.abc import Awaitable, Callable

from ..core.errors import Denied
from ..core.secrets import MASK, SecretRef, Secrets
from .http_auth import Auth, BasicAuth, HeaderAuth, HmacAuth, OAuth2Auth
from .http_headers import Headers, valid_value
from .http_request import PlannedRequest

GetToken = Callable[[OAuth2Auth], Awaitable[str]]


def masked(auth: Auth | None) -> Headers:
    """Return the headers that `auth` adds, with a mask for each value."""
    match auth:
        case HeaderAuth(secret, name, prefix):
            return ((name, f"{prefix}{_mask(secret)}"),)
        case BasicAuth(username, password):
            return (("Authorization", f"Basic {_mask(username)} {_mask(password or '(no password)')}"),)
        case HmacAuth(secret, name, stamp):
            return ((name, f"sha256={_mask(secret)}"), (stamp, "(time of sending)"))
        case OAuth2Auth(url):
            return (("Authorization", f"Bearer {MASK} (token from {url})"),)
        case None:
            return ()


def curl_arguments(auth: Auth | None) -> tuple[str, ...]:
    """Return curl arguments, quoted for a shell, that do the same with each secret as a variable."""
    match auth:
        case HeaderAuth(secret, name, prefix):
            return ("-H", f'"{name}: {prefix}{_shell(secret)}"')
        case BasicAuth(username, password):
            return ("-u", f'"{_shell(username)}:{_shell(password or "")}"')
        case HmacAuth(_, name, stamp):
            return ("-H", f'"{name}: sha256=$SIGNATURE"', "-H", f'"{stamp}: $TIMESTAMP"')
        case OAuth2Auth():
            return ("-H", '"Authorization: Bearer $ACCESS_TOKEN"')
        case None:
            return ()


async def credentials(auth: Auth | None, request: PlannedRequest, secrets: Secrets, get_token: GetToken) -> Headers:
    """Return the headers that authenticate `request`; raise Denied where a secret is missing or cannot be sent."""
    match auth:
        case HeaderAuth(secret, name, prefix):
            return ((name, prefix + await header_secret(secret, secrets)),)
        case BasicAuth(username, password):
            return (("Authorization", await basic(username, password, secrets)),)
        case HmacAuth(secret, name, stamp):
            return _signed(await reveal(secret, secrets), name, stamp, request)
        case OAuth2Auth():
            return (("Authorization", f"Bearer {await get_token(auth)}"),)
        case None:
            return ()


async def basic(username: SecretRef | str, password: SecretRef | None, secrets: Secrets) -> str:
    """Return the value of a Basic Authorization header, protected from being shown."""
    name = await reveal(username, secrets) if isinstance(username, SecretRef) else username
    plain = f"{name}:{await reveal(password, secrets) if password else ''}"
    encoded = base64.b64encode(plain.encode("utf-8", "surrogateescape")).decode("ascii")
    secrets.protect(encoded)
    return f"Basic {encoded}"


async def header_secret(ref: SecretRef, secrets: Secrets) -> str:
    """Return a secret that can stand in a header."""
    value = await reveal(ref, secrets)
    if not valid_value(value):
        message = f"secret {ref} has characters that cannot stand in a header (a line break, or not ASCII)"
        raise Denied(message, code="E411", name="secret-unusable", hint=f"store {ref.name} again, without them")
    return value


async def reveal(ref: SecretRef, secrets: Secrets) -> str:
    """Return a secret's value; a file is read off the event loop."""
    return await asyncio.to_thread(secrets.resolve, ref) if ref.kind == "file" else secrets.resolve(ref)


def _signed(key: str, name: str, stamp_name: str, request: PlannedRequest) -> Headers:
    stamp = str(int(time.time()))
    head = f"{stamp}\n{request.method}\n{request.url.raw_path.decode('ascii')}\n".encode("ascii")
    signature = hmac.new(key.encode("utf-8", "surrogateescape"), head + request.body, hashlib.sha256).hexdigest()
    return ((name, f"sha256={signature}"), (stamp_name, stamp))


def _mask(item: SecretRef | str) -> str:
    return f"{MASK} ({item})" if isinstance(item, SecretRef) else item


def _shell(item: SecretRef | str) -> str:
    """The secret as a person's shell would read it, inside double quotes."""
    if isinstance(item, str):
        return item.translate({ord(mark): f"\\{mark}" for mark in '\\"$`'})
    return f"${item.name}" if item.kind == "env" else f"$(cat {shlex.quote(item.name)})"
