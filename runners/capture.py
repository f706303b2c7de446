"""What a process says and is told: bounded pumps on pipes, and text that is safe to store and show.

Of each stream at most `keep` bytes are shown: all of it, or its beginning and its end around a mark. The pumps count
everything, so that a flood can be ended. No threads: the event loop calls when a pipe is ready.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from collections.abc import Callable
from typing import Any

CHUNK = 65536  # bytes per read: a pipe's default size
#: A secret that the cut would halve must still be seen whole; SecretRef allows no longer one (secrets.LARGEST_SECRET).
MARGIN = 65536

Redact = Callable[[str], str]

_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Kept:
    """What is kept of one stream: its beginning and its end, and how much there was in all."""

    def __init__(self, keep: int) -> None:
        """Keep at most `keep` bytes, and some more at each end so that a secret there is seen whole."""
        self._keep = keep
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def store(self, data: bytes) -> None:
        """Take the stream's next bytes."""
        self.total += len(data)
        room = self._keep + MARGIN - len(self._head)
        if room > 0:
            self._head += data[:room]
        self._tail += data
        del self._tail[: -(self._keep // 2 + MARGIN)]

    def whole(self, most: int) -> bytes | None:
        """Return the complete bytes, or None if there are more than `most` of them."""
        return bytes(self._head) if self.total <= min(most, self._keep) else None

    def text(self, redact: Redact, most: int) -> str:
        """Return the stream as safe, redacted text of at most `most` bytes (UTF-8), with a mark where it was cut."""
        head = redact(safe_text(self._head.decode("utf-8", "replace")))
        if self.total <= min(most, self._keep):
            return cut(head, most)
        tail = redact(safe_text(bytes(self._tail).decode("utf-8", "replace")))
        mark = f"\n[… cut: {self.total} bytes in all …]\n"
        part = max((min(most, self._keep) - len(mark.encode())) // 2, 0)
        return cut(head, part) + mark + cut_front(tail, part)


class Capture(Kept):
    """Reads one stream of a process until its end."""

    def __init__(self, descriptor: int, keep: int, on_bytes: Callable[[int], None]) -> None:
        """Take over the non-blocking `descriptor`; `on_bytes` hears how many bytes came."""
        super().__init__(keep)
        self._descriptor = descriptor
        self._on_bytes = on_bytes
        self._open = True
        asyncio.get_running_loop().add_reader(descriptor, self.pump)

    def pump(self) -> bool:
        """Read what is there, at most one chunk; return whether more may come."""
        try:
            data = os.read(self._descriptor, CHUNK) if self._open else b""
        except BlockingIOError:
            return False
        if not data:
            self.close()
            return False
        self.store(data)
        self._on_bytes(len(data))
        return True

    def drain(self, most: int) -> None:
        """Read what the dead process left in the pipe, at most `most` bytes."""
        end = self.total + most
        while self.total < end and self.pump():
            pass

    def close(self) -> None:
        """Stop reading; what was kept stays."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)


class Feed:
    """Writes a process's standard input and closes it; a process that does not read is not waited for."""

    def __init__(self, descriptor: int, data: bytes) -> None:
        """Take over the non-blocking `descriptor`; nothing is written before the loop's next turn."""
        self._descriptor = descriptor
        self._rest = memoryview(data)
        self._open = True
        asyncio.get_running_loop().add_writer(descriptor, self._pump)

    def _pump(self) -> None:
        try:
            written = os.write(self._descriptor, self._rest[:CHUNK]) if self._rest else 0
        except BlockingIOError:
            return
        except BrokenPipeError:  # closing stdin is the process's right
            written = len(self._rest)
        self._rest = self._rest[written:]
        if not self._rest:
            self.close()

    def close(self) -> None:
        """Stop writing; the process sees the end of its input."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_writer(self._descriptor)
            os.close(self._descriptor)


# ---- safe text and data ----------------------------------------------------------------------------------------------


def safe_text(text: str) -> str:
    """Replace NUL, surrogates and terminal controls, except tab and line ends: Postgres and terminals choke on them."""
    return _UNSAFE.sub("\ufffd", text)


def cut(text: str, most: int) -> str:
    """Return the longest beginning of `text` that takes at most `most` bytes in UTF-8."""
    return text.encode()[:most].decode("utf-8", "ignore")


def cut_front(text: str, most: int) -> str:
    """Return the longest end of `text` that takes at most `most` bytes in UTF-8."""
    return text.encode()[-most:].decode("utf-8", "ignore") if most else ""


def safe_json(raw: bytes, redact: Redact) -> Any:
    """Return the redacted JSON value that `raw` is; raise ValueError if it is none, or not storable as jsonb."""
    try:
        value = json.loads(redact(raw.decode("utf-8")), parse_constant=_no_constant, parse_float=_finite)
        return _safe_value(value, redact)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _safe_value(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(safe_text(value))
    if isinstance(value, dict):
        return {redact(safe_text(key)): _safe_value(item, redact) for key, item in value.items()}
    if isinstance(value, list):
        return [_safe_value(item, redact) for item in value]
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value
