"""Control groups of jobs: limits that hold for all processes of a job together, measuring, and killing them all.

Linux has two versions, often both at once: v1 mounts one hierarchy per controller, v2 one for all, and on a mixed host
v2 has few controllers but can still kill a group. Groups stand below the worker's own group of each hierarchy, as
`specql/<worker>/<job>`; the worker holds a lock on its folder, so that a sweep takes only what dead workers left.
Everything here blocks for up to some milliseconds: call it from a thread.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.contract import ResourceRequirements

MIB = 1024 * 1024
PERIOD_US = 100_000  # over which a share of CPU time is measured out; the kernel's default
SHORTEST_QUOTA_US = 1_000  # the kernel refuses less
REMOVAL_SECONDS = 1.0  # rmdir may answer EBUSY for a moment after the last process has died

#: The controllers that limit or measure something here; `pids`, `memory` and `cpu` can be enforced.
USED = frozenset({"memory", "pids", "cpu", "cpuacct", "blkio", "io"})


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy: `base` is the worker's own group in it; `controllers` are those that work below it."""

    base: Path
    controllers: frozenset[str]
    unified: bool  # v2


@dataclass(frozen=True, slots=True)
class GroupUsage:
    """What a group has used; None where no controller measures it."""

    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    io_bytes: int | None = None  # read from and written to block devices
    oom_kills: int = 0
    forks_refused: int = 0


def limits(hierarchy: Hierarchy, resources: ResourceRequirements) -> Iterator[tuple[str, str, bool]]:
    """Yield (control file, value, required) for one hierarchy; files that are not required may be absent."""
    if "memory" in hierarchy.controllers and resources.memory_mb is not None:
        yield from _memory_limits(hierarchy.unified, str(resources.memory_mb * MIB))
    if "pids" in hierarchy.controllers and resources.pids is not None:
        yield "pids.max", str(resources.pids + 1), True  # one for the sandbox's own init
    if "cpu" in hierarchy.controllers and resources.cpu_cores is not None:
        yield from _cpu_limits(hierarchy.unified, max(int(resources.cpu_cores * PERIOD_US), SHORTEST_QUOTA_US))


def _memory_limits(unified: bool, most: str) -> Iterator[tuple[str, str, bool]]:
    if unified:
        yield "memory.max", most, True
        yield "memory.swap.max", "0", False
        yield "memory.oom.group", "1", False
    else:
        yield "memory.limit_in_bytes", most, True
        yield "memory.memsw.limit_in_bytes", most, False


def _cpu_limits(unified: bool, quota: int) -> Iterator[tuple[str, str, bool]]:
    if unified:
        yield "cpu.max", f"{quota} {PERIOD_US}", True
    else:
        yield "cpu.cfs_period_us", str(PERIOD_US), True
        yield "cpu.cfs_quota_us", str(quota), True


@dataclass(frozen=True, slots=True)
class JobGroup:
    """One job's groups, one per hierarchy."""

    places: tuple[tuple[Hierarchy, Path], ...]

    @classmethod
    def create(cls, folders: tuple[tuple[Hierarchy, Path], ...], resources: ResourceRequirements) -> JobGroup:
        """Make the groups and set their limits; raise OSError, leaving nothing, where the kernel refuses."""
        group = cls(folders)
        try:
            for hierarchy, path in folders:
                path.mkdir()
                _set_limits(hierarchy, path, resources)
        except OSError:
            group.remove()
            raise
        return group

    def attach(self, pid: int) -> None:
        """Move a process into every group; what it starts afterwards is born there."""
        for _, path in self.places:
            write(path / "cgroup.procs", str(pid))

    def pids(self) -> set[int]:
        """Return the living processes of the job."""
        return {pid for _, path in self.places for pid in members(path)}

    def kill(self) -> None:
        """Send SIGKILL to every process of the job, whatever session or parent it has made itself."""
        for hierarchy, path in self.places:
            if hierarchy.unified and _write_if_there(path / "cgroup.kill", "1"):
                return
        for hierarchy, path in self.places:
            if "pids" in hierarchy.controllers:
                _write_if_there(path / "pids.max", "0")  # no process may escape by forking between the two looks
        for _, path in self.places:
            kill_members(path)

    def usage(self) -> GroupUsage:
        """Return what the job has used so far."""
        return GroupUsage(
            cpu_seconds=self._cpu_seconds(),
            peak_bytes=self._number("memory.peak", "memory.max_usage_in_bytes"),
            io_bytes=self._io_bytes(),
            oom_kills=self._keyed("oom_kill", "memory.events", "memory.oom_control") or 0,
            forks_refused=self._keyed("max", "pids.events") or 0,
        )

    def remove(self) -> bool:
        """Remove the empty groups; return whether all are gone (the sweep retries the others)."""
        left = [path for _, path in self.places if not remove_folder(path)]
        return not left

    def _cpu_seconds(self) -> float | None:
        nanoseconds = self._number("cpuacct.usage")
        if nanoseconds is not None:
            return nanoseconds / 1e9
        microseconds = self._keyed("usage_usec", "cpu.stat")
        return None if microseconds is None else microseconds / 1e6

    def _io_bytes(self) -> int | None:
        for text in self._texts("io.stat"):
            words = [word for word in text.split() if word.startswith(("rbytes=", "wbytes="))]
            return sum(int(word.partition("=")[2]) for word in words)
        for text in self._texts("blkio.throttle.io_service_bytes"):
            totals = [line.split() for line in text.splitlines() if " Total " in line]
            return sum(int(words[-1]) for words in totals)
        return None

    def _number(self, *names: str) -> int | None:
        return next((int(text) for text in self._texts(*names) if text.strip().isdigit()), None)

    def _keyed(self, key: str, *names: str) -> int | None:
        """Return the number after `key` in the first of these files that has it."""
        for text in self._texts(*names):
            for line in text.splitlines():
                name, _, value = line.partition(" ")
                if name == key:
                    return int(value)
        return None

    def _texts(self, *names: str) -> Iterator[str]:
        for name in names:
            for _, path in self.places:
                with suppress(OSError):
                    yield (path / name).read_text()


# ---- control files -------------------------------------------------------------------------------------------------


def write(path: Path, value: str) -> None:
    """Write one control file in one call; raise OSError at once (a buffered file would swallow it when collected)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, value.encode())
    finally:
        os.close(descriptor)


def _write_if_there(path: Path, value: str) -> bool:
    try:
        write(path, value)
    except (FileNotFoundError, PermissionError):
        return False
    return True


def _set_limits(hierarchy: Hierarchy, path: Path, resources: ResourceRequirements) -> None:
    for name, value, required in limits(hierarchy, resources):
        try:
            write(path / name, value)
        except FileNotFoundError:
            if required:
                raise


def members(path: Path) -> set[int]:
    """Return the processes of one group; those outside our own pid namespace, shown as 0, are not ours to name."""
    try:
        return {int(pid) for pid in (path / "cgroup.procs").read_text().split()} - {0}
    except (FileNotFoundError, OSError):
        return set()


def kill_members(path: Path) -> None:
    """Send SIGKILL to every process of one group, once; a number that was reused meanwhile is not hit."""
    for pid in members(path):
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in members(path):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)


def remove_folder(path: Path) -> bool:
    """Remove one empty group, waiting a moment for the kernel to let go of it; return whether it is gone."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        else:
            return True
