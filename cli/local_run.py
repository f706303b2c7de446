"""One job executed in this process: the worker's planner, judge and attempt, with Ctrl-C as its stop signal."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from ..core.clock import monotonic
from ..core.contract import Failed, Interrupted, JobResult, PlanError, StopReason, StopSignal
from ..core.errors import Denied, RunnerUnavailable
from ..core.job import ExecutionType, JobRecord
from ..core.lifecycle import RetryPolicy, Settlement, settle
from ..core.narrow import Ceiling
from ..core.registry.host_rules import executable
from ..core.registry.model import Registry
from ..core.secrets import SecretRef, Secrets
from ..core.settings import Settings
from ..core.worker.attempt import Surroundings, perform
from ..core.worker.planner import Draft, Planner, Prepared
from ..runners import RunnerRegistry
from ..runners.visit import Visit
from .context import runner_settings
from .exits import Terminated

_ONCE = RetryPolicy(max_retries=0)
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a job: its settlement, as a queue row would get it, and what only this process saw."""

    settlement: Settlement
    result: JobResult
    seconds: float


@asynccontextmanager
async def surroundings(
    registry: Registry, ceiling: Ceiling | None, secrets: Secrets, settings: Settings, visit: Visit | None = None
) -> AsyncIterator[Surroundings]:
    """Yield what an attempt needs; the runners' pools are released afterwards."""
    runners = RunnerRegistry(settings=runner_settings(settings, visit), chosen=settings.runners)
    try:
        yield Surroundings(Planner(registry, runners, ceiling), secrets)
    finally:
        await runners.aclose()


def draft(around: Surroundings, prepared: Prepared, job: JobRecord, data: dict[str, Any]) -> Draft | PlanError:
    """Return the judged plan, or why the input has none."""
    try:
        return around.planner.draft(prepared, job, data)
    except PlanError as error:
        return error


async def execute(drafted: Draft | PlanError, job: JobRecord, around: Surroundings) -> Ran:
    """Execute the plan to its settlement; raise RunnerUnavailable when this host cannot, Denied without its secrets."""
    started = monotonic()
    if isinstance(drafted, PlanError):
        result = JobResult(Failed(drafted.category, around.secrets.redact(drafted.message)))
    else:
        result = await _perform(drafted, around)
    return Ran(settle(job, result, _ONCE, 1, 0.0), result, monotonic() - started)


async def _perform(drafted: Draft, around: Surroundings) -> JobResult:
    if not drafted.violations:
        _require_secrets(drafted, around.secrets)
    stop = StopSignal()
    with _stopped_by_signals(stop) as heard:
        result = await perform(drafted, around, stop)
    if heard:
        raise Terminated if heard[0] == signal.SIGTERM else KeyboardInterrupt
    if isinstance(result.outcome, Interrupted):
        raise RunnerUnavailable(
            result.outcome.message or "this host cannot execute the job now", hint="specql-jobs doctor"
        )
    return result


def _require_secrets(drafted: Draft, secrets: Secrets) -> None:
    """A person at the keyboard learns of a missing secret before anything is executed."""
    for reference in _references(drafted):
        secrets.resolve(reference)


def missing_secrets(drafted: Draft | PlanError, secrets: Secrets) -> list[str]:
    """Return one sentence for each secret that the plan needs and this host does not have."""
    found: list[str] = []
    for reference in _references(drafted) if isinstance(drafted, Draft) else ():
        try:
            secrets.resolve(reference)
        except Denied as error:
            found.append(error.message)
    return found


def missing_paths(prepared: Prepared, drafted: Draft | PlanError) -> list[str]:
    """Return one sentence for each program, folder and file of a process's plan that this host does not have.

    Never part of the verdict: a worker's host may have them.
    """
    if isinstance(drafted, PlanError) or prepared.service.execution_type is not ExecutionType.SHELL:
        return []
    touched = drafted.plan.footprint
    programs = [path for path in touched.commands if not executable(path)]
    others = [mount.host_path for mount in touched.mounts if not os.path.exists(mount.host_path)]
    return [
        *(f"this host does not have the program {path}, or it cannot be executed" for path in programs),
        *(f"this host does not have {path}" for path in others if path not in programs),
    ]


def _references(drafted: Draft) -> Iterator[SecretRef]:
    for name in drafted.plan.footprint.secrets:
        kind, colon, rest = name.partition(":")
        if colon and kind in ("env", "file"):
            yield SecretRef(kind, rest)


@contextmanager
def _stopped_by_signals(stop: StopSignal) -> Iterator[list[int]]:
    """While inside, SIGINT and SIGTERM stop the job and let its runner end everything that it started."""
    loop, heard = asyncio.get_running_loop(), list[int]()

    def hear(number: int) -> None:
        heard.append(number)
        stop.request(StopReason.CANCELLED)

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        yield heard
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
