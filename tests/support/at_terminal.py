"""A program at a real terminal: what it writes there is read as it comes, what a person would type is sent."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .processes import COMMAND
from .waiting import PATIENCE, until


class Terminal:
    """One program whose stdin, stdout and stderr are a pseudo-terminal of its own session."""

    def __init__(
        self, arguments: Sequence[str], env: Mapping[str, str], folder: Path | None, size: tuple[int, int]
    ) -> None:
        self._master, slave = pty.openpty()
        rows, columns = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._popen = subprocess.Popen(
            ["setsid", "--ctty", *arguments],  # a session whose terminal this is, so that Ctrl-C arrives as SIGINT
            env=dict(env),
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self._bytes = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def raw(self) -> bytes:
        """Everything that was written up to now."""
        return bytes(self._bytes)

    @property
    def text(self) -> str:
        """The same as text, without escape sequences and carriage returns."""
        plain = re.sub(rb"\x1b(?:\[[0-9;?<=>]*[a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>])", b"", self.raw)
        return plain.decode("utf-8", "replace").replace("\r", "")

    def type(self, text: str) -> None:
        """Type; Ctrl-C is \\x03, TAB is \\t."""
        os.write(self._master, text.encode())

    def send(self, number: int) -> None:
        """Send the program a signal."""
        self._popen.send_signal(number)

    def wait_for(self, text: str, seconds: float = PATIENCE, after: int = 0) -> None:
        """Wait until the text stands on the screen, behind so many characters."""
        try:
            until(lambda: text in self.text[after:], f"{text!r} on the terminal", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n{self.text[-2000:]}") from None

    def finish(self, seconds: float = PATIENCE) -> int:
        """Wait for the program's end; return its exit code."""
        until(lambda: self._popen.poll() is not None, f"the program ends; it shows {self.text[-500:]!r}", seconds)
        self._reader.join(2.0)
        return self._popen.returncode

    def close(self) -> None:
        """End the program and all of its session's group."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(PATIENCE)
        self._reader.join(2.0)
        os.close(self._master)

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._master, 65536)
            except OSError:  # Linux says EIO when the last writer has gone
                return
            if not found:
                return
            self._bytes.extend(found)


@contextmanager
def at_terminal(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    size: tuple[int, int] = (24, 80),
) -> Iterator[Terminal]:
    """Yield a program at a terminal of so many rows and columns; it is ended afterwards."""
    terminal = Terminal(arguments, {**os.environ, "TERM": "xterm-256color", **(env or {})}, folder, size)
    try:
        yield terminal
    finally:
        terminal.close()


Exchange = tuple[str, str]  # what the screen must show first, and what is typed then


def typed(*arguments: str, dialogue: Sequence[Exchange], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `specql-jobs` and type; return the exit code and all that was shown."""
    with at_terminal(str(COMMAND), *arguments, env=env, size=(30, 100)) as terminal:
        seen = 0
        for ready, keys in dialogue:
            terminal.wait_for(ready, after=seen)
            seen = len(terminal.text)
            terminal.type(keys)
        return terminal.finish(), terminal.text
