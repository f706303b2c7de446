"""A command at a terminal of its own, typed into and read from as a person would."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

from .processes import COMMAND
from .waiting import PATIENCE

Exchange = tuple[str, str]  # what the screen must show first, and what is typed then


def typed(*arguments: str, dialogue: Sequence[Exchange], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run `specql-jobs` and type; return the exit code and all that was shown."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    words, surroundings = [str(COMMAND), *arguments], {**os.environ, **(env or {})}
    started = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings, start_new_session=True
    )
    os.close(theirs)
    try:
        shown = ""
        for ready, keys in dialogue:
            shown += _read_until(ours, ready)
            os.write(ours, keys.encode())
        shown += _read_until(ours, None)
        return started.wait(PATIENCE), shown
    finally:
        if started.poll() is None:
            started.kill()
            started.wait()
        os.close(ours)


def _read_until(descriptor: int, words: str | None) -> str:
    """Read until the words are there; None: until the other side has ended."""
    deadline, shown = time.monotonic() + PATIENCE, ""
    while words is None or words not in shown:
        left = deadline - time.monotonic()
        assert left > 0, f"waited in vain for {words!r}, the screen shows: {shown}"
        if not select.select([descriptor], [], [], left)[0]:
            continue
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # the last user of a terminal has gone
            data = b""
        if not data:
            break
        shown += data.decode("utf-8", "replace")
    return shown
