"""One execution on the wire: credentials, the request, its redirects, and a record of it for people."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpcore
import httpx

from ..core.contract import Failed, LogChunk, Outcome
from ..core.job import Category
from ..core.secrets import MASK, Secrets
from .answers import AnswerInvalid, one_line
from .http_auth import Auth, OAuth2Auth
from .http_credentials import credentials
from .http_headers import Headers, merged, sensitive, sensitive_values, without_credentials
from .http_outcome import of_answer, of_error
from .http_request import PlannedRequest
from .http_response import Answer, AnswerTooLarge, read_answer
from .http_token import TokenCache, TokenFailed
from .http_transport import CONNECT_SECONDS, Gate, NameUnknown, current_gate, drop_surplus
from .http_url import UrlRefused, endpoint_of, host_of, parse_url, printable, same_origin

_REDIRECTS = (301, 302, 303, 307, 308)
_ENTITY_HEADERS = ("content-type",)
LOG_CHARACTERS = 8192
#: A larger body is not copied behind its head.
ONE_PACKET = 65536  # bytes
LOGGED_VALUE = 200  # characters of one header's value


class Broken(Exception):
    """The exchange ended without an outcome from the target; `failure` says why."""

    def __init__(self, failure: Failed) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Record:
    """What is kept of an execution: usage and a log of heads, never bodies."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.status: int | None = None
        self._begun = time.monotonic()
        self._lines: list[str] = []

    def sent(self, request: PlannedRequest, headers: Headers) -> None:
        """Note a request's head."""
        self.status = None
        self._lines.append(f"> {request.method} {printable(request.url)}")
        self._lines += [f"> {name}: {_shown(name, value)}" for name, value in headers]
        self._lines.append(f"> ({len(request.body)} bytes)")

    def received(self, answer: Answer) -> None:
        """Note an answer's head."""
        self.status = answer.status
        self._lines.append(f"< {answer.status}")
        self._lines += [f"< {name}: {_shown(name, value)}" for name, value in answer.headers]
        self._lines.append(f"< ({len(answer.body)} bytes{', cut' if answer.truncated else ''})")

    def usage(self) -> dict[str, Any]:
        """Return the keys of `resource_usage` that HTTP knows."""
        usage: dict[str, Any] = {
            "duration_seconds": round(time.monotonic() - self._begun, 6),
            "network_bytes": self.gate.bytes_sent + self.gate.bytes_received,
        }
        return usage if self.status is None else usage | {"status_code": self.status}

    def logs(self, clean: Callable[[str], str]) -> tuple[LogChunk, ...]:
        """Return the log, redacted and bounded."""
        text = clean("\n".join(self._lines))
        return (LogChunk("http", text[:LOG_CHARACTERS], len(text) > LOG_CHARACTERS),) if text else ()


def _shown(name: str, value: str) -> str:
    return MASK if sensitive(name) else one_line(value)[:LOGGED_VALUE]


class Exchange:
    """One execution's requests in order. Used once, inside a task of its own."""

    def __init__(
        self,
        pool: httpcore.AsyncConnectionPool,
        record: Record,
        secrets: Secrets,
        tokens: TokenCache,
        auth: Auth | None,
    ) -> None:
        self._pool = pool
        self._record = record
        self._secrets = secrets
        self._tokens = tokens
        self._auth = auth
        self._token = ""

    async def run(
        self, request: PlannedRequest, *, most_bytes: int, max_redirects: int, retry_statuses: tuple[int, ...] | None
    ) -> Outcome:
        """Return what came of the request; raise DestinationRefused, Denied."""
        current_gate.set(self._record.gate)
        for value in sensitive_values(request.headers):
            self._secrets.protect(value)
        try:
            request, answer = await self._follow(request, most_bytes, max_redirects)
        except (Broken, TokenFailed) as broken:
            return broken.failure
        outcome = of_answer(answer, _subject(request), retry_statuses, self._secrets.redact)
        return self._after_token(answer, outcome)

    async def _follow(self, request: PlannedRequest, most: int, redirects: int) -> tuple[PlannedRequest, Answer]:
        answer = await self._send(request, most)
        while answer.status in _REDIRECTS and answer.header("location"):
            if redirects == 0:
                raise Broken(_no_redirect(answer, request, "max_redirects is reached"))
            redirects -= 1
            request = redirected(request, answer)
            answer = await self._send(request, most)
        return request, answer

    async def _send(self, request: PlannedRequest, most: int) -> Answer:
        auth = self._auth if request.at_home else None
        return await self.ask(request, await credentials(auth, request, self._secrets, self._get_token), most)

    async def _get_token(self, auth: OAuth2Auth) -> str:
        self._token = await self._tokens.token(auth, self._secrets, self.ask)
        return self._token

    def _after_token(self, answer: Answer, outcome: Outcome) -> Outcome:
        """A token that is no longer accepted is fetched anew by the next attempt."""
        if answer.status == 401 and self._token and isinstance(self._auth, OAuth2Auth) and isinstance(outcome, Failed):
            self._tokens.forget(self._auth, self._token)
            return replace(outcome, retryable=True)
        return outcome

    async def ask(self, request: PlannedRequest, proof: Headers, most: int) -> Answer:
        """Send one request and read its whole answer; raise Broken where there is none within bounds."""
        headers = merged(request.headers, proof)
        self._record.sent(request, headers)
        try:
            answer = await self._exchange(request, headers, most)
        except AnswerTooLarge:
            message = f"the answer to {_subject(request)} is larger than max_response_size ({most} bytes)"
            raise Broken(Failed(Category.RESOURCE_EXHAUSTED, message)) from None
        except AnswerInvalid as error:
            message = f"the answer to {_subject(request)} {error}"
            raise Broken(Failed(Category.INVALID_OUTPUT, message)) from None
        except NameUnknown as error:
            message = f"{_subject(request)}: {error}"
            raise Broken(Failed(Category.TARGET_UNAVAILABLE, message, retryable=True)) from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Broken(of_error(error, _subject(request), host_of(request.url))) from None
        self._record.received(answer)
        return answer

    async def _exchange(self, request: PlannedRequest, headers: Headers, most: int) -> Answer:
        gate = self._record.gate
        gate.scheme = request.url.scheme
        gate.check(endpoint_of(request.url))
        gate.begin(body_follows=0 < len(request.body) <= ONE_PACKET)
        response = await self._pool.handle_async_request(wire_request(request, headers))
        try:
            answer = await read_answer(response, most)
            drop_surplus(response)
            return answer
        finally:
            await response.aclose()


def wire_request(request: PlannedRequest, headers: Headers) -> httpcore.Request:
    """Return what httpcore sends; Host, Content-Length and Accept-Encoding are written here and nowhere else."""
    url = request.url
    framing = [("Host", url.netloc.decode("ascii")), ("Accept-Encoding", "gzip")]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        framing.append(("Content-Length", str(len(request.body))))
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in (*framing, *headers)],
        content=request.body,
        extensions={"timeout": {"connect": CONNECT_SECONDS}},
    )


# ---- redirects ------------------------------------------------------------------------------------------------------


def redirected(request: PlannedRequest, answer: Answer) -> PlannedRequest:
    """Return the request that a redirect asks for; raise Broken where it must not be made.

    Credentials stay with their origin for good. Only 303 turns a write into a GET, and only 307 and 308 repeat one.
    """
    url = _location(request, answer)
    if request.url.scheme == "https" and url.scheme != "https":
        raise Broken(_no_redirect(answer, request, "it leads from https to http"))
    if answer.status in (301, 302) and request.method not in ("GET", "HEAD"):
        raise Broken(_no_redirect(answer, request, "only 307 and 308 may repeat such a request"))
    moved = replace(request, url=url, at_home=request.at_home and same_origin(request.url, url))
    if answer.status == 303 and request.method != "HEAD":
        kept = tuple(item for item in moved.headers if item[0].lower() not in _ENTITY_HEADERS)
        moved = replace(moved, method="GET", body=b"", headers=kept)
    return moved if moved.at_home else replace(moved, headers=without_credentials(moved.headers))


def _location(request: PlannedRequest, answer: Answer) -> httpx.URL:
    text = answer.header("location")
    try:
        return parse_url(text if "://" in text.partition("?")[0] else str(request.url.join(text)))
    except (UrlRefused, httpx.InvalidURL):
        raise Broken(_no_redirect(answer, request, "its Location is not a URL that may be requested")) from None


def _no_redirect(answer: Answer, request: PlannedRequest, reason: str) -> Failed:
    message = f"HTTP status {answer.status} from {_subject(request)}: redirect not followed, {reason}"
    return Failed(Category.TARGET_ERROR, message, output={"status_code": answer.status})


def _subject(request: PlannedRequest) -> str:
    return f"{request.method} {printable(request.url)}"
