"""The health port: answers probes, and ends without a word."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from specql_jobs.core.worker.health import Health


async def _ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def test_probes_are_answered() -> None:
    """/healthz says that the loop turns, /readyz whether the worker claims; anything else is 404 or 405."""
    ready = [False]

    async def probe() -> list[bytes]:
        health = Health("127.0.0.1", 0, lambda: ready[0])
        port = await health.start()
        lines = [await _ask(port, f"{words} HTTP/1.1\r\n".encode()) for words in ("GET /healthz", "GET /readyz")]
        ready[0] = True
        lines += [
            await _ask(port, f"{words} HTTP/1.1\r\n".encode()) for words in ("GET /readyz", "GET /x", "POST /readyz")
        ]
        await health.close()
        return [line.split(b" ", 2)[1] for line in lines]

    assert asyncio.run(probe()) == [b"200", b"503", b"200", b"404", b"405"]


_LEFT_OPEN = """
import asyncio
from specql_jobs.core.worker.health import Health

async def main():
    health = Health("127.0.0.1", 0, lambda: True)
    reader, writer = await asyncio.open_connection("127.0.0.1", await health.start())
    writer.write(b"GET /healthz")  # no line feed: the answer waits for it
    async with asyncio.timeout(10):
        while len(asyncio.all_tasks()) < 2:  # the server's side has begun
            await asyncio.sleep(0)
    await asyncio.wait_for(health.close(), 10)

asyncio.run(main())
"""


def test_an_open_probe_ends_quietly_with_the_worker() -> None:
    """A probe that has not finished asking when the loop ends leaves no traceback on stderr."""
    done = subprocess.run([sys.executable, "-c", _LEFT_OPEN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
