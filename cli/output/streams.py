"""The two streams: stdout is data, stderr is talk. Nothing else in the project prints."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from ...core.errors import Unavailable


def prepare() -> None:
    """Make both streams accept any text: what the terminal's encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def write_out(text: str) -> bool:
    """Write data to stdout; return False when its reader has gone, after which writing is harmless."""
    return _write(sys.stdout, text)


def write_err(text: str) -> bool:
    """Write talk to stderr; return False when its reader has gone."""
    return _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> bool:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        return False
    except OSError as error:
        _silence(stream)
        raise Unavailable(
            f"{stream.name} cannot be written: {error.strerror}", code="E520", name="output-lost"
        ) from None
    return True


def silence_out() -> None:
    """Write no more to stdout: its reader has gone."""
    _silence(sys.stdout)


def _silence(stream: TextIO) -> None:
    """Point the stream at nothing, so that a bulk change goes on and the interpreter's last flush says nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream."""
    try:
        return stream.isatty()
    except ValueError:  # a closed stream has no reader
        return False


def at_terminal() -> bool:
    """Whether a person both types and reads: stdin and stdout are terminals."""
    return is_terminal(sys.stdin) and is_terminal(sys.stdout)


def width() -> int | None:
    """Return the terminal's columns, or None when stdout is not a terminal: then nothing is ever cut."""
    if not is_terminal(sys.stdout):
        return None
    import shutil  # noqa: PLC0415 - archive modules that help and version do not need

    return shutil.get_terminal_size((0, 0)).columns or None  # COLUMNS, then the terminal's own word


def wants_colour(choice: str, env: Mapping[str, str], stream: TextIO) -> bool:
    """Decide colour for one stream: --color, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if env.get("NO_COLOR"):
        return False
    if any(env.get(name, "").lower() not in ("", "0", "false") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return env.get("TERM") != "dumb" and is_terminal(stream)


_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}


def paint(text: str, colour: str, *, on: bool) -> str:
    """Return `text` in a colour; colour never carries meaning alone."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if on and colour else text
