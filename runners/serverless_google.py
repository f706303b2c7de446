"""Google identity tokens: for a service account's key file, or for the machine that the worker runs on.

The key signs a request for a token (RFC 7523); the token is kept until shortly before it expires. Both ways go over the
HTTP runner. The metadata service is asked only where the registry says so, at its one address, which no job can reach.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from ..core.contract import ExecutionContext, Failed, Footprint, Violation
from ..core.job import Category
from ..core.secrets import SecretRef
from .answers import AnswerInvalid, parse_json
from .serverless_web import Google
from .service_settings import endpoint, url_of
from .wire import Judge, Wire, WireAnswer, WireBroken, WireRequest

#: Google's own: https://developers.google.com/identity/protocols/oauth2/service-account . Another one that a key file
#: names has to be in allowed_domains.
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
#: By address: no name server can send the request elsewhere (Compute Engine guide, "Query VM metadata").
METADATA_URL: Final = "http://169.254.169.254"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
MOST_BYTES: Final = 64 * 1024
#: A token is not used in its last seconds: it must still hold when the request arrives.
MARGIN_SECONDS: Final = 60.0
LONGEST_LIFETIME: Final = 3600.0


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    good_until: float  # Unix seconds


class Identities:
    """Tokens by whom they are for; one request at a time asks for each."""

    def __init__(self, wire: Wire, metadata_url: str = METADATA_URL) -> None:
        self._wire = wire
        self._metadata_url = metadata_url
        self._tokens: dict[Google, _Token] = {}
        self._asking: dict[Google, asyncio.Lock] = {}

    async def hold(self, google: Google, context: ExecutionContext) -> None:
        """Put a valid token where the request finds it; raise WireBroken."""
        async with self._asking.setdefault(google, asyncio.Lock()):
            kept = self._tokens.get(google)
            if kept is None or kept.good_until <= time.time() + MARGIN_SECONDS:
                kept = self._tokens[google] = await self._ask(google, context)
        context.secrets.hold(google.variable, kept.value)

    def forget(self, google: Google) -> None:
        """Drop a token that the function did not take."""
        self._tokens.pop(google, None)

    async def _ask(self, google: Google, context: ExecutionContext) -> _Token:
        if google.key_file is None:
            return await self._of_machine(google)
        key = await asyncio.to_thread(context.secrets.resolve, google.key_file)
        uri, assertion = await asyncio.to_thread(_assertion, key, google)
        body = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode("ascii")
        headers = (("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"))
        request = WireRequest("google-tokens", "POST", uri, headers, body)
        answer = _checked(await self._wire.send(request, _own(uri, context.judge), MOST_BYTES), uri)
        try:
            found = parse_json(answer.body)
            return _token(found["id_token"])
        except (AnswerInvalid, KeyError, TypeError, ValueError):
            raise _no_token(f"{uri} answered without an id_token") from None

    async def _of_machine(self, google: Google) -> _Token:
        path = "/computeMetadata/v1/instance/service-accounts/default/identity"
        url = f"{self._metadata_url}{path}?audience={quote(google.audience, safe='')}"
        request = WireRequest("google-metadata", "GET", url, (("Metadata-Flavor", "Google"),), b"")
        answer = await self._wire.send(request, _only(self._metadata_url), MOST_BYTES)
        try:
            return _token(_checked(answer, self._metadata_url).body.decode("ascii").strip())
        except ValueError:
            raise _no_token("the metadata service answered without a token") from None


def _checked(answer: WireAnswer, url: str) -> WireAnswer:
    if answer.status != 200:
        passing = answer.status == 429 or answer.status >= 500
        raise _no_token(f"{url} answered with HTTP status {answer.status}", passing=passing)
    return answer


def _no_token(reason: str, *, passing: bool = False) -> WireBroken:
    category = Category.TARGET_UNAVAILABLE if passing else Category.INFRASTRUCTURE
    return WireBroken(Failed(category, f"no Google identity token: {reason}", retryable=passing))


def _own(uri: str, judge: Judge) -> Judge:
    """Google's own token service need not be in allowed_domains; its addresses are judged all the same."""
    if uri != TOKEN_URI:
        return judge
    return lambda footprint: tuple(item for item in judge(footprint) if item.code != "domain_not_allowed")


def _only(url: str) -> Callable[[Footprint], tuple[Violation, ...]]:
    """A judge that knows one place, and is asked by nothing that a row or a registry can steer."""
    place = endpoint(url)

    def judge(footprint: Footprint) -> tuple[Violation, ...]:
        there = [(item.host, item.port, item.address or item.host) for item in footprint.endpoints]
        if all(item == (place.host, place.port, place.host) for item in there):
            return ()
        return (Violation("address_forbidden", "not the metadata service", "allow_private_networks"),)

    return judge


def _assertion(key: str, google: Google) -> tuple[str, str]:
    """Return where the key file's token service is, and the signed request for a token; raise WireBroken."""
    try:
        from google.auth import crypt, jwt  # noqa: PLC0415 - an optional library
    except ImportError:
        raise _no_token("google-auth is not installed on this host: pip install 'specql-jobs[gcp]'") from None
    try:
        info: dict[str, Any] = json.loads(key)
        uri = url_of({"token_uri": info.get("token_uri") or TOKEN_URI}, "token_uri")
        now = int(time.time())
        mail = str(info["client_email"])
        claims = {"iss": mail, "sub": mail, "aud": uri, "iat": now, "exp": now + int(LONGEST_LIFETIME)}
        signer = crypt.RSASigner.from_service_account_info(info)
        signed: bytes = jwt.encode(signer, {**claims, "target_audience": google.audience})
        return uri, signed.decode("ascii")
    except Exception:  # noqa: BLE001 - whatever a library says of a key file may quote it
        raise _no_token(f"{_named(google.key_file)} is not a service account's key") from None


def _named(ref: SecretRef | None) -> str:
    return str(ref) if ref else "the key file"


def _token(value: object) -> _Token:
    """Return a token with the time until which it holds; raise ValueError for what is none."""
    if not isinstance(value, str) or value.count(".") != 2:
        raise ValueError("not a token")
    claims = value.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    until = float(found["exp"]) if isinstance(found, dict) and "exp" in found else 0.0
    return _Token(value, min(until, time.time() + LONGEST_LIFETIME))
