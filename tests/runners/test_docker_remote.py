"""An engine that is reached over TCP: its files and control groups are not this host's."""

from __future__ import annotations

from pathlib import Path

from support.builders import make_context
from support.dockerd import TestEngine
from support.dockerjobs import Job, shell
from support.doorway import over_tcp
from support.results import failed, refused, stdout, succeeded

from specql_jobs.core.contract import Failed, JobResult
from specql_jobs.core.job import Category
from specql_jobs.runners.docker import DockerRunner


async def _execute(job: Job, engine: TestEngine, **more: float) -> JobResult:
    async with over_tcp(engine.url) as url:
        runner = DockerRunner(url=url)
        try:
            return await runner.execute(job.plan(runner), make_context(policy=job.effective, **more))
        finally:
            await runner.aclose()


async def test_input_and_output_cross_the_network(engine: TestEngine) -> None:
    """The input arrives whole and ends, and so does the output."""
    job = Job(command=("/bin/cat",), input={"text": "x" * 300_000}, policy={"max_request_size": 1 << 20})
    assert len(succeeded(await _execute(job, engine))["text"]) == 300_000


async def test_usage_is_sampled(engine: TestEngine) -> None:
    """Where no control group can be read, the engine's samples say what was used, and the usage says so."""
    result = await _execute(shell("x=$(head -c 9000000 /dev/zero | tr '\\0' x); sleep 3"), engine)
    assert (result.usage["source"], result.usage["exit_code"]) == ("samples", 0)
    assert result.usage["peak_memory_mb"] > 8
    assert result.usage["cpu_seconds"] > 0


async def test_limits_hold_all_the_same(engine: TestEngine) -> None:
    """Memory, CPU time and the deadline end a job on a remote engine too."""
    hungry = shell("x=$(head -c 90000000 /dev/zero | tr '\\0' x); echo $x", limits={"memory_mb": 32})
    killed = await _execute(hungry, engine)
    # Docker 20.10 loses its word about one such kill in fifty; the kill itself is never lost.
    assert (isinstance(killed.outcome, Failed), killed.usage["exit_code"]) == (True, 137)
    busy = shell("for n in 1 2 3; do (while :; do :; done) & done; wait", limits={"cpu_seconds": 1.0})
    assert "cpu_seconds" in failed(await _execute(busy, engine), Category.RESOURCE_EXHAUSTED).message
    failed(await _execute(shell("sleep 60"), engine, timeout_seconds=0.8), Category.TIMEOUT)
    assert engine.ours() == []


async def test_volumes_are_refused(engine: TestEngine, volume: Path) -> None:
    """A folder of this host means nothing to an engine elsewhere, and a folder of that one cannot be checked."""
    volumes = [{"host_path": str(volume), "container_path": "/data"}]
    job = shell("ls /data", config={"volumes": volumes}, policy={"allowed_host_paths": (str(volume),)})
    assert "cannot be checked" in refused(await _execute(job, engine))["engine_elsewhere"]


async def test_doctor_warns(engine: TestEngine) -> None:
    """The checks say what is weaker with a remote engine."""
    async with over_tcp(engine.url) as url:
        runner = DockerRunner(url=url)
        found = {check.name: check for check in await runner.check()}
        await runner.aclose()
    assert found["docker place"].status == "warn"
    assert "volumes are refused" in found["docker place"].detail
    assert stdout(await _execute(shell("echo hi"), engine)) == "hi\n"
