"""One job's processes from start to proven end: started behind a gate, told apart, killed whole, and reaped.

The gate: the program does not run before `release`, so that control groups hold it from its first instruction. The end:
`end` returns once the kernel has confirmed that no process of the job is left, daemonised ones included. Started from
the event loop's own thread, because the kernel ends bubblewrap when the thread that started it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from .capture import Capture, Feed
from .cgroup import JobGroup

KILL_SECONDS = 5.0  # a process that outlives SIGKILL for so long hangs in the kernel
MOST_STATUS = 65536  # bytes of bubblewrap's status documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start one job's first process. `uid` None: as the worker itself."""

    words: tuple[str, ...]
    stdin: bytes
    keep: int  # bytes of each output stream
    flood: int  # bytes of both streams together at which the job is ended
    uid: int | None
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    inherit: tuple[int, ...] = ()
    name: str = ""  # argv[0], where it is not the first word
    gate_on_stdin: bool = False  # the first line of stdin opens the gate; else `block` does
    terminal: int | None = None  # all three streams, instead of pipes


class Status:
    """Bubblewrap's status documents: its child's pid, and the exit code if the program was really started."""

    def __init__(self, descriptor: int) -> None:
        """Take over the non-blocking read end."""
        self._descriptor = descriptor
        self._raw = bytearray()
        self._open = True
        self.started: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(descriptor, self.pump)

    @property
    def exit_code(self) -> int | None:
        """The program's exit code; None if it was never started."""
        return self._documents().get("exit-code")

    def pump(self) -> None:
        """Read what is there."""
        try:
            data = os.read(self._descriptor, MOST_STATUS) if self._open else b""
        except BlockingIOError:
            return
        self._raw += data
        pid = self._documents().get("child-pid")
        if (pid is not None or not data) and not self.started.done():
            self.started.set_result(pid)
        if not data:
            self.close()

    def close(self) -> None:
        """Stop reading."""
        if self._open:
            self._open = False
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)

    def _documents(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for line in self._raw.decode("ascii", "replace").splitlines():
            with suppress(ValueError):
                found.update(json.loads(line))
        return found


class Running:
    """A started job. `exited` is done when its first process has ended, `flooded` when it said too much."""

    def __init__(self, launch: Launch, status: int | None, gate: int | None) -> None:
        """Start it. `status` (bubblewrap's documents) and `gate` (its --block-fd) are our ends, and become ours.

        Raises OSError if no process can be started; `status` and `gate` are the caller's to close then.
        """
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.flooded: asyncio.Future[None] = loop.create_future()
        self._launch = launch
        self._said = 0
        self._confirmed: bool | None = None
        self._init: int | None = None  # pidfd of the sandbox's first process
        self._gate = gate
        with ExitStack() as theirs, ExitStack() as ours:
            pipes = _pipes(launch.uid, theirs, ours)
            self._popen = _start(launch, pipes.theirs)
            ours.pop_all()
        self._outer = os.pidfd_open(self._popen.pid)
        self._status = None if status is None else Status(status)
        self._stdin, out, err = pipes.ours
        self._feed: Feed | None = None
        self.stdout = Capture(out, launch.keep, self._count)
        self.stderr = Capture(err, launch.keep, self._count)
        _on_end(self._outer, self.exited)

    @property
    def exit_code(self) -> int | None:
        """How the program ended, negative for a signal seen directly; None if it was never started."""
        return self._popen.returncode if self._status is None else self._status.exit_code

    async def gated(self) -> int | None:
        """Return the pid that waits at the gate, now held by a pidfd; None if the sandbox could not be built."""
        pid = self._popen.pid if self._status is None else await asyncio.shield(self._status.started)
        if pid is None or self._init is not None:
            return pid
        try:
            self._init = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        return pid

    def release(self) -> None:
        """Open the gate and feed stdin."""
        first = b"\n" if self._launch.gate_on_stdin else b""
        self._feed = Feed(self._stdin, first + self._launch.stdin)
        if self._gate is not None:
            with suppress(BrokenPipeError):  # the sandbox failed to build; its exit says so
                os.write(self._gate, b"\n")

    async def end(self, group: JobGroup | None) -> bool:
        """Kill whatever is left, wait until it is gone and reap it; return whether the kernel has confirmed that."""
        if self._confirmed is not None:
            return self._confirmed
        deadline = time.monotonic() + KILL_SECONDS
        with suppress(TimeoutError):  # killed before it is known, the sandbox's first process could get away
            async with asyncio.timeout(KILL_SECONDS):
                await self.gated()
        self._kill()
        gone = await self._dead(deadline)
        emptied = group is None or await _emptied(group, deadline)
        self._collect(reap=gone)
        self._confirmed = gone and emptied
        return self._confirmed

    def _kill(self) -> None:
        for descriptor in (self._init, self._outer):
            if descriptor is not None:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    async def _dead(self, deadline: float) -> bool:
        watched = [self.exited]
        if self._init is not None and self._status is not None:
            init_ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            _on_end(self._init, init_ended)
            watched.append(init_ended)
        _, alive = await asyncio.wait(watched, timeout=max(deadline - time.monotonic(), 0.0))
        return not alive

    def _collect(self, *, reap: bool) -> None:
        if reap:
            self._reap()
        for capture in (self.stdout, self.stderr):
            capture.drain(self._launch.flood)
            capture.close()
        if self._status is not None:
            self._status.pump()
            self._status.close()
        if self._feed is not None:
            self._feed.close()
        else:
            os.close(self._stdin)
        loop = asyncio.get_running_loop()
        for descriptor in (self._outer, self._init):
            if descriptor is not None:
                loop.remove_reader(descriptor)
        for descriptor in (self._outer, self._init, self._gate):
            if descriptor is not None:
                os.close(descriptor)

    def _reap(self) -> None:
        self._popen.wait()
        if self._init is not None and self._status is not None:
            # Orphaned, it falls to pid 1, which a worker may be in a container.
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._init, os.WEXITED | os.WNOHANG)

    def _count(self, number: int) -> None:
        self._said += number
        if self._said > self._launch.flood and not self.flooded.done():
            self.flooded.set_result(None)


def _start(launch: Launch, theirs: tuple[int, int, int]) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = theirs if launch.terminal is None else (launch.terminal,) * 3
    drop = launch.uid is not None
    return subprocess.Popen(  # noqa: S603 - no shell; the words were judged by policy
        (launch.name or launch.words[0], *launch.words[1:]),
        executable=launch.words[0],
        env=launch.environment,
        cwd=launch.directory,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=launch.inherit,
        start_new_session=True,
        user=launch.uid,
        group=launch.uid,
        extra_groups=() if drop else None,
        umask=0o077,
    )


@dataclass(frozen=True, slots=True)
class _Pipes:
    """Both ends of stdin, stdout and stderr, in that order."""

    theirs: tuple[int, int, int]
    ours: tuple[int, int, int]


def _pipes(uid: int | None, theirs: ExitStack, ours: ExitStack) -> _Pipes:
    """Return three pipes whose ends the two stacks close; ours do not block."""
    pairs = [_pipe(theirs, ours, inward=True), _pipe(theirs, ours), _pipe(theirs, ours)]
    if uid is not None:
        for descriptor, _ in pairs:
            os.fchown(descriptor, uid, uid)  # so that the job may open /dev/stdout and /dev/stderr
    (stdin, to), (stdout, out), (stderr, err) = pairs
    return _Pipes((stdin, stdout, stderr), (to, out, err))


def _pipe(theirs: ExitStack, ours: ExitStack, *, inward: bool = False) -> tuple[int, int]:
    """Return (their end, our end) of one pipe; `inward` means that they read."""
    read, write = os.pipe()
    mine, other = (write, read) if inward else (read, write)
    theirs.callback(os.close, other)
    ours.callback(os.close, mine)
    os.set_blocking(mine, False)
    return other, mine


async def _emptied(group: JobGroup, deadline: float) -> bool:
    """Kill what a group still holds until it is empty; return whether it is."""
    while await asyncio.to_thread(group.pids):
        if time.monotonic() > deadline:
            return False
        await asyncio.to_thread(group.kill)
        await asyncio.sleep(0.002)
    return True


def _on_end(pidfd: int, future: asyncio.Future[None]) -> None:
    """Complete `future` when the process has ended: a pidfd is readable then."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(pidfd)
        if not future.done():
            future.set_result(None)

    loop.add_reader(pidfd, ended)
