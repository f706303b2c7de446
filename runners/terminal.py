"""The terminal of this process lent to something that runs elsewhere: keys go there, what it says comes back.

While it is lent the terminal is raw, so that Ctrl-C is the other side's; whatever happens it is as it was afterwards.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

KEYS, SCREEN = 0, 1  # descriptors of this process's own terminal
CHUNK = 65536

Size = tuple[int, int]  # rows, columns


def size() -> Size:
    """Return how large the terminal is."""
    found = os.get_terminal_size(SCREEN)
    return found.lines, found.columns


def resize(descriptor: int, wanted: Size) -> None:
    """Give a pseudo-terminal that size; what runs in it hears of it."""
    termios.tcsetwinsize(descriptor, wanted)


@contextmanager
def lent(far: int, sized: Callable[[Size], None]) -> Iterator[asyncio.Future[None]]:
    """Connect the terminal with `far`, a descriptor that is ours to make non-blocking; done when the far side ends.

    `sized` is told the terminal's size now and whenever it changes.
    """
    relay = _Relay(far)
    loop, before = asyncio.get_running_loop(), termios.tcgetattr(KEYS)
    flags = fcntl.fcntl(far, fcntl.F_GETFL)
    fcntl.fcntl(far, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    tty.setraw(KEYS)
    try:
        sized(size())
        loop.add_signal_handler(signal.SIGWINCH, lambda: sized(size()))
        relay.start()
        yield relay.ended
    finally:
        relay.stop()
        loop.remove_signal_handler(signal.SIGWINCH)
        termios.tcsetattr(KEYS, termios.TCSAFLUSH, before)


class _Relay:
    """Both directions. Keys are held back while the far side does not take them, so that nothing waits for it."""

    def __init__(self, far: int) -> None:
        self._far = far
        self._loop = asyncio.get_running_loop()
        self._typed = b""
        self.ended: asyncio.Future[None] = self._loop.create_future()

    def start(self) -> None:
        self._loop.add_reader(KEYS, self._type)
        self._loop.add_reader(self._far, self._show)

    def stop(self) -> None:
        for descriptor in (KEYS, self._far):
            self._loop.remove_reader(descriptor)
        self._loop.remove_writer(self._far)
        self._show(last=True)

    def _type(self) -> None:
        keys = os.read(KEYS, CHUNK)
        if not keys:  # the terminal is gone
            self._loop.remove_reader(KEYS)
            self._end()
            return
        self._typed += keys
        self._send()

    def _send(self) -> None:
        with suppress(BlockingIOError):
            try:
                self._typed = self._typed[os.write(self._far, self._typed) :]
            except OSError as error:
                if isinstance(error, BlockingIOError):
                    raise
                self._typed = b""
                self._end()
        if self._typed:
            self._loop.remove_reader(KEYS)
            self._loop.add_writer(self._far, self._send)
        else:
            self._loop.remove_writer(self._far)
            self._loop.add_reader(KEYS, self._type)

    def _show(self, *, last: bool = False) -> None:
        """Show what has come; a pseudo-terminal whose last user has left answers EIO."""
        while True:
            try:
                said = os.read(self._far, CHUNK)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if not said:
                self._loop.remove_reader(self._far)
                self._end()
                return
            _write(said)
            if not last:
                return

    def _end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _write(data: bytes) -> None:
    """Write to the screen, which a person may have stopped for a while."""
    while data:
        data = data[os.write(SCREEN, data) :]
