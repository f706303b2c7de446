"""`--watch`: the same check again whenever a file that it read changes.

Modification times are compared a few times a second: registries are few files, on file systems (network mounts,
containers) whose notifications cannot be relied on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..core.clock import now
from ..core.errors import SpecqlJobsError, UsageError
from .context import registry_paths
from .exits import Exit, Finished, problem_of
from .output.console import Console

if TYPE_CHECKING:
    from ..core.settings import Settings

INTERVAL: Final = 0.3  # seconds

#: What a file looked like: path, time of its last change, size; the last two are 0 where it cannot be read.
Stamp = tuple[str, int, int]


def watch(
    console: Console, given: list[str] | None, settings: Settings, beside: Iterable[Path], check: Callable[[], object]
) -> None:
    """Check now and after each change, until Ctrl-C (Finished, 130). Raise UsageError for what cannot be watched."""
    _require_people(console, given)
    paths = [*registry_paths(given, settings), *beside]
    pause = threading.Event()
    seen = stamps(paths)
    _turn(console, check)
    try:
        while not pause.wait(INTERVAL):
            if (found := stamps(paths)) != seen:
                seen = found
                _again(console, check)
    except KeyboardInterrupt:
        raise Finished(Exit.INTERRUPTED) from None


def _require_people(console: Console, given: list[str] | None) -> None:
    if given and "-" in given:
        raise UsageError("--watch cannot watch stdin", hint="name the file: validate services.yaml --watch")
    if console.files or console.format != "text":
        raise UsageError("--watch writes text for people alone", hint="leave -o away, or run without --watch")


def stamps(paths: Iterable[Path]) -> tuple[Stamp, ...]:
    """Return what the files at and right below `paths` look like now."""
    found = []
    for path in paths:
        inside = sorted(path.glob("*.y*ml")) if path.is_dir() else []
        found += [_stamp(each) for each in (path, *inside)]
    return tuple(found)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


def _again(console: Console, check: Callable[[], object]) -> None:
    """A file that is gone for a moment, while an editor writes it, is said and does not end the watch."""
    try:
        _turn(console, check)
    except SpecqlJobsError as error:
        console.fail(problem_of(error))


def _turn(console: Console, check: Callable[[], object]) -> None:
    console.clear_screen()
    console.say(f"{now().astimezone():%H:%M:%S} checked; watching for changes, Ctrl-C ends")
    check()
