"""Keys as they are pressed: the terminal without line editing, put back as it was whatever happens."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: What terminals send for the keys that are used; other sequences are nothing.
_NAMES = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}
_KEY = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)
#: No character stops the program: stopped, it would leave the terminal without line editing.
_NONE = b"\0"


def keys_of(text: str) -> Iterator[str]:
    """Yield the keys that a terminal's bytes mean: letters as they are, others by name."""
    for found in _KEY.findall(text):
        if found in _NAMES:
            yield _NAMES[found]
        elif len(found) == 1 and found.isprintable():
            yield found


@contextmanager
def keyboard() -> Iterator[asyncio.Queue[str]]:
    """Yield a queue of keys, and "resize" when the terminal's size has changed; Ctrl-C stays a signal."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    keys: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    termios.tcsetattr(descriptor, termios.TCSADRAIN, _unedited(termios.tcgetattr(descriptor)))
    try:
        loop.add_reader(descriptor, _read, descriptor, keys)
        loop.add_signal_handler(signal.SIGWINCH, keys.put_nowait, "resize")
        yield keys
    finally:
        loop.remove_reader(descriptor)
        loop.remove_signal_handler(signal.SIGWINCH)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read(descriptor: int, keys: asyncio.Queue[str]) -> None:
    data = os.read(descriptor, 1024)
    if not data:  # the terminal has gone
        keys.put_nowait("q")
        asyncio.get_running_loop().remove_reader(descriptor)
    for key in keys_of(data.decode("utf-8", "ignore")):
        keys.put_nowait(key)


def _unedited(settings: list[Any]) -> list[Any]:
    settings[3] &= ~(termios.ECHO | termios.ICANON)
    settings[6][termios.VSUSP] = _NONE
    settings[6][termios.VMIN], settings[6][termios.VTIME] = 1, 0
    return settings
