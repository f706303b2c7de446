"""One attempt of one shell job: confined, started, watched, ended, and explained."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.contract import ExecutionContext, JobResult, Outcome, StopReason
from .cgroup import JobGroup
from .ending import Ending, Said, usage_of
from .launch import Running
from .sandbox import SCRATCH
from .shell_launch import (
    Lending,
    Prepared,
    Where,
    boxed,
    environment,
    kept_folder,
    unboxed,
)
from .shell_outcome import host_busy, outcome, unavailable
from .shell_plan import ShellPlan
from .shell_ports import relayed
from .shell_scratch import make_scratch, remove_scratch

CPU_LOOK_SECONDS = 0.2  # between two looks at how much CPU time a limited job has used


@dataclass(frozen=True, slots=True)
class Admitted:
    """A plan that may run here: where, and its opened files."""

    where: Where
    files: Prepared


async def attempt(plan: ShellPlan, context: ExecutionContext, admitted: Admitted, started: float) -> JobResult:
    """Run an admitted plan to its end or first limit; `started` is on the monotonic clock."""
    try:
        return await _attempt(plan, context, admitted, started)
    except OSError as error:
        return JobResult(_start_failure(error))


async def _attempt(plan: ShellPlan, context: ExecutionContext, admitted: Admitted, started: float) -> JobResult:
    async with (
        _grouped(plan, context, admitted.where) as group,
        _running(plan, context, admitted, group) as running,
    ):
        left = context.timeout_seconds - (time.monotonic() - started)
        end = await context.stop.race(_until_end(running, group, plan), left)
        confirmed = await running.end(group)
        ending = Ending(
            exit_code=running.exit_code,
            stop=end if isinstance(end, StopReason) else None,
            flooded=running.flooded.done(),
            cpu_exceeded=end is True,
            confirmed_dead=confirmed,
            seconds=time.monotonic() - started,
            timeout_seconds=context.timeout_seconds,
            usage=await asyncio.to_thread(group.usage) if group else None,
        )
    return _result(plan, ending, running, context)


@asynccontextmanager
async def _grouped(plan: ShellPlan, context: ExecutionContext, where: Where) -> AsyncIterator[JobGroup | None]:
    """The job's control groups, removed afterwards; None where the host has none and the worker accepts that."""
    if not where.cgroups.can_kill:
        yield None
        return
    worker = context.worker_id or f"local-{os.getpid()}"
    group = await asyncio.to_thread(where.cgroups.create, worker, context.job_id, context.lease_seq, plan.resources)
    try:
        yield group
    finally:
        await asyncio.to_thread(group.remove)


@asynccontextmanager
async def _running(
    plan: ShellPlan, context: ExecutionContext, admitted: Admitted, group: JobGroup | None
) -> AsyncIterator[Running]:
    """The started job, still at its gate; whatever happens, nothing of it lives afterwards."""
    terminal = None
    async with _scratch(plan, admitted.where) as scratch:
        variables = environment(plan, context, scratch)
        if plan.sandbox == "none":
            running = Running(unboxed(plan, variables, admitted.where, scratch), None, None)
        else:
            with ExitStack() as lent, ExitStack() as kept:
                box = boxed(plan, admitted.files, variables, admitted.where, Lending(lent, kept))
                running = Running(box.launch, box.status, box.gate)
                kept.pop_all()
            terminal = box.terminal
        try:
            with _visited(terminal):
                yield running
        finally:
            await running.end(group)


@contextmanager
def _visited(terminal: int | None) -> Iterator[None]:
    """Connect our end of a visitor's pseudo-terminal, if there is one, with this process's own, and close it."""
    if terminal is None:
        yield
        return
    from .terminal import lent, resize  # noqa: PLC0415 - only for a visitor

    try:
        with lent(terminal, lambda wanted: resize(terminal, wanted)):
            yield
    finally:
        os.close(terminal)


@asynccontextmanager
async def _scratch(plan: ShellPlan, where: Where) -> AsyncIterator[str]:
    """The job's private folder: the sandbox brings its own, without one it is a folder of this host."""
    if plan.sandbox != "none":
        yield SCRATCH
        return
    if where.visit.keep:
        yield kept_folder(where)
        return
    scratch = await asyncio.to_thread(make_scratch, where.host.uid)
    try:
        yield scratch.path
    finally:
        await asyncio.to_thread(remove_scratch, scratch)


async def _until_end(running: Running, group: JobGroup | None, plan: ShellPlan) -> bool:
    """Let the job go once it is confined, and wait for its end; return whether it used up its CPU time."""
    pid = await running.gated()
    if pid is not None and await asyncio.to_thread(_confine, group, pid):
        async with relayed(pid, plan.localhost_ports if plan.sandbox != "none" else ()):
            running.release()
            return await _watch(running, group, plan)
    await running.exited
    return False


def _confine(group: JobGroup | None, pid: int) -> bool:
    """Put the waiting process under its limits; return False if it has ended meanwhile."""
    try:
        if group is not None:
            group.attach(pid)
        # A job is what the kernel should kill first when memory is short; without the right to say so, it is not.
        with suppress(PermissionError):
            Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return True


async def _watch(running: Running, group: JobGroup | None, plan: ShellPlan) -> bool:
    most = plan.resources.cpu_seconds
    pause = CPU_LOOK_SECONDS if group is not None and most is not None else None
    while True:
        ends = {running.exited, running.flooded}
        done, _ = await asyncio.wait(ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        if done or group is None or most is None:
            return False
        if ((await asyncio.to_thread(group.usage)).cpu_seconds or 0.0) > most:
            return True


def _result(plan: ShellPlan, ending: Ending, running: Running, context: ExecutionContext) -> JobResult:
    redact = context.secrets.redact
    said = Said.of(running.stdout, running.stderr, redact, plan.output_bytes)
    whole = running.stdout.whole(plan.output_bytes)
    return JobResult(outcome(plan, ending, said, whole, redact), usage_of(ending), said.logs())


def _start_failure(error: OSError) -> Outcome:
    if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
        return host_busy()
    return unavailable(f"{error.strerror} ({error.filename or 'process start'})")
