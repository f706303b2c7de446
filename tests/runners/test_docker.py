"""The docker runner as a worker uses it: real containers of a real engine, and what each end becomes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from support.builders import make_context
from support.dockerd import BUSYBOX, SPOOFED, TestEngine
from support.dockerjobs import SHELL, Job, groups, run, running, shell
from support.results import failed, refused, stdout, succeeded
from support.waiting import until_async

from specql_jobs.core.contract import Cancelled, ExecutionContext, Interrupted, JobResult, StopReason
from specql_jobs.core.job import Category
from specql_jobs.core.secrets import SecretRef
from specql_jobs.runners.docker import DockerRunner

STREAMS = {"type": "object", "properties": {"exit_code": {}, "stdout": {}, "stderr": {}}}


# ---- outputs -------------------------------------------------------------------------------------------------------


def test_json_object_on_stdout_is_the_output(engine: TestEngine) -> None:
    """A program that prints a JSON object has that as its output; the input comes as JSON on stdin."""
    assert succeeded(run(Job(command=("/bin/cat",), input={"n": 1, "t": "ü"}), engine)) == {"n": 1, "t": "ü"}


def test_streams_are_told_apart(engine: TestEngine) -> None:
    """Output that is not a JSON object is given as exit_code, stdout and stderr, and as the job's log."""
    result = run(shell("echo out; echo err >&2"), engine)
    assert succeeded(result) == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}
    assert [(chunk.stream, chunk.text) for chunk in result.logs] == [("stdout", "out\n"), ("stderr", "err\n")]


def test_schema_that_names_streams_gets_streams(engine: TestEngine) -> None:
    """An output_schema with exit_code, stdout and stderr gets that form, even where stdout is JSON."""
    job = Job(command=("/bin/cat",), input={"a": 1}, output_schema=STREAMS)
    assert succeeded(run(job, engine)) == {"exit_code": 0, "stdout": '{"a": 1}', "stderr": ""}


def test_a_large_input_reaches_the_program_whole(engine: TestEngine) -> None:
    """Input beyond what a pipe holds is fed while the program reads."""
    job = Job(command=(SHELL, "-c", "wc -c"), input={"text": "x" * 600_000})
    assert stdout(run(job, engine)).strip() == str(600_000 + len('{"text": ""}'))


def test_long_output_keeps_both_ends(engine: TestEngine) -> None:
    """Output beyond the cap, below a flood, keeps its beginning and its end around a mark, and says so."""
    job = shell("echo first; seq 1000; echo last", policy={"max_output_bytes": 1000})
    output = succeeded(run(job, engine))
    assert output["truncated"] is True
    assert output["stdout"].startswith("first\n1\n")
    assert output["stdout"].endswith("1000\nlast\n")
    assert len(output["stdout"].encode()) <= 1000


def test_usage_is_measured(engine: TestEngine) -> None:
    """CPU time, peak memory, the container and its image are in the usage of every job."""
    code = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    usage = run(shell(code), engine).usage
    assert usage["image_id"] == engine.image_id()
    assert (usage["exit_code"], len(usage["container_id"])) == (0, 12)
    assert usage["peak_memory_mb"] > 20
    assert usage["cpu_seconds"] > 0.05


def test_traffic_is_counted(engine: TestEngine) -> None:
    """What a container with a network sends is in its usage."""
    if not engine.has_bridge:
        pytest.skip("this engine has no bridge")
    code = "gw=$(ip route | awk '/default/ {print $3}'); for n in $(seq 20); do echo x | nc -w 1 $gw 9; sleep 0.1; done"
    job = shell(code, config={"network_mode": "bridge"}, policy={"network_isolation": False, "network_access": "all"})
    assert run(job, engine).usage["network_bytes"] > 0


# ---- failures ------------------------------------------------------------------------------------------------------


def test_exit_code_and_last_line_of_stderr_make_the_message(engine: TestEngine) -> None:
    """A program that fails is a retryable target_error that quotes its last words."""
    result = run(shell("echo one >&2; echo 'no such table' >&2; exit 3"), engine)
    outcome = failed(result, Category.TARGET_ERROR)
    assert (outcome.message, outcome.retryable) == ("exit code 3: no such table", True)
    assert outcome.output == {"exit_code": 3, "stdout": "", "stderr": "one\nno such table\n"}


def test_a_missing_image_is_final(engine: TestEngine) -> None:
    """An image that the engine does not have is not tried again, and the message says what to type."""
    job = Job(command=None, config={"image": "absent:1"}, policy={"allowed_images": ("absent:1",)})
    outcome = failed(run(job, engine), Category.INFRASTRUCTURE)
    assert not outcome.retryable
    assert "docker pull absent:1" in outcome.message


def test_a_command_that_the_image_lacks_is_told(engine: TestEngine) -> None:
    """A program that is not there fails as the target's error, with the engine's or the init's words."""
    assert "/nope" in failed(run(Job(command=("/nope",)), engine), Category.TARGET_ERROR).message


def test_memory_is_a_limit_of_all_processes(engine: TestEngine) -> None:
    """A container over its memory limit is resource_exhausted, and its peak is what the limit was."""
    code = "head -c 100000000 /dev/zero | tr '\\0' x | (x=$(cat); echo $x) "
    result = run(shell(code, limits={"memory_mb": 30}), engine)
    assert "memory limit of 30 MiB" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert result.usage["peak_memory_mb"] <= 31


def test_cpu_seconds_are_a_limit(engine: TestEngine) -> None:
    """A container that has used up its CPU time is ended as resource_exhausted."""
    result = run(shell("while :; do :; done", limits={"cpu_seconds": 1.0}), engine)
    assert "cpu_seconds limit of 1 s" in failed(result, Category.RESOURCE_EXHAUSTED).message


def test_cpu_seconds_are_of_all_processes_together(engine: TestEngine) -> None:
    """Several processes, each below the limit, are ended once they are above it together."""
    code = "for n in 1 2 3 4; do (while :; do :; done) & done; wait"
    result = run(shell(code, limits={"cpu_seconds": 1.0}), engine)
    assert "cpu_seconds limit of 1 s" in failed(result, Category.RESOURCE_EXHAUSTED).message


def test_timeout_stops_the_container(engine: TestEngine) -> None:
    """A container that outlives its time is stopped, retryably, by SIGTERM first."""
    result = run(shell("trap 'echo asked; exit 0' TERM; while :; do sleep 0.1; done"), engine, timeout_seconds=1.0)
    assert failed(result, Category.TIMEOUT).retryable
    assert stdout(result) == "asked\n"


def test_cancel_stops_the_container(engine: TestEngine) -> None:
    """A cancelled job is ended with everything in its container, and that is its outcome."""
    mark = uuid4().hex

    async def cancel(context: ExecutionContext) -> None:
        await until_async(lambda: asyncio.sleep(0, running(mark)), "the container runs")
        context.stop.request(StopReason.CANCELLED)

    result = run(shell(f"sleep 60 & (setsid sh -c 'sleep 60; : {mark}') & wait"), engine, meanwhile=cancel)
    assert isinstance(result.outcome, Cancelled)
    assert running(mark) == []


def test_an_attempt_cancelled_from_outside_leaves_nothing(engine: TestEngine) -> None:
    """A task that is cancelled, even while the engine makes the container, still removes it."""

    async def cut_at(pause: float) -> None:
        runner = DockerRunner(url=engine.url)
        plan = shell("sleep 60").plan(runner)
        task = asyncio.create_task(runner.execute(plan, make_context()))
        await asyncio.wait({task}, timeout=pause)
        task.cancel()
        await asyncio.wait({task})
        await runner.aclose()

    for pause in (0.01, 0.05, 0.08, 0.1, 0.12, 0.15, 0.2, 0.5):
        asyncio.run(cut_at(pause))
        assert engine.ours() == []


def test_a_worker_that_stops_gives_the_attempt_back(engine: TestEngine) -> None:
    """An interrupted job is killed at once and reported as interrupted."""

    async def interrupt(context: ExecutionContext) -> None:
        await until_async(lambda: asyncio.sleep(0, engine.ours()), "the container exists")
        context.stop.request(StopReason.INTERRUPTED)

    assert isinstance(run(shell("trap '' TERM; sleep 60"), engine, meanwhile=interrupt).outcome, Interrupted)


def test_a_container_that_closes_its_streams_is_waited_for(engine: TestEngine) -> None:
    """The end of the output is not the end of the job."""
    result = run(shell("echo said; exec >&- 2>&-; sleep 0.5; exit 7"), engine)
    assert failed(result, Category.TARGET_ERROR).output["exit_code"] == 7


# ---- settings ------------------------------------------------------------------------------------------------------


def test_settings_of_the_registry_hold_inside(engine: TestEngine) -> None:
    """User, working directory, environment and scratch are what the registry says."""
    config = {"user": 1234, "working_dir": "/data", "environment": {"LEVEL": "high"}, "tmpfs": {"/scratch": 4}}
    result = run(shell("id -u; id -g; echo $PWD $LEVEL; grep -c scratch /proc/mounts", config=config), engine)
    assert stdout(result).split() == ["1234", "1234", "/data", "high", "1"]


def test_the_job_knows_who_it_is(engine: TestEngine) -> None:
    """Job, lease and attempt are in the environment, last, so that nothing else can set them."""
    config = {"environment": {"SPECQL_JOB_LEASE": "99"}}
    result = run(shell("echo $SPECQL_JOB_LEASE $SPECQL_JOB_ATTEMPT", config=config), engine, lease_seq=7, attempt=3)
    assert stdout(result) == "7 3\n"


def test_an_entrypoint_goes_before_the_command(engine: TestEngine) -> None:
    """The registry's entrypoint and the operation's command make the program together."""
    job = Job(command=("{n}", "b"), input={"n": "a"}, config={"entrypoint": ["/bin/echo", "x"]})
    assert stdout(run(job, engine)) == "x a b\n"


def test_without_a_mapping_the_input_says_command_and_variables(engine: TestEngine) -> None:
    """The default mapping takes command and env_vars from the input, within policy."""
    given = {"command": ["/bin/sh", "-c", "echo $WHO"], "env_vars": {"WHO": "me"}}
    assert stdout(run(Job(command=None, input=given, policy={"allowed_env": ("WHO",)}), engine)) == "me\n"


def test_volumes_are_read_only_unless_stated(engine: TestEngine, volume: Path) -> None:
    """A volume is what the host has; only mode rw lets a job write to it."""
    (volume / "given").write_text("hello")
    volume.chmod(0o777)
    mounts = [{"host_path": str(volume), "container_path": "/data"}]
    policy = {"allowed_host_paths": (str(volume.parent),)}
    read = run(shell("cat /data/given; touch /data/new", config={"volumes": mounts}, policy=policy), engine)
    assert "Read-only file system" in failed(read, Category.TARGET_ERROR).message
    mounts[0]["mode"] = "rw"
    succeeded(run(shell("touch /data/new", config={"volumes": mounts}, policy=policy), engine))
    assert sorted(path.name for path in volume.iterdir()) == ["given", "new"]


def test_volumes_of_an_image_are_memory(engine: TestEngine) -> None:
    """A VOLUME of the image is a sized scratch folder, not a folder on the engine's disk."""
    config, policy = {"image": SPOOFED}, {"allowed_images": (SPOOFED,)}
    result = run(shell("grep ' /data ' /proc/mounts", config=config, policy=policy), engine)
    assert stdout(result).startswith("tmpfs /data tmpfs rw,")
    assert "size=262144k" in stdout(result)


def test_a_runtime_that_is_not_there_is_refused(engine: TestEngine) -> None:
    """A stronger runtime is never replaced by a weaker one."""
    found = refused(run(Job(command=None, config={"runtime": "runsc-absent"}), engine))
    assert "runc" in found["runtime_unavailable"]


def test_a_runtime_that_is_there_is_used(engine: TestEngine) -> None:
    """The registry's runtime is passed through."""
    assert stdout(run(shell("echo hi", config={"runtime": "runc"}), engine)) == "hi\n"


def test_an_image_is_also_found_by_its_id(engine: TestEngine) -> None:
    """An image without a digest can be pinned by its id, and counts as pinned."""
    name = engine.image_id()
    job = shell("echo hi", config={"image": name}, policy={"allowed_images": (name,), "require_digest": True})
    assert stdout(run(job, engine)) == "hi\n"


def test_secrets_are_redacted(engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was resolved in this worker and is printed by a container shows nowhere."""
    monkeypatch.setenv("SQJ_TOKEN", "tok-1234567890")

    async def both() -> JobResult:
        runner, context = DockerRunner(url=engine.url), make_context()
        context.secrets.resolve(SecretRef("env", "SQJ_TOKEN"))
        try:
            return await runner.execute(shell("echo tok-1234567890; exit 1").plan(runner), context)
        finally:
            await runner.aclose()

    assert "1234567890" not in str(asyncio.run(both()))


async def test_many_at_once(engine: TestEngine) -> None:
    """More containers than the engine's pool has threads run beside each other, and none is mixed up."""
    runner = DockerRunner(url=engine.url)
    plans = [Job(command=("/bin/cat",), input={"n": n}).plan(runner) for n in range(24)]
    results = await asyncio.gather(*(runner.execute(plan, make_context(lease_seq=n)) for n, plan in enumerate(plans)))
    await runner.aclose()
    assert [succeeded(result)["n"] for result in results] == list(range(24))
    assert (engine.ours(), groups()) == ([], [])


def test_the_same_image_under_its_name(engine: TestEngine) -> None:
    """The plan names the image as the registry does, and the usage has what it was resolved to."""
    job = shell("echo hi")
    runner = DockerRunner(url=engine.url)
    described = job.plan(runner).describe()
    assert (described["image"], run(job, engine).usage["image_id"]) == (BUSYBOX, engine.image_id())
