"""An engine that is absent, dies, comes back, or has leftovers in it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.builders import make_context
from support.dockerd import BUSYBOX, EngineAbsent, TestEngine, make_image, serve_private
from support.dockerjobs import shell
from support.processes import started
from support.require import require
from support.results import failed
from support.waiting import until_async

from specql_jobs.core.contract import Interrupted, JobResult
from specql_jobs.core.errors import Unavailable
from specql_jobs.core.job import Category
from specql_jobs.runners import docker_sweep
from specql_jobs.runners.docker import DockerRunner
from specql_jobs.runners.docker_images import EngineImages
from specql_jobs.runners.docker_sweep import JOB, LEASE, OWNER, UNTIL, left_behind, own_name


@pytest.fixture
def private() -> Iterator[TestEngine]:
    """An engine for this test alone, which the test may kill."""
    try:
        with serve_private() as engine:
            make_image(engine.client, BUSYBOX, [])
            yield engine
    except EngineAbsent as error:
        require("docker", available=False, reason=str(error))


async def _execute(runner: DockerRunner, code: str = "echo hi") -> JobResult:
    return await runner.execute(shell(code).plan(runner), make_context(timeout_seconds=60))


async def test_an_absent_engine_gives_the_attempt_back(tmp_path: Path) -> None:
    """A job that finds no engine has not begun: it waits and keeps its attempt."""
    runner = DockerRunner(url=f"unix://{tmp_path}/none.sock")
    outcome = (await _execute(runner)).outcome
    await runner.aclose()
    assert isinstance(outcome, Interrupted)
    assert outcome.delay_seconds > 0
    assert "cannot be reached: No such file or directory" in outcome.message


@pytest.mark.parametrize("url", ["ssh://host", "npipe://x", "tcp://127.0.0.1:1"])
async def test_an_engine_that_cannot_be_used_says_why(url: str) -> None:
    """A way to the engine that is not supported, or leads nowhere, is a failed check and never an exception."""
    runner = DockerRunner(url=url)
    (check,) = await runner.check()
    await runner.aclose()
    assert (check.name, check.status) == ("docker", "fail")
    assert "DOCKER_HOST" in check.fix


async def test_what_answers_no_docker_is_no_engine(tmp_path: Path) -> None:
    """A server that speaks something else is not taken for an engine."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/x.sock")
        server.listen()
        runner = DockerRunner(url=f"unix://{tmp_path}/x.sock")
        asking = asyncio.create_task(runner.check())
        for _ in range(2):  # our own probe, then the client's question
            connection, _ = await asyncio.to_thread(server.accept)
            with connection, suppress(BrokenPipeError):
                connection.send(b"hello\r\n\r\n")
        assert (await asking)[0].status == "fail"
        await runner.aclose()


async def test_doctor_tells_what_the_engine_holds(engine: TestEngine) -> None:
    """The checks name version, users, seccomp, limits, place, disk and runtimes; a working engine fails none."""
    runner = DockerRunner(url=engine.url)
    checks = {check.name: check for check in await runner.check()}
    await runner.aclose()
    names = {"docker", *(f"docker {word}" for word in ("users", "seccomp", "limits", "place", "disk", "runtimes"))}
    assert set(checks) == names
    assert {check.status for check in checks.values()} <= {"ok", "warn"}
    assert "API 1." in checks["docker"].detail


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets to close a socket that cannot connect
async def test_an_engine_that_dies_under_a_job(private: TestEngine) -> None:
    """A job whose engine is killed is a retryable failure of the infrastructure, and the runner stays usable."""
    runner = DockerRunner(url=private.url)
    running = asyncio.create_task(_execute(runner, "sleep 120"))
    await until_async(lambda: asyncio.sleep(0, private.client.containers()), "the container runs")
    assert private.pid is not None
    os.kill(private.pid, signal.SIGKILL)
    assert failed(await running, Category.INFRASTRUCTURE).retryable
    assert isinstance((await _execute(runner)).outcome, Interrupted)
    await runner.aclose()
    gc.collect()


# ---- sweep ---------------------------------------------------------------------------------------------------------

HOLD = """
import asyncio, sys
from support.builders import make_context
from support.dockerjobs import shell
from specql_jobs.runners.docker import DockerRunner
runner = DockerRunner(url=sys.argv[1])
asyncio.run(runner.execute(shell("echo up; sleep 600").plan(runner), make_context(timeout_seconds=600)))
"""


async def _swept(runner: DockerRunner) -> list[str]:
    """The containers that a sweep removes; control groups of workers that other tests killed may go with them."""
    return [name for name in await runner.sweep(frozenset()) if not name.startswith("/")]


async def test_what_a_killed_process_left_is_swept(engine: TestEngine) -> None:
    """The container and control groups of a process that was killed -9 are gone after the next sweep."""
    import sys  # noqa: PLC0415 - the interpreter of this very run

    folder = str(Path(__file__).parent.parent)
    paths = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
    with started(sys.executable, "-c", HOLD, engine.url, env={"PYTHONPATH": paths}) as process:
        await until_async(lambda: asyncio.sleep(0, engine.client.containers(filters={"label": OWNER})), "it runs")
        runner = DockerRunner(url=engine.url)
        assert await _swept(runner) == []
        process.kill()
        process.finish()
    removed = await _swept(runner)
    await runner.aclose()
    assert len(removed) == 1
    assert engine.ours() == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/specql-docker-*.{process.pid}.*"))


def _container(name: str = "", **more: str) -> dict[str, Any]:
    job = str(uuid4())
    labels = {JOB: job, LEASE: "1", OWNER: own_name(), UNTIL: "0", **more}
    return {"Names": [f"/{name or f'specql-{job}-1'}"], "Labels": labels}


NOW = 1_800_000_000  # seconds since 1970, some day
DEAD = own_name().rpartition(".")[0] + ".1"  # this process's number, another start
ELSEWHERE = "abcdef012345.1.1.1"


@pytest.mark.parametrize(
    ("container", "taken"),
    [
        (_container(), True),
        (_container(**{OWNER: DEAD}), True),
        (_container(**{OWNER: ELSEWHERE, UNTIL: str(NOW)}), False),
        (_container(**{OWNER: ELSEWHERE, UNTIL: "1"}), True),
        (_container(**{OWNER: ELSEWHERE, UNTIL: "-1"}), False),
        (_container(**{OWNER: "nonsense", UNTIL: "nonsense"}), False),
        (_container("innocent", **{OWNER: DEAD}), False),
        (_container("specql-x-1", **{OWNER: DEAD}), False),
        ({"Names": ["/innocent"], "Labels": None}, False),
    ],
    ids=[
        "own",
        "dead",
        "far, in time",
        "far, overdue",
        "odd time",
        "odd owner",
        "other name",
        "other job",
        "no labels",
    ],
)
def test_what_a_sweep_takes(container: Mapping[str, Any], taken: bool) -> None:
    """Only a container whose name agrees with its labels, and whose process is dead or deadline long past."""
    assert left_behind(container, frozenset(), NOW) is taken


def test_a_running_container_is_never_swept() -> None:
    """What this process runs is not a leftover, whatever its deadline."""
    container = _container()
    assert not left_behind(container, frozenset({container["Names"][0].lstrip("/")}), time.time())


async def test_an_image_with_our_labels_is_nobodys_leftover(engine: TestEngine) -> None:
    """A stranger's container, started from an image that carries a runner's labels, survives the sweep."""
    from support.dockerd import SPOOFED  # noqa: PLC0415 - beside its one use

    made = engine.client.create_container(SPOOFED, command=["/bin/sleep", "1"], name=f"stranger-{uuid4().hex[:8]}")
    runner = DockerRunner(url=engine.url)
    try:
        assert await _swept(runner) == []
        assert engine.client.inspect_container(made["Id"])["State"]["Status"] == "created"
    finally:
        await runner.aclose()
        engine.client.remove_container(made["Id"], force=True, v=True)


async def test_a_name_that_is_taken_is_not_taken_over(engine: TestEngine) -> None:
    """A container that already has the attempt's name is not the attempt's."""
    context = make_context(lease_seq=77)
    made = engine.client.create_container(BUSYBOX, command=["/bin/sleep", "1"], name=docker_sweep.name_of(context))
    runner = DockerRunner(url=engine.url)
    try:
        result = await runner.execute(shell("echo hi").plan(runner), context)
        assert "in use" in failed(result, Category.INFRASTRUCTURE).message
        assert engine.client.inspect_container(made["Id"])["State"]["Status"] == "created"
    finally:
        await runner.aclose()
        engine.client.remove_container(made["Id"], force=True)


# ---- images --------------------------------------------------------------------------------------------------------


async def test_whether_an_image_exists_is_asked_of_a_real_engine(engine: TestEngine) -> None:
    """The engine's own image exists, one that names an image's id by its beginning does not, and nothing is pulled."""
    before = {each["Id"] for each in engine.client.images()}  # in no order: they were made in one second
    async with EngineImages(engine.url) as images:
        assert await images.has(BUSYBOX)
        for name in (engine.image_id().removeprefix("sha256:")[:12], "127.0.0.1:1/nobody/has-this:1"):
            with pytest.raises(Unavailable, match="registry"):
                await images.has(name)
    assert {each["Id"] for each in engine.client.images()} == before
