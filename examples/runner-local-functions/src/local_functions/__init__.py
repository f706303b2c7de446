"""Serverless services executed on this machine, each invocation in a Python process of its own. No sandbox.

What leaves this machine: nothing by itself. What stopping stops: the process and its children that stayed in its group.
What may remain after a crash of the worker: nothing, because each process watches its stdin and ends with the worker.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from specql_jobs.core.contract import (
    Call,
    Check,
    ExecutionContext,
    Failed,
    Footprint,
    FunctionRef,
    JobResult,
    JobRunner,
    LogChunk,
    Outcome,
    PlanError,
    ResourceRequirements,
    StopReason,
    Succeeded,
)
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category, ExecutionType
from specql_jobs.core.registry.model import Service

CHILD = str(Path(__file__).with_name("child.py"))
MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
KEPT_LOG = 65536  # bytes of stderr


@dataclass(frozen=True, slots=True)
class LocalSpec:
    """One service's settings: which function, and where its registry says that it lives."""

    provider: str
    region: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalPlan:
    """One invocation, fully decided."""

    spec: LocalSpec
    event: bytes  # JSON
    output_bytes: int
    timeout_seconds: float

    @property
    def footprint(self) -> Footprint:
        """The function under the names that policy knows it by, so that the cloud's policy holds on a laptop too."""
        return Footprint(
            functions=(FunctionRef(self.spec.provider, self.spec.region, self.spec.function),),
            request_bytes=len(self.event),
            output_bytes=self.output_bytes,
            timeout_seconds=self.timeout_seconds,
        )

    def describe(self) -> dict[str, Any]:
        """Return the invocation as data."""
        return {
            "execution_type": "serverless",
            "function": self.spec.function,
            "module": f"{self.spec.function}.py",
            "event": json.loads(self.event),
            "timeout_seconds": self.timeout_seconds,
        }


class LocalFunctionRunner(JobRunner[LocalSpec, LocalPlan]):
    """Finds functions below LOCAL_FUNCTIONS_PATH (default: ./functions)."""

    execution_type: ClassVar[ExecutionType] = ExecutionType.SERVERLESS
    version: ClassVar[str] = "local-functions/1"

    def __init__(self, folder: str = "") -> None:
        self._folder = Path(folder or os.environ.get("LOCAL_FUNCTIONS_PATH") or "functions").absolute()

    def validate_config(self, service: Service) -> LocalSpec:
        """Return the service's settings; raise ConfigError naming the field."""
        config = service.runner_config
        function = config.get("function_name")
        if not isinstance(function, str) or not MODULE.fullmatch(function):
            message = f"service {service.name}: runner_config.function_name must be the name of a Python module"
            raise ConfigError(message, hint="write  function_name: thumbs")
        return LocalSpec(str(config.get("provider") or "aws"), str(config.get("region") or ""), function)

    def plan(self, spec: LocalSpec, call: Call) -> LocalPlan:
        """Return what will be invoked: `payload`, or the whole input. Pure."""
        try:
            event = json.dumps(call.input.get("payload", dict(call.input)), allow_nan=False).encode("ascii")
        except (TypeError, ValueError) as error:
            raise PlanError(f"the payload is not JSON: {error}") from None
        return LocalPlan(
            spec=spec,
            event=event,
            output_bytes=call.policy.max_output_bytes,
            timeout_seconds=call.timeout_seconds,
        )

    def get_resource_requirements(self, plan: LocalPlan) -> ResourceRequirements:  # noqa: ARG002 - the same for all
        """Nothing is limited here: this is no sandbox."""
        return ResourceRequirements()

    async def execute(self, plan: LocalPlan, context: ExecutionContext) -> JobResult:
        """Invoke the function; its process and group have ended when this returns."""
        if context.stop.reason is not None:
            return JobResult(context.stop.reason.outcome(context.timeout_seconds))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", CHILD, str(self._folder), plan.spec.function),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.defpath, "SPECQL_JOB_ID": str(context.job_id)},
            start_new_session=True,
        )
        try:
            said = await context.stop.race(_converse(process, plan), context.timeout_seconds)
        finally:
            await _ended(process)
        if isinstance(said, StopReason):
            return JobResult(said.outcome(context.timeout_seconds), {"exit_code": process.returncode})
        return _result(plan, said, context)

    async def check(self) -> list[Check]:
        """Return whether there is a folder with functions."""
        if self._folder.is_dir():
            return [Check("local functions", "ok", f"functions of {self._folder}; no sandbox")]
        return [Check("local functions", "fail", f"{self._folder} is no folder", "set LOCAL_FUNCTIONS_PATH")]


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill the group, reap the process and empty its pipes; a child that left the group may hold those for ever."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await process.communicate()
    await process.wait()


@dataclass(frozen=True, slots=True)
class Said:
    """What a process said before it ended, or before it had said too much (`exit_code` None)."""

    stdout: bytes
    stderr: bytes
    exit_code: int | None


async def _converse(process: asyncio.subprocess.Process, plan: LocalPlan) -> Said:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(len(plan.event).to_bytes(8, "big") + plan.event)  # left open: its end ends the child
    log = asyncio.ensure_future(_read(process.stderr, KEPT_LOG))
    try:
        stdout = await _read(process.stdout, plan.output_bytes + 1)
        if len(stdout) > plan.output_bytes:
            return Said(b"", b"", None)
        return Said(stdout, await log, await process.wait())
    finally:
        log.cancel()


async def _read(stream: asyncio.StreamReader, most: int) -> bytes:
    """Return up to `most` bytes; what comes after them is left to the kill."""
    found = bytearray()
    while len(found) < most and (piece := await stream.read(65536)):
        found += piece[: most - len(found)]
    return bytes(found)


def _result(plan: LocalPlan, said: Said, context: ExecutionContext) -> JobResult:
    log = context.secrets.redact(said.stderr.decode("utf-8", "replace"))
    logs = (LogChunk("stderr", log, len(said.stderr) >= KEPT_LOG),) if log else ()
    return JobResult(_outcome(plan, said, log), {"exit_code": said.exit_code}, logs)


def _outcome(plan: LocalPlan, said: Said, log: str) -> Outcome:
    name = plan.spec.function
    if said.exit_code is None:
        message = f"{name} returned more than max_output_bytes ({plan.output_bytes})"
        return Failed(Category.RESOURCE_EXHAUSTED, message)
    if said.exit_code != 0:
        last = (log.strip().splitlines() or [f"exit code {said.exit_code}"])[-1][:300]
        return Failed(Category.TARGET_ERROR, f"{name}: {last}", retryable=True)
    try:
        return Succeeded(json.loads(said.stdout))
    except (ValueError, RecursionError):
        return Failed(Category.INVALID_OUTPUT, f"{name} returned no JSON")
