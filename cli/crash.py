"""A bug's details in a private file: stack and message, redacted; no local variables, no arguments."""

from __future__ import annotations

import contextlib
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..core import clock
from ..core.settings import state_folder
from ..core.version import VERSION


def save(error: BaseException, command: str, env: Mapping[str, str], redact: Callable[[str], str]) -> str:
    """Write the crash file (mode 0600) and return its path, or "" when no folder can be written."""
    text = redact(f"specql-jobs {VERSION} {command}\n{clock.now().isoformat()}\n\n{_trace(error)}")
    for folder in _folders(env):
        with contextlib.suppress(OSError):
            return _write(folder, text)
    return ""


def _trace(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format())


def _folders(env: Mapping[str, str]) -> Iterator[Path]:
    yield state_folder(env)
    yield Path(tempfile.gettempdir())


def _write(folder: Path, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, path = tempfile.mkstemp(prefix="specql-jobs-crash-", suffix=".txt", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return path
