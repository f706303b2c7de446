"""`worker --processes N`: worker processes under one parent, which passes signals on and replaces killed ones."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from ..core import log
from ..core.errors import SpecqlJobsError
from ..core.store.db import kept_reachable
from ..runners import RunnerRegistry
from .exits import Exit
from .worker_process import Start, in_loop

#: A killed process is replaced, but not faster than this: what kills it at once must not spin.
RESPAWN_PAUSE = 1.0  # seconds

_SPAWN = multiprocessing.get_context("spawn")  # a fork would share the parent's event loop and descriptors


def run_pool(start: Start) -> int:
    """Run the processes until all have ended; return the worst of their exit codes."""
    start.planner(
        RunnerRegistry(chosen=start.settings.runners)
    )  # a wrong configuration is one error here, not one in every process
    with kept_reachable(start.dsn) as dsn:
        return Pool(replace(start, dsn=dsn)).run()


class Pool:
    """The processes of one `worker` command."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._alive: list[BaseProcess] = []
        self._stopping = False
        self._worst = int(Exit.OK)

    def run(self) -> int:
        """Start the processes and wait for the end of the last one."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        for _ in range(self._start.options.processes):
            self._spawn()
        while self._alive:
            wait([process.sentinel for process in self._alive], timeout=RESPAWN_PAUSE)
            self._reap()
        return self._worst

    def _spawn(self) -> None:
        process = _SPAWN.Process(target=_work, args=(self._start,))
        process.start()
        self._alive.append(process)

    def _reap(self) -> None:
        ended = [process for process in self._alive if process.exitcode is not None]
        self._alive = [process for process in self._alive if process not in ended]
        for process in ended:
            code = process.exitcode or 0
            if code < 0 and not self._stopping:
                log.log_event("process_replaced", pid=process.pid, signal=-code)
                self._spawn()
            else:
                self._worst = max(self._worst, code if code >= 0 else Exit.NEGATIVE)
                self._stop_all_after(code)

    def _stop_all_after(self, code: int) -> None:
        """One process that cannot work (2 and above) ends all: the next start would meet the same."""
        if code >= Exit.USAGE and not self._stopping:
            self._pass_on(signal.SIGTERM, None)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = self._stopping or number != signal.SIGHUP
        for process in self._alive:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP if number == signal.SIGHUP else signal.SIGTERM)


def _work(start: Start) -> None:
    """One process of the pool; its exit code is the command's."""
    start.configure_log()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        drained = in_loop(start.run())
    except SpecqlJobsError as error:
        log.log_event("worker_failed", code=error.code, error=error.message, hint=error.hint)
        sys.exit(error.exit_code)
    sys.exit(Exit.OK if drained else Exit.NEGATIVE)


def _end_with_parent() -> None:
    """Drain when the parent was killed: nobody would pass a signal on any more, and its successor starts others."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
