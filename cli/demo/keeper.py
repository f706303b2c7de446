"""The keeper of an incident: runs its far end and its worker until told to end, its folder goes, or two hours pass.

Orders come as files in the folder `orders`, which are removed once they are carried out: start, kill, reload, mend.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path
from threading import Event
from types import FrameType

from ...core.clock import monotonic
from .far_end import FarEnd, serving
from .processes import Process, end, start_cron, start_worker, tell

#: A forgotten incident ends by itself after this long. Seconds.
LIFETIME = 7200.0

#: Between two looks for orders, and before a killed worker is replaced, as a supervisor would. Seconds.
LOOK = 0.05
RESPAWN = 0.5

#: Between two ticks of a tenant's cron. Seconds.
TICK = 3.0

#: A worker gets this long to stop. Seconds.
LAST_PATIENCE = 15.0


class Keeper:
    """One incident's processes, in one thread beside the far end's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        about = json.loads((folder / "incident.json").read_text("utf-8"))
        self._concurrency = int(about["concurrency"])
        self._far_end = FarEnd(about["name"], folder / "calls.jsonl", self._strike)
        self._cron_words = tuple(map(str, about["cron"]))
        self._cron: Process | None = None
        self._next_tick = 0.0
        self._worker: Process | None = None
        self._wanted = False
        self._not_before = 0.0
        self._stop = Event()

    def run(self) -> None:
        """Serve until the end."""
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        until = monotonic() + LIFETIME
        with serving(self._far_end) as url:
            _write(self._folder / "far-end", url)
            while not self._stop.is_set() and monotonic() < until and (self._folder / "incident.json").exists():
                self._obey()
                self._supervise()
                self._tick()
                self._stop.wait(LOOK)
            for process in filter(None, (self._worker, self._cron)):
                end(process, LAST_PATIENCE)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _obey(self) -> None:
        for order in sorted((self._folder / "orders").glob("*")):
            match order.name:
                case "start":
                    self._wanted = True
                case "kill":
                    self._wanted = False
                    self._strike()
                case "reload" if self._worker is not None:
                    tell(self._worker, signal.SIGHUP)
                case "mend":
                    self._mend()
            order.unlink(missing_ok=True)

    def _mend(self) -> None:
        self._far_end.mended.set()
        if self._cron is not None:
            self._cron.wait()  # what it has begun to enqueue is in the queue before anybody counts
        (self._folder / "mended").touch()

    def _tick(self) -> None:
        """Enqueue once more, where the incident has a cron, while it is wanted."""
        due = self._wanted and self._cron_words and monotonic() >= self._next_tick
        if due and not self._far_end.mended.is_set() and (self._cron is None or self._cron.poll() is not None):
            self._cron, self._next_tick = start_cron(self._folder, self._cron_words), monotonic() + TICK

    def _supervise(self) -> None:
        if self._worker is not None and self._worker.poll() is not None:
            self._worker, self._not_before = None, monotonic() + RESPAWN
        if self._wanted and self._worker is None and monotonic() >= self._not_before:
            self._worker = start_worker(self._folder, self._concurrency)

    def _strike(self) -> None:
        if (worker := self._worker) is not None:
            tell(worker, signal.SIGKILL)


def _write(path: Path, text: str) -> None:
    """Write a file that others wait for: it is there whole or not at all."""
    beside = path.with_suffix(".part")
    beside.write_text(text, "utf-8")
    beside.rename(path)


def main(folder: Path) -> None:
    """Keep the incident of `folder`; the lock says for as long that somebody does."""
    _write(folder / "keeper.pid", str(os.getpid()))  # before the lock: whoever finds it held finds this
    lock = os.open(folder / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    Keeper(folder).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
