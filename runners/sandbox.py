"""The bubblewrap command line of one job. Pure: what is mounted and set is decided before, and tested as text.

Everything that may be private goes through `--args FD` and so never shows in the host's process list; bubblewrap itself
is started with an empty environment, because a job can read the one that its pid 1 was started with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..core.contract import Mount, ResourceRequirements

MIB = 1024 * 1024
SCRATCH = "/work"  # the job's private folder, its HOME and, unless the service names another, its working directory
INPUT_FILE = f"{SCRATCH}/input.json"  # of a visitor's shell
TMP_MIB = 64  # /tmp, beside the scratch; both are charged to the job's memory
SHM_BYTES = MIB

#: Of /etc only what programs need to start; never the whole.
ETC = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime", "/etc/nsswitch.conf", "/etc/ssl/certs")
ETC_NETWORK = ("/etc/resolv.conf", "/etc/hosts")


@dataclass(frozen=True, slots=True)
class HostLayout:
    """The system folders of this host beside /usr: links to make, and real folders to mount."""

    links: tuple[tuple[str, str], ...] = tuple((f"usr/{name}", f"/{name}") for name in ("bin", "sbin", "lib", "lib64"))
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """An opened host path and where the job sees it."""

    descriptor: int
    job_path: str
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """All that decides one sandbox. Descriptors are those that bubblewrap inherits."""

    layout: HostLayout
    network: str  # none | localhost | all
    scratch_mib: int
    working_directory: str
    environment: Mapping[str, str]
    sources: tuple[Source, ...] = ()  # in the order in which they are mounted: parents first
    links: tuple[tuple[str, str], ...] = ()  # (target, link) inside the sandbox
    passwd: int = -1
    seccomp: int = -1
    block: int = -1
    status: int = -1
    kept_scratch: int = -1  # a folder of the host in the scratch's place, which stays; without the scratch's size
    input_file: int = -1  # what the job would read from stdin, where a terminal takes its place

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Every descriptor that bubblewrap must inherit, beside the one of its arguments."""
        optional = (each for each in (self.kept_scratch, self.input_file) if each >= 0)
        sources = (source.descriptor for source in self.sources)
        return (self.passwd, self.seccomp, self.block, self.status, *sources, *optional)


def options(sandbox: Sandbox) -> list[str]:
    """Return bubblewrap's options, in order, for its `--args` descriptor."""
    return [
        *_isolation(sandbox),
        *_system(sandbox),
        "--perms", "0444", "--ro-bind-data", str(sandbox.passwd), "/etc/passwd",
        *_scratch(sandbox),
        *_input_file(sandbox),
        *(word for target, link in sandbox.links for word in ("--symlink", target, link)),
        *(word for source in sandbox.sources for word in _bind(source)),
        "--remount-ro", "/dev", "--remount-ro", "/",
        "--chdir", sandbox.working_directory,
        *(word for name, value in sandbox.environment.items() for word in ("--setenv", name, value)),
        "--seccomp", str(sandbox.seccomp),
        "--block-fd", str(sandbox.block),
        "--json-status-fd", str(sandbox.status),
    ]  # fmt: skip


def pasted(sandbox: Sandbox, mounts: Iterable[Mount]) -> list[str]:
    """Return the options as far as a person can type them: paths instead of descriptors, variables left out.

    What needs the worker is missing: the filter of system calls, the control groups, and the check of each path.
    """
    return [
        *_isolation(sandbox),
        *_system(sandbox),
        *_scratch(sandbox),
        *(word for mount in mounts for word in (_BINDS[mount.mode], mount.host_path, mount.job_path)),
        "--chdir", sandbox.working_directory,
    ]  # fmt: skip


_BINDS = {"ro": "--ro-bind", "rw": "--bind"}


def _isolation(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
    if sandbox.network != "all":
        yield "--unshare-net"
    # --die-with-parent ends daemonised children too; --new-session takes the worker's terminal away.
    yield from ("--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL", "--hostname", "job")


def _system(sandbox: Sandbox) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for target, link in sandbox.layout.links:
        yield from ("--symlink", target, link)
    for folder in sandbox.layout.folders:
        yield from ("--ro-bind", folder, folder)
    for path in (*ETC, *(ETC_NETWORK if sandbox.network == "all" else ())):
        yield from ("--ro-bind-try", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev")


def _scratch(sandbox: Sandbox) -> Iterator[str]:
    """Sized file systems: bubblewrap's own have no size and may take half of the host's memory."""
    yield from ("--size", str(SHM_BYTES), "--tmpfs", "/dev/shm")  # noqa: S108 - the job's own, not the host's
    tmp = min(sandbox.scratch_mib, TMP_MIB) * MIB
    yield from ("--size", str(tmp), "--perms", "1777", "--tmpfs", "/tmp")  # noqa: S108 - the job's own
    if sandbox.kept_scratch >= 0:
        yield from ("--bind-fd", str(sandbox.kept_scratch), SCRATCH)
    else:
        yield from ("--size", str(sandbox.scratch_mib * MIB), "--perms", "0700", "--tmpfs", SCRATCH)


def _input_file(sandbox: Sandbox) -> Iterator[str]:
    if sandbox.input_file >= 0:
        yield from ("--perms", "0444", "--ro-bind-data", str(sandbox.input_file), INPUT_FILE)


def _bind(source: Source) -> tuple[str, str, str]:
    return ("--bind-fd" if source.writable else "--ro-bind-fd", str(source.descriptor), source.job_path)


def limit_words(resources: ResourceRequirements, *, weak: bool) -> list[str]:
    """Return the `prlimit` command that stands before the job's: limits of each single process.

    `weak`: no control group limits memory and processes, so the process's data segment is limited (never RLIMIT_AS:
    address space that runtimes reserve and do not use would break them) and the job user's processes.
    """
    values = {
        "core": 0,
        "memlock": 65536,
        "nofile": resources.open_files,
        "nproc": resources.pids + 1 if weak and resources.pids is not None else None,
        "fsize": None if resources.disk_mb is None else resources.disk_mb * MIB,
        "data": resources.memory_mb * MIB if weak and resources.memory_mb is not None else None,
    }
    words = [f"--{name}={value}:{value}" for name, value in values.items() if value is not None]
    if resources.cpu_seconds is not None:
        soft = max(int(resources.cpu_seconds + 0.999), 1)
        words.append(f"--cpu={soft}:{soft + 1}")
    return [PRLIMIT, *words, "--"]


PRLIMIT = "/usr/bin/prlimit"
