"""Host folders given to containers: checked before the engine resolves them again, and looked at once it has.

The engine takes a path, not a descriptor, and follows symbolic links in it. So nobody but root and the worker's owner
may be able to swap any part of the path; the folder is opened meanwhile; and as soon as the container runs, the
kernel's own list of its mounts must show that very folder, or the container is killed. Blocks on the file system.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.contract import Mount
from .paths import PathProblem, normal, open_source


class VolumeProblem(PathProblem):
    """A host folder cannot be given to a container."""

    key = "volume_restrictions.allowed_host_paths"


@dataclass(frozen=True, slots=True)
class Held:
    """A checked folder, kept open: `device` and `root` are how the kernel names it in a list of mounts."""

    mount: Mount
    descriptor: int
    device: str
    root: str


def hold(mounts: tuple[Mount, ...], private: tuple[str, ...]) -> tuple[Held, ...]:
    """Return every mount opened and checked; raise PathProblem. `private` are the engine's own files."""
    held: list[Held] = []
    try:
        for mount in mounts:
            held.append(_hold(mount, private))  # noqa: PERF401 - what was opened before a problem is closed below
    except BaseException:
        release(tuple(held))
        raise
    return tuple(held)


def release(held: tuple[Held, ...]) -> None:
    """Close what was kept open."""
    for each in held:
        os.close(each.descriptor)


def _hold(mount: Mount, private: tuple[str, ...]) -> Held:
    path = normal(mount.host_path)
    for own in map(PurePosixPath, private):
        if path.is_relative_to(own) or own.is_relative_to(path):
            raise VolumeProblem(f"volume {path} is never given to a job: it holds the container engine's own files")
    _check_owners(path)
    descriptor = open_source(str(path), None)
    try:
        device, root = _named_by_kernel(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return Held(mount, descriptor, device, root)


def _check_owners(path: PurePosixPath) -> None:
    """From the root downward, so that each step stands in a folder which nobody else can change."""
    trusted = {0, os.geteuid()}
    above = os.lstat("/")
    for step in reversed([path, *path.parents][:-1]):
        try:
            found = os.lstat(step)
        except OSError as error:
            raise VolumeProblem(f"volume {path} cannot be used: {step}: {error.strerror}", absent=True) from None
        sticky = above.st_mode & stat.S_ISVTX and found.st_uid in trusted
        if above.st_uid not in trusted or (above.st_mode & 0o022 and not sticky):
            message = f"volume {path} could be swapped: others may write to {step.parent}"
            raise VolumeProblem(f"{message} (chmod go-w, or chown root)")
        above = found


def _named_by_kernel(descriptor: int) -> tuple[str, str]:
    """Return (major:minor, path inside that file system) of an opened folder."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
        number = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        fields = next(line.split() for line in file if line.split(" ", 1)[0] == number)
    place = os.readlink(f"/proc/self/fd/{descriptor}")
    inside = PurePosixPath(_plain(fields[3])) / PurePosixPath(place).relative_to(_plain(fields[4]))
    return fields[2], str(inside)


def misplaced(held: tuple[Held, ...], pid: int) -> str:
    """Return the first host path that is not what the running container `pid` really has, or "".

    A container that has ended already, or whose mounts this process may not see, has nothing to compare.
    """
    try:
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return ""
    seen = {_plain(fields[4]): (fields[2], _plain(fields[3])) for fields in lines}
    return next((each.mount.host_path for each in held if _differs(each, seen)), "")


def _differs(each: Held, seen: dict[str, tuple[str, str]]) -> bool:
    found = seen.get(each.mount.job_path)
    return found is not None and found != (each.device, each.root)


def _plain(text: str) -> str:
    """Undo the kernel's octal escapes for blanks and backslashes."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(escaped, plain)
    return text
