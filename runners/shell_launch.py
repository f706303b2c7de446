"""From a shell plan to a process that can be started: opened files, the sandbox around it, and its environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from ..core.contract import ExecutionContext
from .arguments import identity
from .cgroup_host import CgroupHost
from .ending import flood_limit
from .launch import Launch
from .paths import Owner, PathProblem, Program, allows, open_source, trusted_program
from .sandbox import SCRATCH, HostLayout, Sandbox, Source, limit_words, options
from .seccomp import program as seccomp_program
from .shell_orphans import name_for
from .shell_plan import FIRST_ENVIRONMENT, ShellPlan
from .shell_scratch import make_kept
from .visit import NOBODY, SHELL, Visit

SETSID = "/usr/bin/setsid"  # of util-linux, which the sandbox needs anyhow
#: Reads one line, the gate, then becomes the job. Used only where policy and worker both switched the sandbox off.
GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@"', "job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What this host offers, looked up once. `uid` None: the worker is unprivileged and jobs run as itself."""

    bwrap: str
    layout: HostLayout
    machine: str
    uid: int | None
    owner: Owner


@dataclass(frozen=True, slots=True)
class Where:
    """Where a job runs: this host, its control groups, and whether they cannot hold a stated limit (`weak`).

    `visit` is what a person at this machine wants of it.
    """

    host: Host
    cgroups: CgroupHost
    weak: bool
    visit: Visit = NOBODY


@dataclass(slots=True)
class Prepared:
    """The files of one plan, opened and checked; leaving the context closes what it opened."""

    program: Program
    sources: tuple[Source, ...]
    _stack: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Close the descriptors; the started sandbox holds its own."""
        self._stack.close()


def prepare(plan: ShellPlan, owner: Owner) -> Prepared:
    """Open and check the program and every mount; raise PathProblem. Blocks on the file system."""
    with ExitStack() as stack:
        program = trusted_program(plan.argv[0], owner)
        stack.callback(os.close, program.descriptor)
        sources = []
        for mount in plan.mounts:
            descriptor = open_source(mount.host_path, owner.job_uid)
            stack.callback(os.close, descriptor)
            if mount.host_path == plan.working_directory:
                _check_enterable(descriptor, mount.host_path, owner.job_uid)
            sources.append(Source(descriptor, mount.job_path, mount.mode == "rw"))
        return Prepared(program, tuple(sources), stack.pop_all())


def _check_enterable(descriptor: int, path: str, job_uid: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISDIR(found.st_mode):
        raise PathProblem(f"working directory {path} is not a folder", absent=True)
    if not allows(found, job_uid, stat.S_IROTH | stat.S_IXOTH):
        message = f"working directory {path} is closed to the job user {job_uid} (chmod o+rx {path}, or chown it)"
        raise PathProblem(message, absent=True)


# ---- in the sandbox ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Boxed:
    """A launch in the sandbox, with our ends of its two pipes."""

    launch: Launch
    status: int
    gate: int
    terminal: int | None = None  # our end of a visitor's


@dataclass(frozen=True, slots=True)
class Lending:
    """Two stacks of descriptors: `lent` are closed once the sandbox holds them, `kept` if it does not start."""

    lent: ExitStack
    kept: ExitStack

    def memory(self, data: bytes) -> int:
        """Lend a file in memory, to be read by descriptor once."""
        descriptor = os.memfd_create("specql-jobs", os.MFD_CLOEXEC)
        self.lent.callback(os.close, descriptor)
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor

    def folder(self, path: str) -> int:
        """Lend an opened folder."""
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self.lent.callback(os.close, descriptor)
        return descriptor

    def terminal(self, uid: int | None) -> tuple[int, int]:
        """Return (lent end, kept end) of a pseudo-terminal that belongs to the job's user."""
        kept, lent = os.openpty()
        self.lent.callback(os.close, lent)
        self.kept.callback(os.close, kept)
        if uid is not None:
            os.fchown(lent, uid, -1)
        return lent, kept

    def pipe(self) -> tuple[int, int]:
        """Return (lent end, kept end) of a pipe that the sandbox writes."""
        kept, lent = os.pipe()
        self.lent.callback(os.close, lent)
        self.kept.callback(os.close, kept)
        os.set_blocking(kept, False)
        return lent, kept

    def gate(self) -> tuple[int, int]:
        """Return (lent end, kept end) of a pipe that the sandbox reads and that never comes to its end.

        Bubblewrap takes the end of this pipe for a release: a worker killed at that moment would let its job run
        without limits. An end that is opened for writing too keeps it waiting.
        """
        read, kept = os.pipe()
        self.kept.callback(os.close, kept)
        try:
            lent = os.open(f"/proc/self/fd/{read}", os.O_RDWR | os.O_CLOEXEC)
        finally:
            os.close(read)
        self.lent.callback(os.close, lent)
        return lent, kept


def boxed(plan: ShellPlan, prepared: Prepared, variables: Mapping[str, str], where: Where, lending: Lending) -> Boxed:
    """Return how to start the plan under bubblewrap; raise OSError when the worker is out of descriptors."""
    host = where.host
    status, status_end = lending.pipe()
    block, gate = lending.gate()
    path, links, extra = _place(prepared.program, host.layout)
    visit = where.visit
    lent, terminal = lending.terminal(host.uid) if visit.shell else (None, None)
    sandbox = Sandbox(
        layout=host.layout,
        network=plan.network,
        scratch_mib=plan.resources.disk_mb or 1,
        working_directory=plan.working_directory or SCRATCH,
        environment=variables,
        sources=(*prepared.sources, *extra),
        links=links,
        passwd=lending.memory(_passwd(host)),
        seccomp=lending.memory(seccomp_program(host.machine, plan.network) or b""),
        block=block,
        status=status,
        kept_scratch=lending.folder(kept_folder(where)) if visit.keep else -1,
        input_file=lending.memory(plan.stdin) if visit.shell else -1,
    )
    arguments = lending.memory(b"".join(word.encode() + b"\0" for word in options(sandbox)))
    limits = limit_words(plan.resources, weak=where.weak)
    launch = Launch(
        words=(host.bwrap, "--args", str(arguments), "--", *limits, *_program(path, plan, visit)),
        stdin=plan.stdin,
        keep=plan.output_bytes,
        flood=flood_limit(plan),
        uid=host.uid,
        inherit=(arguments, *sandbox.descriptors),
        name=name_for(os.getpid()),
        terminal=lent,
    )
    return Boxed(launch, status_end, gate, terminal)


def _program(path: str, plan: ShellPlan, visit: Visit) -> tuple[str, ...]:
    """The job's program, or a visitor's shell with its terminal as the controlling one, for Ctrl-C and job control."""
    return (SETSID, "--ctty", "--wait", *SHELL) if visit.shell else (path, *plan.argv[1:])


def kept_folder(where: Where) -> str:
    """Return a folder in the scratch's place that stays, and tell the visitor of it."""
    folder = make_kept(where.host.uid)
    where.visit.kept.append(folder)
    return folder


def _place(program: Program, layout: HostLayout) -> tuple[str, tuple[tuple[str, str], ...], tuple[Source, ...]]:
    """Return the path to execute, links to make for it, and the program's own mount where /usr does not hold it.

    The name in the plan is kept where it can be: a virtual environment or a multi-call program looks at its own name.
    """
    inside = [_of_system(path, layout) for path in (program.real, program.named, *program.links)]
    if all(inside):
        return program.named, (), ()
    mount = () if inside[0] else (Source(program.descriptor, program.real, writable=False),)
    if program.named == program.real or inside[1]:
        return program.real, (), mount
    return program.named, ((program.real, program.named),), mount


def _of_system(path: str, layout: HostLayout) -> bool:
    roots = ("/usr", "/etc/alternatives", *layout.folders, *(link for _, link in layout.links))
    return any(path == root or path.startswith(root + "/") for root in roots)


def _passwd(host: Host) -> bytes:
    uid = os.geteuid() if host.uid is None else host.uid
    return f"job:x:{uid}:{uid}:job:{SCRATCH}:/usr/sbin/nologin\n".encode()


# ---- without a sandbox -----------------------------------------------------------------------------------------------


def unboxed(plan: ShellPlan, variables: Mapping[str, str], where: Where, scratch: str) -> Launch:
    """Return how to start the plan with limits and identity only; `scratch` is its private folder."""
    return Launch(
        words=(*GATE, *limit_words(plan.resources, weak=where.weak), *plan.argv),
        stdin=plan.stdin,
        keep=plan.output_bytes,
        flood=flood_limit(plan),
        uid=where.host.uid,
        environment=variables,
        directory=plan.working_directory or scratch,
        gate_on_stdin=True,
    )


# ---- both ----------------------------------------------------------------------------------------------------------


def environment(plan: ShellPlan, context: ExecutionContext, home: str) -> dict[str, str]:
    """Return the job's whole environment: nothing of the worker's is in it."""
    return {**FIRST_ENVIRONMENT, "HOME": home, **plan.environment, **identity(context)}
