"""What a container has used: from a control group that outlives it, else from samples that the engine gives.

The engine forgets a container's counters when it ends. Where the engine shares this host's control groups, each
container gets a parent group of its own, `/specql-docker-<owner>/<job>`, which still has them afterwards. Elsewhere
samples must do: what is used between the last sample and the end is not seen. Blocks for milliseconds: call it from a
thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from .cgroup import USED, GroupUsage, Hierarchy, JobGroup, remove_folder

PREFIX = "specql-docker-"


def parent_path(owner: str, name: str) -> str:
    """Return the path of one container's parent group, from the root of every hierarchy."""
    return f"/{PREFIX}{owner}/{name}"


def group(parent: str) -> JobGroup:
    """Return the group that stands at `parent` in the hierarchies that measure."""
    return JobGroup(tuple((place, place.base / parent.lstrip("/")) for place in _hierarchies()))


def measured(parent: str) -> GroupUsage:
    """Return what a parent group counted. Version 1 counts input and output in the container's own group only."""
    usage = group(parent).usage()
    return replace(usage, io_bytes=usage.io_bytes or None)


def remove(parent: str) -> None:
    """Remove an empty parent group; its owner's folder stays, for the engine may be about to make another in it."""
    group(parent).remove()


def remove_owner(owner: str) -> list[str]:
    """Remove what is left of an owner's groups, once nothing of it runs; return the folders removed."""
    folders = [place.base / f"{PREFIX}{owner}" for place in _hierarchies()]
    for folder in folders:
        for path in _below(folder):
            if not _below(path):  # else a container is in it
                remove_folder(path)
    return [str(folder) for folder in folders if folder.is_dir() and not _below(folder) and remove_folder(folder)]


def owners() -> set[str]:
    """Return whose groups stand in any hierarchy."""
    names = {path.name for place in _hierarchies() for path in _below(place.base)}
    return {name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)}


def _below(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_dir()]
    except OSError:
        return []


def _hierarchies() -> tuple[Hierarchy, ...]:
    """Every mounted hierarchy at its root: the engine makes a parent group in all of them, measured or not."""
    found: dict[Path, Hierarchy] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        root, place = left.split()[3:5]
        if kind in ("cgroup", "cgroup2") and PurePosixPath(root) == PurePosixPath("/"):
            controllers = frozenset(USED & set(options.split(",")))
            found[Path(place)] = Hierarchy(Path(place), controllers, unified=kind == "cgroup2")
    return tuple(found.values())


# ---- samples ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """The most that was seen of one container so far; None where nothing was."""

    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    network_bytes: int | None = None

    def with_stats(self, answer: dict[str, Any]) -> Sample:
        """Return the sample with what one answer of the engine's stats shows; an ended container shows nothing."""
        cpu = ((answer.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
        memory = answer.get("memory_stats") or {}
        peak = memory.get("max_usage") or memory.get("usage")
        wires = (answer.get("networks") or {}).values()
        moved = sum(int(wire.get("rx_bytes", 0)) + int(wire.get("tx_bytes", 0)) for wire in wires)
        return Sample(
            _most(self.cpu_seconds, cpu / 1e9 if cpu else None),
            _most(self.peak_bytes, peak or None),
            _most(self.network_bytes, moved if answer.get("networks") else None),
        )

    def usage(self, measured: GroupUsage | None) -> GroupUsage | None:
        """Return what the group measured, or the samples where there is no group."""
        if measured is not None and measured.cpu_seconds is not None:
            return measured
        if self.cpu_seconds is None and self.peak_bytes is None:
            return measured
        return replace(measured or GroupUsage(), cpu_seconds=self.cpu_seconds, peak_bytes=self.peak_bytes)


def _most(one: float | None, other: float | None) -> Any:
    return max((value for value in (one, other) if value is not None), default=None)
