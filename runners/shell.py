"""The shell runner: one local process per job, in a bubblewrap sandbox, in its own control groups.

What leaves this machine: nothing, unless policy grants `network_access: all`. What stopping stops: every process of the
job, daemonised ones too; `execute` returns only once the kernel has confirmed it. What may remain after a crash of the
worker: empty control groups, which the next sweep removes; the processes die with the worker. Without a sandbox
(where policy and worker both say so) processes and a folder below /tmp outlive a killed worker until that sweep.

A worker that runs as root starts jobs as a user of their own (`job_uid`), because user 0 inside a sandbox is still
user 0 to the kernel. An unprivileged worker can only run jobs as itself, and hides its own memory from them.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.contract import (
    Call,
    Check,
    ExecutionContext,
    JobResult,
    JobRunner,
    Outcome,
    Refused,
    ResourceRequirements,
    Violation,
)
from ..core.errors import ConfigError
from ..core.job import ExecutionType
from . import shell_checks
from .cgroup_host import CgroupHost
from .paths import Owner, PathProblem, path_outcome, trusted_program
from .sandbox import PRLIMIT, HostLayout
from .seccomp import program as seccomp_program
from .shell_attempt import Admitted, attempt
from .shell_launch import Host, Where, prepare
from .shell_orphans import sweep_orphans
from .shell_outcome import unavailable
from .shell_plan import ShellPlan, ShellSpec, make_plan, read_spec
from .shell_scratch import sweep_scratch
from .visit import NOBODY, Visit

if TYPE_CHECKING:
    from ..core.registry.model import Service

#: In no distribution's range for accounts, system users, containers or nobody, so that nothing else runs as it.
DEFAULT_JOB_UID = 64321
CPU_LOOK_SECONDS = 0.2  # between two looks at how much CPU time a limited job has used
_PR_SET_DUMPABLE = 4


class ShellScriptRunner(JobRunner[ShellSpec, ShellPlan]):
    """Runs a program of this host for each job.

    The two switches weaken it and belong to the worker's own configuration, never to a registry or a row:
    `allow_unsandboxed` lets services whose policy says `sandbox: none` run so; `allow_weak_limits` lets jobs run where
    no control group can be made, with the limits of single processes only.
    """

    execution_type = ExecutionType.SHELL
    version = "shell/1"

    def __init__(
        self,
        *,
        job_uid: int = DEFAULT_JOB_UID,
        bwrap: str = "/usr/bin/bwrap",
        allow_unsandboxed: bool = False,
        allow_weak_limits: bool = False,
        visit: Visit = NOBODY,
    ) -> None:
        """`visit` is for one execution that a person watches; a worker's has none."""
        if job_uid <= 0:
            raise ConfigError("job_uid must be an unprivileged user id", hint="choose a number that no account has")
        self._job_uid = job_uid
        self._bwrap = bwrap
        self._allow_unsandboxed = allow_unsandboxed
        self._allow_weak_limits = allow_weak_limits
        self._visit = visit
        self._looking = threading.Lock()
        self._host: Host | None = None
        self._cgroups: CgroupHost | None = None

    def validate_config(self, service: Service) -> ShellSpec:
        """Return the service's settings; raise ConfigError naming the field that is wrong."""
        return read_spec(service)

    def plan(self, spec: ShellSpec, call: Call) -> ShellPlan:
        """Return exactly what will be done; raise PlanError for input that has no plan."""
        return make_plan(spec, call)

    def get_resource_requirements(self, plan: ShellPlan) -> ResourceRequirements:
        """Return what executing the plan may consume."""
        return plan.resources

    async def execute(self, plan: ShellPlan, context: ExecutionContext) -> JobResult:
        """Run the plan's program to its end, or to the first limit, and return what came of it."""
        started = time.monotonic()
        admitted = await asyncio.to_thread(self._admit, plan)
        if not isinstance(admitted, Admitted):
            return JobResult(admitted)
        try:
            return await attempt(plan, context, admitted, started)
        finally:
            admitted.files.close()

    async def check(self) -> list[Check]:
        """Return what this host can really enforce, by running one program through all of it."""
        host, cgroups = await asyncio.to_thread(self._look)
        return await shell_checks.run(self, host, cgroups.enforces, self._host_problem(host))

    async def sweep(self, alive: frozenset[str]) -> list[str]:
        """Kill and remove what workers left that no longer run on this host: control groups, sandboxes, folders."""
        host, cgroups = await asyncio.to_thread(self._look)
        return await asyncio.to_thread(
            lambda: [*cgroups.sweep(alive), *sweep_orphans(host.uid), *sweep_scratch(host.uid)]
        )

    async def aclose(self) -> None:
        """Give back the worker's control groups."""
        if self._cgroups is not None:
            await asyncio.to_thread(self._cgroups.close)
            self._cgroups = None

    # ---- may it run here? ------------------------------------------------------------------------------------------

    def _look(self) -> tuple[Host, CgroupHost]:
        """Return what the host offers, looking once."""
        with self._looking:
            if self._host is None:
                self._host = _host(self._bwrap, self._job_uid)
            if self._cgroups is None:
                self._cgroups = CgroupHost.detect()
            return self._host, self._cgroups

    def _admit(self, plan: ShellPlan) -> Admitted | Outcome:
        """Return the plan's opened files, or why it does not run here. Blocks on the file system."""
        host, cgroups = self._look()
        refusal = self._refusal(plan, host, cgroups)
        if refusal is not None:
            return refusal
        try:
            weak = bool(shell_checks.unenforced(plan.resources, cgroups.enforces))
            return Admitted(Where(host, cgroups, weak, self._visit), prepare(plan, host.owner))
        except PathProblem as problem:
            return path_outcome(problem)

    def _refusal(self, plan: ShellPlan, host: Host, cgroups: CgroupHost) -> Outcome | None:
        if plan.sandbox == "none" and not self._allow_unsandboxed:
            message = "the policy says sandbox: none, but this worker runs nothing without one (allow_unsandboxed)"
            return Refused((Violation("sandbox_none_not_allowed", message, "sandbox"),))
        if plan.sandbox == "none" and self._visit.shell:
            return unavailable("the policy says sandbox: none, so there is no sandbox to open a shell in")
        problem = self._host_problem(host) if plan.sandbox != "none" else ""
        if problem:
            return unavailable(problem)
        missing = shell_checks.unenforced(plan.resources, cgroups.enforces)
        if missing and not self._allow_weak_limits:
            return unavailable(shell_checks.weak_limits(missing))
        return None

    def _host_problem(self, host: Host) -> str:
        """Return why no sandbox can be built here, or ""."""
        if seccomp_program(host.machine, "none") is None:
            return f"there is no list of refused system calls for {host.machine} machines"
        try:
            for path in (host.bwrap, PRLIMIT):
                os.close(trusted_program(path, host.owner).descriptor)
        except PathProblem as problem:
            return f"{problem.message} (install the packages 'bubblewrap' and 'util-linux')"
        return ""


# ---- what the host is ------------------------------------------------------------------------------------------------


def _host(bwrap: str, job_uid: int) -> Host:
    """Look at this host; for an unprivileged worker, close its memory and environment to its own jobs."""
    me = os.geteuid()
    if me != 0:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    uid = job_uid if me == 0 else None
    owner = Owner(frozenset({me}), me if uid is None else uid)
    return Host(bwrap=bwrap, layout=_layout(), machine=platform.machine(), uid=uid, owner=owner)


def _layout() -> HostLayout:
    names = [f"/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")]
    links = tuple((os.readlink(name), name) for name in names if Path(name).is_symlink())
    folders = tuple(name for name in names if Path(name).is_dir() and not Path(name).is_symlink())
    return HostLayout(links, folders)
