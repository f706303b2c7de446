"""Run real shell jobs through the real plan, judge and runner, and look from outside at what they left."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from specql_jobs.core.contract import ExecutionContext, JobResult, Refused
from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy import Policy, judge
from specql_jobs.runners.shell import ShellScriptRunner
from specql_jobs.runners.shell_plan import ShellPlan

from .builders import make_call, make_context, make_operation, make_service
from .require import require
from .results import failed, refused, stdout, succeeded  # noqa: F401 - asked by every file of shell jobs

PYTHON: Final = "/usr/bin/python3"
SHELL: Final = "/bin/sh"
#: One user id per test process, so that what survives is ours and nobody else's.
JOB_UID: Final = 700_000 + os.getpid() % 100_000

Meanwhile = Callable[[ExecutionContext], Awaitable[None]]


@pytest.fixture(autouse=True)
def sandbox_here() -> None:
    """Imported by every file whose tests need bubblewrap: skips, or fails where the sandbox was promised."""
    root = os.geteuid() == 0
    require("sandbox", root and Path("/usr/bin/bwrap").exists(), "bubblewrap is not installed, or this is not root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the job user can reach; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="sqj-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One shell job to run: an operation's argv, or (argv None) the default mapping."""

    argv: Sequence[str] | None
    input: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] | None = None

    @property
    def effective(self) -> Policy:
        """The policy; the job's own command is allowed unless the test says which are."""
        commands = (self.argv[0],) if self.argv else ()
        return Policy(**{"allowed_commands": commands, **self.policy})

    def plan(self, runner: ShellScriptRunner) -> ShellPlan:
        """Return the plan as a worker would make it."""
        mapping = {} if self.argv is None else {"argv": list(self.argv)}
        operation = make_operation(mapping=mapping, output_schema=self.output_schema)
        service = make_service(
            ExecutionType.SHELL, policy=self.effective, runner_config=self.config, operations={"op": operation}
        )
        return runner.plan(runner.validate_config(service), make_call(service, self.input))


def script(code: str, **more: Any) -> Job:
    """Return a job that runs Python code; its braces are no placeholders."""
    return Job(argv=(PYTHON, "-c", code.replace("{", "{{").replace("}", "}}")), **more)


def run(
    job: Job, *, meanwhile: Meanwhile | None = None, runner: ShellScriptRunner | None = None, **more: Any
) -> JobResult:
    """Judge and execute one job; `more` is for the context. Asserts that nothing of it is left."""
    return asyncio.run(execute(job, meanwhile=meanwhile, runner=runner, **more))


async def execute(
    job: Job, *, meanwhile: Meanwhile | None = None, runner: ShellScriptRunner | None = None, **more: Any
) -> JobResult:
    """As `run`, inside a loop. A refused plan is returned as the worker would settle it."""
    runner = runner or ShellScriptRunner(job_uid=JOB_UID)
    plan = job.plan(runner)
    violations = judge(plan.footprint, job.effective)
    if violations:
        return JobResult(Refused(violations))
    context = make_context(policy=job.effective, **more)
    beside = asyncio.ensure_future(meanwhile(context)) if meanwhile else None
    try:
        result = await runner.execute(plan, context)
        if beside is not None:
            await beside
    finally:
        await runner.aclose()
    assert survivors() == []
    assert groups() == []
    return result


def survivors(uid: int = JOB_UID) -> list[str]:
    """Return the command lines of all living processes of the job user (an ended one may wait to be reaped)."""
    return [line for pid in os.listdir("/proc") if pid.isdigit() if (line := _of_user(pid, uid))]


def running(command: str) -> int:
    """Return how many processes of the job user have exactly this command line."""
    return sum(line.partition(" ")[2].strip() == command for line in survivors())


def _of_user(pid: str, uid: int) -> str:
    try:
        ended = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        if ended or os.stat(f"/proc/{pid}").st_uid != uid:
            return ""
        return f"{pid} " + Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def groups() -> list[str]:
    """Return the control groups that this test process made and that still stand."""
    mine = f"-{os.getpid()}."
    found = Path("/sys/fs/cgroup").glob("**/specql/w-*")
    return [str(path) for path in found if mine in path.name]
