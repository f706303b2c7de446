"""boto3 in a thread, its requests on the event loop: one errand is one job's use of a blocking SDK.

boto3 prepares, signs and reads; what it would put on the network is handed to the HTTP runner by the hook that botocore
has for it (`before-send`). So its requests go to judged addresses only, within bounds, and to cancel an errand is to
close its connection. Proxies and endpoints from the worker's environment do nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from io import BytesIO
from typing import Any, TypeVar

from ..core.contract import Footprint, Violation
from .wire import Judge, Wire, WireAnswer, WireRequest

T = TypeVar("T")

#: Errands at a time; more wait, within their own deadlines.
MOST_THREADS = 32
#: AWS's own domains, of all its partitions: https://docs.aws.amazon.com/general/latest/gr/rande.html .
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".amazonaws.eu")


class Stopped(Exception):
    """The errand was cancelled."""


class Errand:
    """What one job's requests may reach, and how they are sent. Used by one thread at a time."""

    def __init__(self, wire: Wire, judge: Judge, pool: str, most_bytes: int, own_host: str = "") -> None:
        """`own_host`: the host of a stated endpoint_url, judged like any other; AWS's own need not be listed."""
        self._wire = wire
        self._judge = judge
        self._pool = pool
        self._most = most_bytes
        self._own_host = own_host
        self._loop = asyncio.get_running_loop()
        self._stopped = threading.Event()
        self._under_way: Future[WireAnswer] | None = None

    def send(self, method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes) -> WireAnswer:
        """Send one request from the thread and wait for its answer; raise WireBroken or Stopped."""
        if self._stopped.is_set():
            raise Stopped
        request = WireRequest(self._pool, method, url, headers, body)
        self._under_way = asyncio.run_coroutine_threadsafe(
            self._wire.send(request, self._verdict, self._most), self._loop
        )
        if self._stopped.is_set():
            self._under_way.cancel()
        try:
            return self._under_way.result()
        except CancelledError:
            raise Stopped from None

    def stop(self) -> None:
        """Cancel what is under way; the thread ends by itself soon after."""
        self._stopped.set()
        if self._under_way is not None:
            self._under_way.cancel()

    def _verdict(self, footprint: Footprint) -> tuple[Violation, ...]:
        """The policy's word on addresses always; on names only for hosts that are not AWS's own."""
        found = self._judge(footprint)
        if found and all(self._is_aws(item.host, item.scheme) for item in footprint.endpoints):
            return tuple(item for item in found if item.code != "domain_not_allowed")
        return found

    def _is_aws(self, host: str, scheme: str) -> bool:
        return not self._own_host and scheme == "https" and host.endswith(_AWS_DOMAINS)


_current = threading.local()


def on_before_send(request: Any, **_: object) -> Any:
    """Return the answer to a prepared request of botocore's; the hook's contract: an AWSResponse instead of sending."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - botocore is imported when it is used

    errand: Errand = _current.errand
    headers = tuple((name, _text(value)) for name, value in request.headers.items())
    answer = errand.send(request.method, request.url, headers, _bytes(request.body))
    kept = {name: value for name, value in answer.headers if name not in ("content-encoding", "content-length")}
    return AWSResponse(request.url, answer.status, kept, _Body(answer.body))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())


class _Body(BytesIO):
    """A whole body in the form in which botocore reads one."""

    def stream(self, **_: object) -> Any:
        """Yield the body, in one piece."""
        yield self.read()


class Threads:
    """A bounded pool of threads for errands."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, errand: Errand, work: Callable[[], T]) -> T:
        """Return what `work` returns in a thread; when cancelled, stop the errand and wait until its thread is free."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="aws")
        task = self._pool.submit(_with, errand, work)
        waiter = asyncio.wrap_future(task)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            if not task.cancel():
                errand.stop()
                await asyncio.wait({waiter})
                if not waiter.cancelled():
                    waiter.exception()  # its own late error has no reader any more
            raise

    def close(self) -> None:
        """Let the threads end."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _with(errand: Errand, work: Callable[[], T]) -> T:
    _current.errand = errand
    try:
        return work()
    finally:
        del _current.errand
