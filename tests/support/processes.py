"""Start the installed command as a real process, watch what it says, hurt it, and leave nothing of it behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from .waiting import PATIENCE, until

#: The console script beside the running interpreter: of the wheel under test, or of the editable checkout.
COMMAND: Final = Path(sys.executable).parent / "specql-jobs"


class Started:
    """One running process, leader of its own group; its output is read as it comes."""

    def __init__(self, arguments: tuple[str, ...], env: Mapping[str, str], folder: Path | None) -> None:
        self._popen = subprocess.Popen(
            arguments,
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.stdout: list[str] = []
        self.stderr: list[str] = []
        self._readers = (
            self._read(self._popen.stdout, self.stdout),
            self._read(self._popen.stderr, self.stderr),
        )

    @property
    def pid(self) -> int:
        """Process id, and id of the process group."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._popen.poll() is None

    def said(self) -> str:
        """Return all output up to now: stdout, then stderr."""
        return "".join([*self.stdout, *self.stderr])

    def wait_for(self, text: str, seconds: float = PATIENCE) -> None:
        """Wait until `text` was written to either stream; fail with all output if it does not come or the end does."""
        self.wait_until(lambda: text in self.said(), f"output {text!r}", seconds)

    def wait_until(self, condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait until `condition` holds, and no longer than the process lives."""
        try:
            until(lambda: condition() or not self.running, what, seconds)
            assert condition() or self._drained(condition), f"the process ended first: {what}"
        except AssertionError as error:
            raise AssertionError(f"{error}; it had said:\n{self.said()}") from None

    def finish(self, seconds: float = PATIENCE) -> int:
        """Wait for the process to end by itself; return its exit code (negative: the signal's number)."""
        self.wait_until(lambda: not self.running, "the process ends", seconds)
        self._drain()
        return self._popen.returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its children."""
        self._popen.send_signal(number)

    def terminate(self) -> None:
        """SIGTERM: a worker drains."""
        self.send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a crash would be, and reap; its children are left to what the process arranged for them."""
        self.send(signal.SIGKILL)
        self._popen.wait(PATIENCE)

    def pause(self) -> None:
        """SIGSTOP: the process is there and does nothing."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after `pause`."""
        self.send(signal.SIGCONT)

    def close(self) -> None:
        """End the whole process group and reap; safe to call in any state."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(PATIENCE)
        self._drain()

    def _drained(self, condition: Callable[[], object]) -> object:
        self._drain()
        return condition()

    def _drain(self) -> None:
        """Wait for the readers; a surviving grandchild may hold the pipe open, so not for ever."""
        for reader in self._readers:
            reader.join(1.0)

    @staticmethod
    def _read(stream: IO[str] | None, lines: list[str]) -> threading.Thread:
        assert stream is not None
        reader = threading.Thread(target=_collect, args=(stream, lines), daemon=True)
        reader.start()
        return reader


def _collect(stream: IO[str], lines: list[str]) -> None:
    """Keep every line; closing is the reader's, since to close a pipe that another thread reads would block."""
    with stream:
        for line in stream:
            lines.append(line)  # noqa: PERF402 - the watching thread must see each line as it comes


@contextmanager
def started(*arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> Iterator[Started]:
    """Yield a started process; its group is ended afterwards. `env` is added to this process's environment."""
    process = Started(arguments, {**os.environ, **(env or {})}, folder)
    try:
        yield process
    finally:
        process.close()


def command(*arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> tuple[int, str, str]:
    """Run `specql-jobs` with `arguments` to its end; return exit code, stdout and stderr."""
    done = subprocess.run(
        (str(COMMAND), *arguments),
        env={**os.environ, **(env or {})},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def survivors(mark: str) -> list[int]:
    """Return the ids of other processes that have `mark` in their environment; Linux only, elsewhere nothing."""
    return [pid for pid in map(_pid, Path("/proc").glob("[0-9]*/environ")) if pid != os.getpid() and _has(pid, mark)]


def _pid(environ: Path) -> int:
    return int(environ.parent.name)


def _has(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it ended meanwhile, or belongs to somebody else
        return False
