"""`--mock`: an HTTP server on 127.0.0.1 that answers in the target's place, so that nothing real is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .job_input import read_text

if TYPE_CHECKING:
    from ..core.worker.planner import Draft

#: Where the runner asks for an access token, when the service authenticates with OAuth 2.
TOKEN_PATH = "/.specql-jobs/token"  # noqa: S105 - a path
_TOKEN = b'{"access_token": "mock", "expires_in": 3600}'
_KEYS = ("status", "headers", "body", "delay")
_HINT = 'write --mock 503, or a JSON file: {"status": 200, "headers": {}, "body": {"id": "ch_1"}, "delay": 0}'
LARGEST_HEAD = 65536  # bytes of a request's line and headers; the runner sends far less
LONGEST_DELAY = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the stand-in; `delay` in seconds before it."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    delay: float = 0.0


# ---- what is asked for ---------------------------------------------------------------------------------------------


def read_answers(text: str) -> tuple[Answer, ...]:
    """Return the answers that STATUS or a JSON file names, in turn; raise UsageError for anything else."""
    if text.isdecimal():
        return (_answer({"status": int(text)}),)
    try:
        written = json.loads(read_text(Path(text)))
    except (ValueError, RecursionError):
        raise _wrong(f"{text} is not JSON") from None
    answers = written if isinstance(written, list) else [written]
    if not answers:
        raise _wrong(f"{text} has no answer in it")
    return tuple(_answer(each) for each in answers)


def _answer(written: Any) -> Answer:
    if not isinstance(written, dict) or not written.keys() <= set(_KEYS):
        raise _wrong(f"an answer is an object with {', '.join(_KEYS)}")
    status, delay, headers = written.get("status", 200), written.get("delay", 0), written.get("headers", {})
    if type(status) is not int or not 200 <= status <= 599:
        raise _wrong("status must be a number from 200 to 599")
    if type(delay) not in (int, float) or not 0 <= delay <= LONGEST_DELAY:
        raise _wrong(f"delay must be seconds from 0 to {LONGEST_DELAY:g}")
    body = written.get("body", {})
    kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
    content = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, {"content-type": kind} | _headers(headers), content.encode("utf-8", "replace"), float(delay))


def _headers(written: Any) -> dict[str, str]:
    """Names in lower case, so that a stated one replaces ours."""
    if not isinstance(written, dict) or not all(isinstance(value, str | int) for value in written.values()):
        raise _wrong("headers must be an object of names and texts")
    found = {str(name).lower(): str(value) for name, value in written.items()}
    if any(not word.isprintable() or not word.isascii() for pair in found.items() for word in pair):
        raise _wrong("a header holds a control or non-ASCII character")
    return {name: value for name, value in found.items() if name not in ("content-length", "connection")}


def _wrong(message: str) -> UsageError:
    return UsageError(f"--mock: {message}", hint=_HINT)


# ---- the server ----------------------------------------------------------------------------------------------------


class StandIn:
    """The running server: its origin, and what it was asked."""

    def __init__(self, answers: tuple[Answer, ...]) -> None:
        self._answers = answers
        self.origin = ""
        self.asked: list[dict[str, Any]] = []
        self._over = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """Let every answer that is still held back go, and wait until no connection is served any more."""
        self._over.set()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close the connection."""
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            body = await reader.readexactly(_length(head))
            answer = self._next(method, path, len(body))
            await self._hold_back(answer.delay)
            writer.write(_wire(answer, head_only=method == "HEAD"))
            await writer.drain()
        writer.close()

    async def _hold_back(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _next(self, method: str, path: str, body_bytes: int) -> Answer:
        """The next answer; the last one stays."""
        if path == TOKEN_PATH:
            return Answer(200, {"content-type": "application/json"}, _TOKEN)
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append({"method": method, "path": path, "body_bytes": body_bytes, "answered": answer.status})
        return answer


def _length(head: str) -> int:
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((int(value) for name, _, value in fields if name.strip().lower() == "content-length"), 0)


def _wire(answer: Answer, *, head_only: bool) -> bytes:
    fields = {**answer.headers, "content-length": str(len(answer.body)), "connection": "close"}
    known = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
    lines = [f"HTTP/1.1 {answer.status} {known}", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + (b"" if head_only else answer.body)


@asynccontextmanager
async def standing_in(text: str) -> AsyncIterator[StandIn | None]:
    """Yield the server that answers as --mock says; None where it says nothing."""
    if not text:
        yield None
        return
    stand_in = StandIn(read_answers(text))
    server = await asyncio.start_server(stand_in.take, "127.0.0.1", 0, limit=LARGEST_HEAD)
    stand_in.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stand_in
    finally:
        server.close()
        await stand_in.close()


# ---- the detour ----------------------------------------------------------------------------------------------------


def led_to(drafted: Draft, stand_in: StandIn) -> Draft:
    """Return an HTTP job's judged plan led to the stand-in; one that was refused stays refused.

    Raise UsageError for a plan that is not of the HTTP runner. The policy that holds on the way allows 127.0.0.1 alone:
    a redirect of the stand-in's own to anywhere else is refused.
    """
    from ..runners.http import HttpPlan  # noqa: PLC0415 - httpx
    from ..runners.http_detour import detoured  # noqa: PLC0415 - httpx

    if not isinstance(drafted.plan, HttpPlan):
        raise _not_http(str(drafted.prepared.service.execution_type))
    plan = detoured(drafted.plan, stand_in.origin, TOKEN_PATH)
    policy = replace(drafted.call.policy, allowed_domains=("127.0.0.1",), allow_private_networks=True, allow_http=True)
    return drafted._replace(plan=plan, call=drafted.call._replace(policy=policy))


def _not_http(kind: str) -> UsageError:
    hints = {
        "shell": "name a harmless program in the registry for this environment (--env), or look with --dry-run",
        "docker": "name a test image in the registry for this environment (--env), or look with --dry-run",
        "serverless": "point runner_config.endpoint_url at a local emulator, or look with --dry-run",
    }
    message = f"--mock stands in for the target of an HTTP request; this is not one of the HTTP runner ({kind})"
    return UsageError(message, hint=hints.get(kind, "look with --dry-run"))
