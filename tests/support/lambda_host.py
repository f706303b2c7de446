"""A Lambda service on 127.0.0.1 that executes functions for real: AWS's runtime client runs them, each in a process.

In front the Invoke API, behind it the Runtime API that `awslambdaric` speaks; between them what the platform does: the
log tail with its report, function errors, and for events a record to a queue.

async with LambdaHost() as host:
    host.function("echo", "support.lambda_functions.echo")
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from support.http_target import HttpTarget, Seen, Wire, reply
from support.waiting import PATIENCE

HERE = Path(__file__).resolve().parents[1]
ACCOUNT = "123456789012"
REGION = "eu-west-1"
TAIL = 4096  # bytes of the log that an answer has
#: Lambda's answer about a function or a version that it has not.
UNKNOWN = reply(404, {"Type": "User", "Message": "Function not found"}, x_amzn_errortype="ResourceNotFoundException")
#: Every function's own, as its configuration tells it.
ENVIRONMENT = {"Variables": {"API_KEY": "environment-of-a-function"}}


@dataclass
class Answered:
    """What a function's process said."""

    body: bytes
    error: bool


@dataclass
class Function:
    """One deployed function and its process."""

    name: str
    handler: str
    destination: str = ""  # an SQS queue for the records of events
    memory_mb: int = 128
    events: asyncio.Queue[tuple[str, Seen]] = field(default_factory=asyncio.Queue)
    answers: dict[str, asyncio.Future[Answered]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    log: Path = Path()


class LambdaHost:
    """Both APIs. `front.requests` is the far end's own record of what reached it."""

    def __init__(self) -> None:
        self.front = HttpTarget()
        self.front.otherwise = UNKNOWN
        self._back = HttpTarget()
        self._functions: dict[str, Function] = {}
        self._events: set[asyncio.Task[None]] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="sqj-lambda-")

    @property
    def url(self) -> str:
        """The Invoke API's root."""
        return self.front.url

    def function(self, name: str, handler: str, destination: str = "") -> None:
        """Deploy a function, under its name and its ARN, and start its process."""
        made = self._functions[name] = Function(name, handler, destination, log=Path(self._folder.name, name))
        self.holds(name)
        for spelled in (name, arn(name)):
            self.front.script(f"/2015-03-31/functions/{_quoted(spelled)}/invocations", self._invoker(made))
        start = f"/{name}/2018-06-01/runtime/invocation"
        self._back.script(f"{start}/next", self._giver(made))
        api = f"127.0.0.1:{self._back.port}/{name}"
        with made.log.open("wb") as log:
            made.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                cwd=HERE,
                env={**os.environ, "AWS_LAMBDA_RUNTIME_API": api},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def holds(self, name: str, qualifier: str = "$LATEST") -> None:
        """Know a function, and this version of it, without a process that could execute it."""

        async def tell(seen: Seen, wire: Wire) -> None:
            asked = parse_qs(seen.target.partition("?")[2]).get("Qualifier", ["$LATEST"])[0]
            known = {"FunctionName": name, "FunctionArn": arn(name), "Version": asked, "Environment": ENVIRONMENT}
            await (reply(200, known) if asked in ("$LATEST", qualifier) else UNKNOWN)(seen, wire)

        for spelled in (name, arn(name)):
            self.front.script(f"/2015-03-31/functions/{_quoted(spelled)}/configuration", tell)

    def forward(self, url: str) -> None:
        """Hand what is posted to / (STS, SQS) on to a server of those APIs."""

        async def hand_on(seen: Seen, wire: Wire) -> None:
            status, headers, body = await asyncio.to_thread(_post, url, seen)
            kind = headers.get("Content-Type", "text/xml")
            heads = {"x_amzn_requestid": headers.get("x-amzn-RequestId", ""), "content_type": kind}
            await reply(status, body, **heads)(seen, wire)

        self.front.script("/", hand_on)

    def _giver(self, function: Function) -> Any:
        async def give(_seen: Seen, wire: Wire) -> None:
            request_id, seen = await function.events.get()
            deadline = str(int((time.time() + 900) * 1000))
            heads = {
                "content_type": "application/json",
                "Lambda_Runtime_Aws_Request_Id": request_id,
                "Lambda_Runtime_Deadline_Ms": deadline,
                "Lambda_Runtime_Invoked_Function_Arn": arn(function.name),
            }
            client = base64.b64decode(seen.header("x-amz-client-context") or "e30=").decode()
            await reply(200, seen.body, lambda_runtime_client_context=client, **heads)(_seen, wire)

        return give

    def _invoker(self, function: Function) -> Any:
        async def invoke(seen: Seen, wire: Wire) -> None:
            request_id = str(uuid4())
            if seen.header("x-amz-invocation-type") == "Event":
                task = asyncio.create_task(self._event(function, request_id, seen))
                self._events.add(task)
                task.add_done_callback(self._events.discard)
                await reply(202, b"", x_amzn_requestid=request_id)(seen, wire)
                return
            answered, tail = await self._execute(function, request_id, seen)
            heads = {
                "x_amzn_requestid": request_id,
                "x_amz_executed_version": "$LATEST",
                "content_type": "application/json",
            }
            if seen.header("x-amz-log-type") == "Tail":
                heads["x_amz_log_result"] = base64.b64encode(tail).decode()
            if answered.error:
                heads["x_amz_function_error"] = "Unhandled"
            await reply(200, answered.body, **heads)(seen, wire)

        return invoke

    async def _execute(self, function: Function, request_id: str, seen: Seen) -> tuple[Answered, bytes]:
        future = function.answers[request_id] = asyncio.get_running_loop().create_future()
        for word, error in (("response", False), ("error", True)):
            path = f"/{function.name}/2018-06-01/runtime/invocation/{request_id}/{word}"
            self._back.script(path, _taker(future, error=error))
        begun, before = time.monotonic(), function.log.stat().st_size
        await function.events.put((request_id, seen))
        async with asyncio.timeout(PATIENCE):
            answered = await future
        milliseconds = (time.monotonic() - begun) * 1000
        said = function.log.read_bytes()[before:]
        return answered, _tail(function, request_id, milliseconds, said)

    async def _event(self, function: Function, request_id: str, seen: Seen) -> None:
        answered, _ = await self._execute(function, request_id, seen)
        if function.destination:
            await asyncio.to_thread(send_record, function, request_id, seen.body, answered)

    async def __aenter__(self) -> Self:
        await self.front.__aenter__()
        await self._back.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in list(self._events):
            task.cancel()
        for function in self._functions.values():
            assert function.process is not None
            function.process.kill()
            function.process.wait(PATIENCE)
        await self.front.__aexit__(kind, error, trace)
        await self._back.__aexit__(kind, error, trace)
        with suppress(OSError):
            self._folder.cleanup()


def _post(url: str, seen: Seen) -> tuple[int, Message, bytes]:
    """Repeat a request at another server; its Host and lengths are its own."""
    headers = {name: value for name, value in seen.headers if name.lower() not in ("host", "accept-encoding")}
    request = urllib.request.Request(url, seen.body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def arn(name: str) -> str:
    """Return a function's ARN at this host."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def _quoted(name: str) -> str:
    return name.replace(":", "%3A")


def _taker(future: asyncio.Future[Answered], *, error: bool) -> Any:
    async def take(seen: Seen, wire: Wire) -> None:
        future.set_result(Answered(seen.body, error))
        await reply(202, {"status": "OK"})(seen, wire)

    return take


def _tail(function: Function, request_id: str, milliseconds: float, said: bytes) -> bytes:
    """The platform's own lines around what the function wrote, the last 4 KiB of it."""
    assert function.process is not None
    status = Path(f"/proc/{function.process.pid}/status").read_text("ascii")
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024
    billed = int(milliseconds) + 1
    report = f"Duration: {milliseconds:.2f} ms\tBilled Duration: {billed} ms\tMemory Size: {function.memory_mb} MB"
    end = f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\t{report}\tMax Memory Used: {peak} MB\t\n"
    return (f"START RequestId: {request_id} Version: $LATEST\n".encode() + said + end.encode())[-TAIL:]


def send_record(function: Function, request_id: str, payload: bytes, answered: Answered) -> None:
    """Put the record of an event into the function's queue, as its destinations do."""
    record = {
        "version": "1.0",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{arn(function.name)}:$LATEST",
            "condition": "RetriesExhausted" if answered.error else "Success",
            "approximateInvokeCount": 3 if answered.error else 1,
        },
        "requestPayload": json.loads(payload),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": json.loads(answered.body),
    }
    if answered.error:
        record["responseContext"]["functionError"] = "Unhandled"  # type: ignore[index] # the mapping just made
    from support.moto_server import client  # noqa: PLC0415 - boto3, for events only

    client("sqs", function.destination).send_message(QueueUrl=function.destination, MessageBody=json.dumps(record))


def function_of(seen: Seen) -> str:
    """Return the function that a request to the Invoke API names."""
    return unquote(seen.target.split("/")[3])
