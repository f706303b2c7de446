"""Attacks on the host's memory, processes, disk, time and log: each is held by the kernel or ended by the worker.

Each is checked from outside the job: the kernel's count of memory and processes, the engine's disk, living processes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from support.dockerd import TestEngine
from support.dockerjobs import Job, run, running, shell
from support.results import failed, stdout
from support.waiting import until_async

from specql_jobs.core.contract import ExecutionContext
from specql_jobs.core.job import Category
from specql_jobs.runners import docker_sweep

BOMB = "f() { f | f & }; f; sleep 1; echo over"


def test_a_fork_bomb_stops_at_the_limit(engine: TestEngine) -> None:
    """However fast it forks, the kernel never counts more than the policy's number of processes."""
    seen: list[int] = []

    async def look(context: ExecutionContext) -> bool:
        seen.extend(int(path.read_text()) for path in _files(context, "pids", "pids.current"))
        return len(seen) >= 40

    async def watch(context: ExecutionContext) -> None:
        await until_async(lambda: look(context), "forty looks at the bomb")

    run(shell(BOMB, limits={"pids": 20}), engine, meanwhile=watch, timeout_seconds=4.0)
    assert 0 < max(seen) <= 20


def _files(context: ExecutionContext, controller: str, name: str) -> list[Path]:
    root = Path("/sys/fs/cgroup")
    places = [root / controller, root] if (root / controller).is_dir() else [root]
    parents = [path for place in places for path in place.glob(f"specql-docker-*/{docker_sweep.name_of(context)}")]
    return [found for parent in parents for found in parent.glob(f"*/{name}")]


def test_a_memory_bomb_takes_no_more_than_its_limit(engine: TestEngine) -> None:
    """Memory of many small processes together is held, and the kernel's peak says so."""
    code = "for n in 1 2 3 4 5 6; do (x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 1) & done; wait; echo over"
    result = run(shell(code, limits={"memory_mb": 48}), engine)
    failed(result, Category.RESOURCE_EXHAUSTED)
    assert result.usage["peak_memory_mb"] <= 49


def test_an_out_of_memory_kill_counts_although_the_exit_is_0(engine: TestEngine) -> None:
    """A job whose child the kernel killed has not succeeded, whatever it says itself."""
    code = "(x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo $x > /dev/null); exit 0"
    failed(run(shell(code, limits={"memory_mb": 32}), engine), Category.RESOURCE_EXHAUSTED)


def test_swap_is_no_way_around_the_memory_limit(engine: TestEngine) -> None:
    """Memory and swap together have the limit of memory alone."""
    mark, seen = uuid4().hex, list[str]()

    async def look(context: ExecutionContext) -> None:
        await until_async(lambda: asyncio.sleep(0, running(mark)), "the job runs")
        names = ("memory.memsw.limit_in_bytes", "memory.swap.max")
        seen.extend(path.read_text().strip() for name in names for path in _files(context, "memory", name))

    run(shell(f"sleep 1; : {mark}", limits={"memory_mb": 48}), engine, meanwhile=look)
    assert seen in ([str(48 << 20)], ["0"])


def test_scratch_is_full_at_its_size(engine: TestEngine) -> None:
    """A scratch folder takes no more than its size, and no more files than its share."""
    code = "dd if=/dev/zero of=/tmp/x bs=1M count=100 2>&1; wc -c < /tmp/x; rm /tmp/x; "
    code += "i=0; while touch /tmp/$i 2>/dev/null; do i=$((i+1)); done; echo $i"
    size, files = stdout(run(shell(code, limits={"disk_mb": 4}), engine)).split()[-2:]
    assert int(size) <= 4 << 20
    assert int(files) <= 1024


def test_shared_memory_is_memory(engine: TestEngine) -> None:
    """/dev/shm is bounded, and counts as the job's memory."""
    result = run(shell("dd if=/dev/zero of=/dev/shm/x bs=1M count=900 2>&1; exit 0", limits={"memory_mb": 32}), engine)
    assert result.usage["peak_memory_mb"] <= 33


def test_there_is_no_other_place_to_write(engine: TestEngine) -> None:
    """No folder but scratch and shared memory takes a file."""
    code = "find / -xdev -type d 2>/dev/null | while read d; do touch $d/evil 2>/dev/null && echo $d; done"
    code += "; for d in /dev /dev/mqueue /sys /proc /run /var; do touch $d/evil 2>/dev/null && echo $d; done; true"
    assert set(stdout(run(shell(code), engine)).split()) <= {"/tmp", "/dev/mqueue"}


def test_a_writable_root_is_looked_at(engine: TestEngine) -> None:
    """Where the registry makes the root writable, a job that writes more than disk_mb is ended."""
    code = "i=0; while :; do dd if=/dev/zero of=/open/f$i bs=1M count=2 2>/dev/null; i=$((i+1)); sleep 0.1; done"
    job = shell(code, config={"read_only": False, "user": 4242}, limits={"disk_mb": 8})
    result = run(job, engine, timeout_seconds=20.0)
    assert "disk_mb limit of 8 MiB" in failed(result, Category.RESOURCE_EXHAUSTED).message


def test_a_flood_of_output_is_ended(engine: TestEngine) -> None:
    """A program that writes for ever is ended, and its log has both ends of what was kept."""
    result = run(shell("yes", policy={"max_output_bytes": 2000}), engine)
    assert "wrote more than 16000 bytes" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert sum(len(chunk.text.encode()) for chunk in result.logs) <= 2000


def test_a_flood_reaches_no_disk(engine: TestEngine) -> None:
    """The engine keeps no log of a job: there is no file of it to fill the host."""
    mark, root = uuid4().hex, Path(str(engine.client.info()["DockerRootDir"]))
    seen: list[object] = []

    async def look(context: ExecutionContext) -> None:
        await until_async(lambda: asyncio.sleep(0, running(mark)), "the job runs")
        found = await asyncio.to_thread(engine.client.inspect_container, docker_sweep.name_of(context))
        seen.append((found["HostConfig"]["LogConfig"]["Type"], found["LogPath"]))
        seen.append(list(root.glob(f"containers/{found['Id']}/*-json.log")))

    run(shell(f"yes | head -c 500000; sleep 3; : {mark}"), engine, meanwhile=look)
    assert seen == [("none", ""), []]


def test_a_line_without_end_is_bounded(engine: TestEngine) -> None:
    """Output without a line end is kept like any other, both streams within the cap together."""
    result = run(
        shell("head -c 7000 /dev/zero | tr '\\0' a; head -c 7000 /dev/zero >&2", policy={"max_output_bytes": 2000}),
        engine,
    )
    assert sum(len(chunk.text.encode()) for chunk in result.logs) <= 2000
    assert all(chunk.truncated for chunk in result.logs)


def test_a_job_that_ignores_sigterm_is_killed(engine: TestEngine) -> None:
    """Deafness to SIGTERM gains the grace and no more: nothing lives after the result."""
    mark = uuid4().hex
    result = run(shell(f"trap '' TERM; while :; do sleep 300; : {mark}; done"), engine, timeout_seconds=1.0)
    failed(result, Category.TIMEOUT)
    assert (running(mark), result.usage["exit_code"]) == ([], 137)


def test_a_job_that_stops_itself_is_killed(engine: TestEngine) -> None:
    """Processes that are stopped, and handle no signal, die at the timeout too."""
    mark = uuid4().hex
    failed(run(shell(f"kill -STOP $$; : {mark}"), engine, timeout_seconds=1.0), Category.TIMEOUT)
    assert running(mark) == []


def test_open_files_are_limited(engine: TestEngine) -> None:
    """A process can open as many files as the policy says, and cannot raise that."""
    result = run(shell("ulimit -n; ulimit -n 100000 2>&1; ulimit -Hn", limits={"open_files": 77}), engine)
    assert stdout(result).split()[0] == "77"
    assert stdout(result).split()[-1] == "77"


def test_no_core_is_dumped(engine: TestEngine) -> None:
    """A crash leaves no image of the job's memory."""
    assert stdout(run(shell("ulimit -c; ulimit -Hc"), engine)).split() == ["0", "0"]


def test_an_input_that_nobody_reads_holds_nothing_up(engine: TestEngine) -> None:
    """A program that does not read its input ends when it likes."""
    job = Job(command=("/bin/echo", "hi"), input={"text": "x" * 900_000})
    assert stdout(run(job, engine)) == "hi\n"
