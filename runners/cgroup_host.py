"""Where on this host a worker may make control groups, what they can enforce, and what dead workers left there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath
from uuid import UUID

from ..core.contract import ResourceRequirements
from .cgroup import USED, Hierarchy, JobGroup, kill_members, members, remove_folder, write

FOLDER = "specql"
#: v2 lets a group with processes have no limited children: the worker moves into this one first.
LEAF = "specql-worker"
SWEEP_SECONDS = 5.0
_INSTANCES = count()  # of CgroupHost in this process


def find(cgroups: str, mounts: str) -> tuple[Hierarchy, ...]:
    """Return the hierarchies that matter, from the text of /proc/self/cgroup and /proc/self/mountinfo. Pure."""
    own = dict(_own_paths(cgroups))
    found = (_hierarchy(line, own) for line in mounts.splitlines())
    known = [hierarchy for hierarchy in found if hierarchy is not None]
    # The same hierarchy may be mounted twice; the first mount serves.
    return tuple({(item.unified, item.controllers): item for item in reversed(known)}.values())


def _own_paths(text: str) -> Iterator[tuple[str, str]]:
    """Yield (controller, the worker's own group); the unified hierarchy has the empty controller."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _hierarchy(line: str, own: dict[str, str]) -> Hierarchy | None:
    left, _, right = line.partition(" - ")
    kind, _, options = right.split(" ", 2)
    root, mount_point = left.split()[3:5]
    if kind == "cgroup2" and "" in own:
        return Hierarchy(_below(mount_point, root, own[""]), frozenset(), unified=True)
    controllers = USED & set(options.split(",")) if kind == "cgroup" else frozenset[str]()
    first = next((name for name in sorted(controllers) if name in own), None)
    if first is None:
        return None
    return Hierarchy(_below(mount_point, root, own[first]), frozenset(controllers), unified=False)


def _below(mount_point: str, root: str, own: str) -> Path:
    """The worker's group as a path: a container may see only the part of the hierarchy below `root`."""
    path = PurePosixPath(own)
    inner = path.relative_to(root) if path.is_relative_to(root) else path.relative_to("/")
    return Path(mount_point) / (inner.parent if inner.name == LEAF else inner)


class CgroupHost:
    """The groups of one worker process. `enforces` holds which of memory, pids and cpu a limit can be set for."""

    def __init__(self, hierarchies: tuple[Hierarchy, ...]) -> None:
        """Take the hierarchies that can be written; nothing is made for a worker before its first job."""
        usable = (_usable(hierarchy) for hierarchy in hierarchies)
        self._hierarchies = tuple(hierarchy for hierarchy in usable if hierarchy is not None)
        controllers = frozenset[str]().union(*(hierarchy.controllers for hierarchy in self._hierarchies))
        self.enforces = controllers & {"memory", "pids", "cpu"}
        self.can_kill = bool(self._hierarchies)
        self._held: dict[str, tuple[tuple[Hierarchy, Path, int], ...]] = {}
        self._instance = next(_INSTANCES)
        self._numbers = count()
        self._holding = threading.Lock()

    @classmethod
    def detect(cls) -> CgroupHost:
        """Look at this process's own groups."""
        return cls(find(Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()))

    def create(self, worker_id: str, job_id: UUID, lease_seq: int, resources: ResourceRequirements) -> JobGroup:
        """Return new groups for one attempt; raise OSError where the kernel refuses."""
        name = f"{job_id.hex}-{lease_seq}-{next(self._numbers)}"
        folders = tuple((hierarchy, folder / name) for hierarchy, folder, _ in self._worker(worker_id))
        return JobGroup.create(folders, resources)

    def sweep(self, alive: frozenset[str]) -> list[str]:
        """Kill and remove the groups of workers that no longer run; return the folders removed, as paths."""
        kept = {_clean(worker_id) for worker_id in alive}
        return [
            str(folder)
            for hierarchy in self._hierarchies
            for folder in _folders(hierarchy.base / FOLDER)
            if folder.name.rpartition("-")[0] not in kept and _take(folder)
        ]

    def close(self) -> None:
        """Give back this worker's folders; they are empty once its jobs have ended."""
        for held in self._held.values():
            for _, folder, lock in held:
                remove_folder(folder)
                os.close(lock)
        self._held.clear()

    def _worker(self, worker_id: str) -> tuple[tuple[Hierarchy, Path, int], ...]:
        with self._holding:
            if worker_id not in self._held:
                self._held[worker_id] = tuple(self._hold(worker_id))
            return self._held[worker_id]

    def _hold(self, worker_id: str) -> Iterator[tuple[Hierarchy, Path, int]]:
        name = _clean(worker_id)
        for hierarchy in self._hierarchies:
            folders = _folders(hierarchy.base / FOLDER)
            for left_behind in (folder for folder in folders if folder.name.rpartition("-")[0] == name):
                _take(left_behind)
            folder = hierarchy.base / FOLDER / f"{name}-{os.getpid()}.{self._instance}"
            folder.mkdir(exist_ok=True)
            _enable(folder, hierarchy)
            yield hierarchy, folder, _lock(folder)


def _usable(hierarchy: Hierarchy) -> Hierarchy | None:
    """The hierarchy with the controllers that can be handed down to jobs, or None where nothing may be made."""
    try:
        (hierarchy.base / FOLDER).mkdir(exist_ok=True)
        if not os.access(hierarchy.base / FOLDER, os.W_OK):
            return None
        return replace(hierarchy, controllers=_hand_down(hierarchy.base)) if hierarchy.unified else hierarchy
    except OSError:
        return None


def _hand_down(base: Path) -> frozenset[str]:
    """Enable the wanted controllers of a v2 group for its children; return those that are."""
    wanted = USED & set((base / "cgroup.controllers").read_text().split())
    missing = wanted - set((base / "cgroup.subtree_control").read_text().split())
    if missing:
        _enable_here(base, missing)
    enabled = wanted & set((base / "cgroup.subtree_control").read_text().split())
    _enable_here(base / FOLDER, enabled)
    return frozenset(enabled)


def _enable_here(base: Path, controllers: frozenset[str] | set[str]) -> None:
    order = " ".join(f"+{name}" for name in sorted(controllers))
    if not order:
        return
    try:
        write(base / "cgroup.subtree_control", order)
    except OSError:
        # Busy: this group has processes. With ours in a leaf it has none, unless it is shared with strangers.
        with suppress(OSError):
            (base / LEAF).mkdir(exist_ok=True)
            write(base / LEAF / "cgroup.procs", str(os.getpid()))
            write(base / "cgroup.subtree_control", order)


def _enable(folder: Path, hierarchy: Hierarchy) -> None:
    if hierarchy.unified and hierarchy.controllers:
        write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in sorted(hierarchy.controllers)))


def _clean(worker_id: str) -> str:
    """A folder name for a worker: readable, and distinct where only odd characters differ."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", worker_id)[:60]
    return f"w-{readable}-{hashlib.sha256(worker_id.encode()).hexdigest()[:8]}"


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(path for path in parent.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []


def _lock(folder: Path) -> int:
    """Hold the folder for as long as this process lives; the kernel lets go when it dies, however it dies."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _take(folder: Path) -> bool:
    """Kill and remove one worker's folder if its worker is dead; return whether it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        jobs = [_clear(job) for job in _folders(folder)]
        return all(jobs) and remove_folder(folder)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _clear(job: Path) -> bool:
    deadline = time.monotonic() + SWEEP_SECONDS
    while members(job) and time.monotonic() < deadline:
        kill_members(job)
        time.sleep(0.005)
    return remove_folder(job)
