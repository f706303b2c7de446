"""The shell runner as a worker uses it: real processes in the real sandbox, and what each end becomes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from support.builders import make_context
from support.shelljobs import (
    JOB_UID,
    PYTHON,
    SHELL,
    Job,
    execute,
    failed,
    folder,
    refused,
    run,
    running,
    sandbox_here,
    script,
    stdout,
    succeeded,
    survivors,
)
from support.waiting import until_async

from specql_jobs.core.contract import (
    Cancelled,
    ExecutionContext,
    JobResult,
    ResourceRequirements,
    StopReason,
    StopSignal,
)
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category
from specql_jobs.core.secrets import SecretRef
from specql_jobs.runners.shell import ShellScriptRunner

__all__ = ["folder", "sandbox_here"]  # fixtures, imported for their names

STREAMS = {"type": "object", "properties": {"exit_code": {}, "stdout": {}, "stderr": {}}}


# ---- outputs -------------------------------------------------------------------------------------------------------


def test_json_object_on_stdout_is_the_output() -> None:
    """A program that prints a JSON object has that as its output; the input comes as JSON on stdin."""
    assert succeeded(run(Job(argv=("/usr/bin/cat",), input={"n": 1, "t": "ü"}))) == {"n": 1, "t": "ü"}


def test_text_on_stdout_comes_with_exit_code_and_stderr() -> None:
    """Output that is not a JSON object is given as exit_code, stdout and stderr."""
    result = run(Job(argv=(SHELL, "-c", "echo out; echo err >&2")))
    assert succeeded(result) == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}
    assert [(chunk.stream, chunk.text, chunk.truncated) for chunk in result.logs] == [
        ("stdout", "out\n", False),
        ("stderr", "err\n", False),
    ]


def test_schema_that_names_streams_gets_streams() -> None:
    """An output_schema with exit_code, stdout and stderr gets that form, even where stdout is JSON."""
    job = Job(argv=("/usr/bin/cat",), input={"a": 1}, output_schema=STREAMS)
    assert succeeded(run(job)) == {"exit_code": 0, "stdout": '{"a": 1}', "stderr": ""}


def test_schema_of_an_array_gets_an_array() -> None:
    """An output_schema that wants other JSON than an object gets it."""
    job = Job(argv=("/usr/bin/printf", "[1, 2]"), output_schema={"type": "array"})
    assert succeeded(run(job)) == [1, 2]


@pytest.mark.parametrize("program", [(PYTHON, "-c"), ("/usr/bin/perl", "-e"), ("/usr/bin/node", "-e"), (SHELL, "-c")])
def test_interpreters_work_in_the_sandbox(program: tuple[str, str]) -> None:
    """The usual interpreters start, where the host has them."""
    if not Path(program[0]).exists():
        pytest.skip(f"{program[0]} is not installed")
    code = {"python3": "print('hi')", "perl": "print qq(hi\n)", "node": "console.log('hi')", "sh": "echo hi"}
    assert stdout(run(Job(argv=(*program, code[Path(program[0]).name])))) == "hi\n"


def test_long_output_keeps_both_ends() -> None:
    """Output beyond the cap, below a flood, keeps its beginning and its end around a mark, and says so."""
    job = script("print('first'); print('x' * 5000); print('last')", policy={"max_output_bytes": 1000})
    output = succeeded(run(job))
    assert output["truncated"] is True
    assert output["stdout"].startswith("first\n")
    assert output["stdout"].endswith("last\n")
    assert "cut: 5012 bytes in all" in output["stdout"]
    assert len(output["stdout"].encode()) <= 1000


# ---- failures ------------------------------------------------------------------------------------------------------


def test_exit_code_and_last_line_of_stderr_make_the_message() -> None:
    """A program that fails is a retryable target_error that quotes its last words."""
    outcome = failed(
        run(Job(argv=(SHELL, "-c", "echo one >&2; echo 'no such table' >&2; exit 3"))), Category.TARGET_ERROR
    )
    assert outcome.message == "exit code 3: no such table"
    assert outcome.retryable
    assert outcome.output == {"exit_code": 3, "stdout": "", "stderr": "one\nno such table\n"}


def test_signal_is_named() -> None:
    """A program killed by a signal is told with the signal's name."""
    outcome = failed(run(Job(argv=(SHELL, "-c", "kill -SEGV $$"))), Category.TARGET_ERROR)
    assert "exit code 139" in outcome.message
    assert "SIGSEGV" in outcome.message


def test_secrets_are_redacted_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was resolved in this worker and is printed by a job shows nowhere, not even when cut in two."""
    monkeypatch.setenv("SQJ_TOKEN", "tok-1234567890")
    context = make_context()
    context.secrets.resolve(SecretRef("env", "SQJ_TOKEN"))
    loud = Job(argv=(SHELL, "-c", 'echo \'{{"k": "tok-1234567890"}}\'; echo tok-1234567890 >&2'))
    quiet = script(
        "print('a' * 480 + 'tok-1234567890' * 30 + 'b' * 480); raise SystemExit('tok-1234567890')",
        policy={"max_output_bytes": 1000},
    )

    async def both() -> list[JobResult]:
        runner = ShellScriptRunner(job_uid=JOB_UID)
        results = [await runner.execute(job.plan(runner), context) for job in (loud, quiet)]
        await runner.aclose()
        return results

    results = asyncio.run(both())
    assert "1234567890" not in str(results)
    assert "tok-" not in str(results)
    assert succeeded(results[0]) == {"k": "•••"}


def test_timeout_that_has_passed_before_the_start_runs_nothing(folder: Path) -> None:
    """A job without time left ends as a timeout and never starts."""
    result = run(Job(argv=(SHELL, "-c", "echo ran")), timeout_seconds=0.0)
    failed(result, Category.TIMEOUT)
    assert result.logs == ()


def test_cancelled_before_the_start_runs_nothing() -> None:
    """A job that was cancelled before its process began ends as cancelled and never starts."""
    stop = StopSignal()
    stop.request(StopReason.CANCELLED)
    result = run(Job(argv=(SHELL, "-c", "echo ran")), stop=stop)
    assert result.outcome == Cancelled()
    assert result.logs == ()


def test_cancel_keeps_what_was_said() -> None:
    """A cancelled job's output up to then is kept as its log."""

    async def stop(context: ExecutionContext) -> None:
        await until_async(_sleeping, "the job sleeps")
        await ShellScriptRunner().cancel(context)

    result = run(Job(argv=(SHELL, "-c", "echo working; exec sleep 60")), meanwhile=stop)
    assert result.outcome == Cancelled()
    assert stdout(result) == "working\n"


async def _sleeping() -> bool:
    return running("sleep 60") > 0


# ---- surroundings --------------------------------------------------------------------------------------------------


def test_environment_is_built_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's variables are the fixed ones, the registry's and its identity; nothing of the worker's."""
    monkeypatch.setenv("WORKER_ONLY", "x")
    job = Job(argv=("/usr/bin/env",), config={"environment": {"LEVEL": "INFO", "N": 3, "ON": True}})
    lines = set(stdout(run(job, lease_seq=7, attempt=2)).splitlines())
    assert {"LEVEL=INFO", "N=3", "ON=true", "HOME=/work", "SPECQL_JOB_LEASE=7", "SPECQL_JOB_ATTEMPT=2"} <= lines
    names = {line.partition("=")[0] for line in lines}
    assert names - {"PWD"} == {
        "PATH", "HOME", "LANG", "LEVEL", "N", "ON", "SPECQL_JOB_ID", "SPECQL_JOB_LEASE", "SPECQL_JOB_ATTEMPT",
    }  # fmt: skip


def test_working_directory_is_where_the_program_starts(folder: Path) -> None:
    """A script named relative to the service's working directory runs, and cannot write there by default."""
    (folder / "process.py").write_text("import os; print(os.getcwd()); open('new', 'w')")
    result = run(Job(argv=(PYTHON, "process.py"), config={"working_directory": str(folder)}))
    assert stdout(result) == f"{folder}\n"
    assert "Read-only file system" in failed(result, Category.TARGET_ERROR).message


def test_working_directory_is_writable_under_read_write(folder: Path) -> None:
    """With file_access read_write the working directory keeps what the job writes."""
    os.chown(folder, JOB_UID, JOB_UID)
    job = Job(
        argv=(SHELL, "-c", "echo kept > result"),
        config={"working_directory": str(folder)},
        policy={"file_access": "read_write"},
    )
    succeeded(run(job))
    assert (folder / "result").read_text() == "kept\n"


def test_absent_working_directory_is_told() -> None:
    """A working directory that this host lacks is a failure of the host with its name, not a traceback."""
    outcome = failed(
        run(Job(argv=("/bin/true",), config={"working_directory": "/app/scripts"})), Category.INFRASTRUCTURE
    )
    assert outcome.message == "path /app/scripts cannot be used on this host: it does not exist"


def test_working_directory_closed_to_the_job_user_is_told(folder: Path) -> None:
    """A working directory that the job user cannot enter is a failure that says what to type."""
    folder.chmod(0o700)
    outcome = failed(run(Job(argv=("/bin/true",), config={"working_directory": str(folder)})), Category.INFRASTRUCTURE)
    assert "chmod" in outcome.message
    assert str(JOB_UID) in outcome.message


def test_file_access_none_admits_no_working_directory(folder: Path) -> None:
    """A working directory contradicts file_access none: refused, not left out."""
    job = Job(argv=("/bin/true",), config={"working_directory": str(folder)}, policy={"file_access": "none"})
    assert "file_access_not_allowed" in refused(run(job))


def test_program_outside_usr_runs(folder: Path) -> None:
    """A listed program in a folder of its own runs without its folder being shown to it."""
    program, link = folder / "real-tool", folder / "tool"
    program.write_text('#!/bin/sh\necho "$0"; ls "$(dirname "$0")"\n')
    program.chmod(0o755)
    (folder / "beside").touch()
    assert stdout(run(Job(argv=(str(program),)))) == f"{program}\nreal-tool\n"
    link.symlink_to("real-tool")
    assert stdout(run(Job(argv=(str(link),)))).splitlines() == [str(link), "real-tool", "tool"]


BURN = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        x = bytearray(30 << 20)
        while time.process_time() < 0.3: pass
        os._exit(0)
os.wait(); os.wait()
"""


def test_usage_is_measured_by_the_kernel() -> None:
    """CPU time and memory of all processes, children included, come from control groups."""
    usage = run(script(BURN)).usage
    assert usage["source"] == "cgroup"
    assert usage["exit_code"] == 0
    assert usage["cpu_seconds"] >= 0.6
    assert usage["peak_memory_mb"] >= 30
    assert {"duration_seconds", "cpu_usage_percent", "memory_mb", "disk_mb"} <= set(usage)


def test_many_jobs_at_once_leave_nothing_open() -> None:
    """Twenty jobs side by side each get their own output, and no descriptor of the worker stays open."""

    async def all_at_once() -> tuple[list[str], int]:
        runner = ShellScriptRunner(job_uid=JOB_UID)
        jobs = [Job(argv=("/usr/bin/printf", str(number))).plan(runner) for number in range(20)]
        await runner.execute(jobs[0], make_context())
        before = len(os.listdir("/proc/self/fd"))
        results = await asyncio.gather(*(runner.execute(job, make_context()) for job in jobs))
        after = len(os.listdir("/proc/self/fd"))
        await runner.aclose()
        return [stdout(result) for result in results], after - before

    assert asyncio.run(all_at_once()) == ([str(number) for number in range(20)], 0)
    assert survivors() == []


def test_loop_stays_free_while_jobs_run() -> None:
    """Waiting for a job does not hold the event loop: another task runs many times meanwhile."""

    async def beside() -> int:
        turns = 0
        job = asyncio.ensure_future(execute(Job(argv=(SHELL, "-c", "sleep 0.5"))))
        while not job.done():
            await asyncio.sleep(0.005)
            turns += 1
        succeeded(await job)
        return turns

    assert asyncio.run(beside()) > 10


async def _begun() -> bool:
    return survivors() != []


@pytest.mark.parametrize("moment", [_begun, _sleeping])
def test_abandoned_execution_kills_its_job(moment: Callable[[], Awaitable[bool]]) -> None:
    """When the task that executes a job is itself cancelled, even while it starts, nothing of the job lives on."""

    async def abandon() -> None:
        runner = ShellScriptRunner(job_uid=JOB_UID)
        plan = Job(argv=(SHELL, "-c", "sleep 60 & exec sleep 60")).plan(runner)
        task = asyncio.ensure_future(runner.execute(plan, make_context()))
        await until_async(moment, "the job has begun")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await runner.aclose()

    asyncio.run(abandon())
    assert survivors() == []


# ---- hosts that cannot ---------------------------------------------------------------------------------------------


def test_without_bubblewrap_nothing_runs(folder: Path) -> None:
    """Where bubblewrap is missing the job is refused with what to install; it is never run without."""
    runner = ShellScriptRunner(job_uid=JOB_UID, bwrap="/usr/bin/bwrap-absent")
    result = run(Job(argv=(SHELL, "-c", "echo ran")), runner=runner)
    assert "install the packages 'bubblewrap'" in refused(result)["sandbox_unavailable"]
    assert result.logs == ()


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("bwrap: No permissions to create new namespace, likely because...", "seccomp=unconfined"),
        ("bwrap: setting up uid map: Permission denied", "AppArmor"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined"),
        ("bwrap: Creating new namespace failed: No space left on device", "max_user_namespaces"),
        ("bwrap: Unknown option --bind-fd", "too old"),
        ("", "without a word"),
    ],
)
def test_words_of_a_failing_bubblewrap_are_explained(folder: Path, words: str, meaning: str) -> None:
    """What bubblewrap says when the host forbids a sandbox becomes a refusal that says how to mend it."""
    fake = folder / "bwrap"
    fake.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
    fake.chmod(0o755)
    result = run(Job(argv=("/bin/true",)), runner=ShellScriptRunner(job_uid=JOB_UID, bwrap=str(fake)))
    assert meaning in refused(result)["sandbox_unavailable"]


def test_bubblewrap_that_others_could_swap_is_not_used(folder: Path) -> None:
    """A bubblewrap that other users may write is no sandbox."""
    fake = folder / "bwrap"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o777)
    result = run(Job(argv=("/bin/true",)), runner=ShellScriptRunner(bwrap=str(fake)))
    assert "could be swapped" in refused(result)["sandbox_unavailable"]


def test_no_sandbox_needs_the_workers_consent() -> None:
    """A policy that says sandbox: none is refused by a worker that was not told to accept it."""
    result = run(Job(argv=(SHELL, "-c", "echo ran"), policy={"sandbox": "none"}))
    assert "allow_unsandboxed" in refused(result)["sandbox_none_not_allowed"]


def test_no_sandbox_with_consent_still_has_limits_and_identity() -> None:
    """Without the sandbox a job still has its own user, its limits, a private folder, and an end with all children."""
    output = succeeded(run(script(PLAIN, policy={"sandbox": "none"}, input={"a": 1}), runner=_consenting()))
    assert (output["uid"], output["stdin"]) == (JOB_UID, {"a": 1})
    assert not Path(output["cwd"]).exists()
    bomb = script("x = []\nwhile True: x.append(bytearray(1 << 20))", policy={"sandbox": "none", "resources": TIGHT})
    outcome = failed(run(bomb, runner=_consenting()), Category.RESOURCE_EXHAUSTED)
    assert "memory limit of 48 MiB" in outcome.message


def _consenting() -> ShellScriptRunner:
    return ShellScriptRunner(job_uid=JOB_UID, allow_unsandboxed=True)


PLAIN = """
import os, json, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
print(json.dumps({'uid': os.getuid(), 'cwd': os.getcwd(), 'stdin': json.load(open(0))}))
"""

TIGHT = ResourceRequirements(memory_mb=48, cpu_cores=1.0, pids=16, open_files=64, disk_mb=8)


def test_check_reports_what_the_host_enforces() -> None:
    """Doctor's lines come from really running a program with every isolation."""

    async def check() -> list[tuple[str, str]]:
        runner = ShellScriptRunner(job_uid=JOB_UID)
        lines = [(line.name, line.status) for line in await runner.check()]
        await runner.aclose()
        return lines

    assert ("shell sandbox", "ok") in asyncio.run(check())


def test_check_of_a_host_without_bubblewrap_says_what_to_type() -> None:
    """A missing bubblewrap is a failed line with a fix."""
    lines = asyncio.run(ShellScriptRunner(bwrap="/usr/bin/bwrap-absent").check())
    assert [line.fix for line in lines if line.status == "fail"] == ["apt-get install bubblewrap util-linux"]


@pytest.mark.parametrize("uid", [0, -1])
def test_job_uid_is_never_root(uid: int) -> None:
    """The job user cannot be root."""
    with pytest.raises(ConfigError, match="job_uid"):
        ShellScriptRunner(job_uid=uid)


# ---- a worker that dies --------------------------------------------------------------------------------------------

DYING_WORKER = """
import asyncio, sys
sys.path.insert(0, {tests!r})
from support.shelljobs import *
async def main():
    runner = ShellScriptRunner(job_uid={uid})
    plan = Job(argv=(SHELL, "-c", "setsid sleep 600 & setsid sleep 600 & exec sleep 600")).plan(runner)
    await runner.execute(plan, make_context(worker_id="dying:1", timeout_seconds=600))
asyncio.run(main())
"""


def test_killed_worker_takes_its_jobs_along_and_the_sweep_cleans_up() -> None:
    """kill -9 of a worker ends its jobs' processes; another worker's sweep removes its control groups."""

    async def scene() -> tuple[list[str], list[str]]:
        code = DYING_WORKER.format(tests=str(Path(__file__).parents[1]), uid=JOB_UID)
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        await until_async(_three_sleepers, "the job's three processes run")
        alive = ShellScriptRunner(job_uid=JOB_UID)
        kept = await alive.sweep(frozenset())
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        await until_async(_nobody, "the job died with its worker")
        removed = await alive.sweep(frozenset())
        await alive.aclose()
        return kept, [path for path in removed if "dying_1" in path]

    kept, removed = asyncio.run(scene())
    assert not [path for path in kept if "dying_1" in path]
    assert removed
    assert not any(Path(path).exists() for path in removed)


async def _three_sleepers() -> bool:
    return running("sleep 600") == 3


async def _nobody() -> bool:
    return survivors() == []
