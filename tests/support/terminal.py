"""A command on a terminal of its own: what it drew, keys pressed, its size changed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from .processes import COMMAND
from .waiting import PATIENCE, until

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>()][A-Z0-9]?")
#: What a program writes to have the terminal's other screen, and to give it back.
OTHER_SCREEN, FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
HOME = "\x1b[H"


class Terminal:
    """One running command and the far end of its terminal."""

    def __init__(self, arguments: tuple[str, ...], env: Mapping[str, str], size: tuple[int, int]) -> None:
        self._ours, theirs = pty.openpty()
        self._theirs = theirs  # kept open, so that the settings can be read after the end
        self._written = b""
        self.resize(*size, tell=False)
        self._popen = subprocess.Popen(
            (str(COMMAND), *arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", **env},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - Ctrl-C needs it
        )

    @property
    def settings(self) -> list[Any]:
        """The terminal's settings, as tcgetattr has them."""
        return termios.tcgetattr(self._theirs)

    @property
    def written(self) -> str:
        """All that was written up to now."""
        while select.select([self._ours], [], [], 0)[0]:
            self._written += os.read(self._ours, 65536)
        return self._written.decode("utf-8", "replace")

    @property
    def screen(self) -> list[str]:
        """The lines of the last frame that was drawn whole."""
        frames = self.written.split(HOME)
        return [line.rstrip() for line in _CONTROL.sub("", frames[-1]).replace("\r", "").split("\n")]

    def shows(self, text: str) -> None:
        """Wait until the last frame has a text."""
        try:
            until(lambda: any(text in line for line in self.screen), f"the screen shows {text!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows:\n" + "\n".join(self.screen)) from None

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int, *, tell: bool = True) -> None:
        """Make the terminal another size; the kernel tells whoever runs in it."""
        target = self._theirs if not tell else self._ours
        fcntl.ioctl(target, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def finish(self) -> int:
        """Wait for the end while the terminal goes on reading; return the exit code."""

        def ended() -> bool:
            return bool(self.written) and self._popen.poll() is not None

        until(ended, "the command ends")
        return self._popen.returncode

    def close(self) -> None:
        """End the command and the terminal."""
        with suppress(ProcessLookupError):
            self._popen.kill()
        self._popen.wait(PATIENCE)
        os.close(self._ours)
        os.close(self._theirs)


Opener = Callable[..., Terminal]


@contextmanager
def terminal(
    *arguments: str, env: Mapping[str, str] | None = None, size: tuple[int, int] = (120, 30)
) -> Iterator[Terminal]:
    """Yield `specql-jobs` with these arguments on a terminal of so many columns and lines."""
    made = Terminal(arguments, env or {}, size)
    try:
        yield made
    finally:
        made.close()
