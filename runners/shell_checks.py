"""What `doctor` says about shell jobs on this host, and what a host that cannot hold a limit means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from ..core.contract import Check, ExecutionContext, Failed, JobResult, Refused, ResourceRequirements, Succeeded
from ..core.secrets import Secrets
from .shell_launch import Host
from .shell_plan import ShellPlan

if TYPE_CHECKING:
    from .shell import ShellScriptRunner

PROBE = "/usr/bin/true"
PROBE_SECONDS = 10.0


def unenforced(resources: ResourceRequirements, enforces: frozenset[str]) -> tuple[str, ...]:
    """Return which stated limits no control group of this host can hold."""
    stated = {"memory": resources.memory_mb, "pids": resources.pids, "cpu": resources.cpu_cores}
    return tuple(name for name, limit in stated.items() if limit is not None and name not in enforces)


def weak_limits(missing: tuple[str, ...]) -> str:
    """Return the sentence for a host without the control groups that a policy's limits need."""
    return (
        f"cannot enforce {', '.join(missing)}: no writable control group (delegate one: systemd"
        " Delegate=yes, or chown). Set allow_weak_limits in the worker's configuration to"
        " accept limits of single processes only"
    )


async def run(runner: ShellScriptRunner, host: Host, enforces: frozenset[str], problem: str) -> list[Check]:
    """Return the lines of `doctor`; the sandbox line comes from really running a program with every option."""
    lines = list(_static(host, enforces, problem))
    if not problem:
        lines.append(_verdict(await runner.execute(_probe(enforces), _context())))
    return lines


def _static(host: Host, enforces: frozenset[str], problem: str) -> Iterator[Check]:
    if problem:
        yield Check("shell sandbox", "fail", problem, "apt-get install bubblewrap util-linux")
    else:
        yield Check("shell programs", "ok", f"{host.bwrap} and prlimit are there, and only root can change them")
    missing = unenforced(ResourceRequirements(memory_mb=1, pids=1, cpu_cores=1.0), enforces)
    held = ", ".join(sorted(enforces)) or "nothing"
    if missing:
        yield Check("shell limits", "fail", f"control groups enforce {held}, not {', '.join(missing)}", _FIX_CGROUPS)
    else:
        yield Check("shell limits", "ok", f"control groups enforce {held}")
    yield _identity(host)


_FIX_CGROUPS = "run the worker as root, or delegate control groups to it (systemd: Delegate=yes)"


def _identity(host: Host) -> Check:
    if host.uid is not None:
        return Check("shell identity", "ok", f"jobs run as the user id {host.uid}, which owns nothing on this host")
    detail = f"jobs run as the worker's own user id {os.geteuid()}, with its memory hidden from them"
    return Check("shell identity", "warn", detail, "run the worker as root to give jobs a user of their own")


def _probe(enforces: frozenset[str]) -> ShellPlan:
    """A plan with every isolation; it states only limits that can be held, since those have a line of their own."""
    resources = ResourceRequirements(
        memory_mb=64 if "memory" in enforces else None,
        cpu_cores=1.0 if "cpu" in enforces else None,
        pids=8 if "pids" in enforces else None,
        open_files=64,
        disk_mb=8,
    )
    return ShellPlan(
        argv=(PROBE,),
        environment={},
        input_env=(),
        working_directory="",
        mounts=(),
        resources=resources,
        network="none",
        sandbox="required",
        stdin=b"{}",
        output_bytes=4096,
        timeout_seconds=PROBE_SECONDS,
        streams=True,
        any_json=False,
    )


def _context() -> ExecutionContext:
    return ExecutionContext(job_id=UUID(int=0), timeout_seconds=PROBE_SECONDS, secrets=Secrets())


def _verdict(result: JobResult) -> Check:
    match result.outcome:
        case Succeeded():
            seconds = float(result.usage.get("duration_seconds", 0.0))
            detail = f"a program ran with namespaces, seccomp, no network and limits in {seconds * 1000:.0f} ms"
            return Check("shell sandbox", "ok", detail)
        case Refused(violations):
            return Check("shell sandbox", "fail", violations[0].message, _FIX_SANDBOX)
        case Failed(message=message):
            return Check("shell sandbox", "fail", message, _FIX_SANDBOX)
        case other:
            return Check("shell sandbox", "fail", f"the probe was stopped: {type(other).__name__}", _FIX_SANDBOX)


_FIX_SANDBOX = "bwrap --unshare-all --ro-bind / / /usr/bin/true   shows the kernel's answer"
