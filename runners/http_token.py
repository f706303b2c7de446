"""OAuth 2 access tokens: fetched once for all jobs of a service, kept until shortly before they expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..core.contract import Failed
from ..core.job import Category
from ..core.secrets import Secrets
from .answers import AnswerInvalid, parse_json
from .http_auth import OAuth2Auth
from .http_credentials import basic
from .http_headers import Headers, valid_value
from .http_request import PlannedRequest
from .http_response import Answer
from .http_url import printable

#: A token is not used in its last seconds: it must still hold when the request arrives.
MARGIN_SECONDS = 30.0
#: Where the server does not say (RFC 6749 only recommends it).
DEFAULT_LIFETIME = 300.0
LONGEST_LIFETIME = 86_400.0
TOKEN_ANSWER_BYTES = 64 * 1024

Ask = Callable[[PlannedRequest, Headers, int], Awaitable[Answer]]


class TokenFailed(Exception):
    """No token was given out; `failure` is what that means for the job."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and when to stop using it (monotonic seconds)."""

    value: str
    good_until: float


class TokenCache:
    """One token per way of asking; one request at a time asks for it."""

    def __init__(self) -> None:
        self._tokens: dict[OAuth2Auth, Token] = {}
        self._asking: dict[OAuth2Auth, asyncio.Lock] = {}

    async def token(self, auth: OAuth2Auth, secrets: Secrets, ask: Ask) -> str:
        """Return a valid token; raise TokenFailed."""
        async with self._asking.setdefault(auth, asyncio.Lock()):
            kept = self._tokens.get(auth)
            if kept is None or kept.good_until <= time.monotonic():
                kept = self._tokens[auth] = await _fetch(auth, secrets, ask)
        secrets.protect(kept.value)
        return kept.value

    def forget(self, auth: OAuth2Auth, value: str) -> None:
        """Drop a token that the target did not accept, unless it was replaced meanwhile."""
        kept = self._tokens.get(auth)
        if kept is not None and kept.value == value:
            del self._tokens[auth]


async def _fetch(auth: OAuth2Auth, secrets: Secrets, ask: Ask) -> Token:
    form = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
    headers = (("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"))
    request = PlannedRequest("POST", auth.token_url, headers, urlencode(form).encode("ascii"), at_home=True)
    proof = await basic(auth.client_id, auth.client_secret, secrets)
    answer = await ask(request, (("Authorization", proof),), TOKEN_ANSWER_BYTES)
    return _read(answer, printable(auth.token_url))


def _read(answer: Answer, url: str) -> Token:
    if answer.status != 200:
        busy = answer.status == 429 or answer.status >= 500
        category = Category.TARGET_UNAVAILABLE if busy else Category.TARGET_ERROR
        raise TokenFailed(Failed(category, f"no token from {url}: HTTP status {answer.status}", retryable=busy))
    try:
        data = parse_json(answer.body)
    except AnswerInvalid as error:
        raise TokenFailed(Failed(Category.INVALID_OUTPUT, f"no token from {url}: the answer {error}")) from None
    value = data.get("access_token") if isinstance(data, dict) else None
    if not isinstance(value, str) or not value or not valid_value(value):
        raise TokenFailed(Failed(Category.INVALID_OUTPUT, f"no token from {url}: the answer has no access_token"))
    return Token(value, time.monotonic() + _lifetime(data.get("expires_in")) - MARGIN_SECONDS)


def _lifetime(stated: Any) -> float:
    try:
        return min(max(float(stated), 0.0), LONGEST_LIFETIME)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFETIME
