"""Shell jobs that try to use up their host or to outlive their end; the helper checks from outside that none does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.shelljobs import (
    SHELL,
    Job,
    failed,
    folder,
    run,
    sandbox_here,
    script,
    stdout,
    succeeded,
    survivors,
)
from support.waiting import until_async

from specql_jobs.core.contract import Cancelled, ExecutionContext, Interrupted, ResourceRequirements, StopReason
from specql_jobs.core.job import Category
from specql_jobs.core.policy import Policy

__all__ = ["folder", "sandbox_here"]  # fixtures, imported for their names

SMALL = ResourceRequirements(memory_mb=48, cpu_cores=1.0, pids=12, open_files=64, disk_mb=8)
MIB = 1024 * 1024

#: Six ways in which processes leave their parent, their group and their session, and refuse to be asked to end.
DAEMONS = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
for index in range(6):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            if index % 2:
                for descriptor in (0, 1, 2):
                    os.close(descriptor)
            time.sleep(600)
        os._exit(0)
"""


def test_memory_bomb_is_killed_at_its_limit() -> None:
    """Memory beyond the limit ends the job, and what the kernel counted stays within the limit."""
    result = run(script("x = []\nwhile True: x.append(bytearray(1 << 20))", policy={"resources": SMALL}))
    assert "memory limit of 48 MiB" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert not failed(result, Category.RESOURCE_EXHAUSTED).retryable
    assert 30 < result.usage["peak_memory_mb"] <= 48.1


def test_memory_in_files_counts() -> None:
    """Memory held in anonymous files, invisible in any process's size, is counted and ends the job."""
    bomb = (
        "import os\nfor n in range(20):\n  f = os.memfd_create('x')\n  [os.write(f, bytes(1 << 20)) for _ in range(8)]"
    )
    result = run(script(bomb, policy={"resources": SMALL}))
    assert "memory limit" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert result.usage["peak_memory_mb"] <= 48.1


def test_killed_child_fails_the_job_even_with_exit_code_0() -> None:
    """A job whose child was killed for memory has failed, though its own exit code is 0."""
    bomb = "/usr/bin/python3 -c 'x = bytearray(1 << 30)' ; exit 0"
    result = run(Job(argv=(SHELL, "-c", bomb), policy={"resources": SMALL}))
    assert "memory limit" in failed(result, Category.RESOURCE_EXHAUSTED).message


def test_fork_bomb_is_stopped_at_the_process_limit() -> None:
    """Forking beyond the limit fails inside the job, and the failed job says so."""
    bomb = "import os, time\nwhile os.fork() or True: pass"
    result = run(script(bomb, policy={"resources": SMALL}))
    assert "limit of 12 processes" in failed(result, Category.RESOURCE_EXHAUSTED).message


def test_process_limit_is_what_the_policy_says() -> None:
    """A job may have exactly as many processes as its limit."""
    count = (
        "import os, time, json\nn = 1\ntry:\n  while True:\n    if os.fork() == 0: time.sleep(60)\n    n += 1\n"
        "except BlockingIOError:\n  print(json.dumps({'processes': n}))"
    )
    assert succeeded(run(script(count, policy={"resources": SMALL}))) == {"processes": 12}


def test_output_flood_is_ended() -> None:
    """A job that writes without end is ended, and of its output no more is kept than policy allows."""
    result = run(script("while True: print('x' * 4096)", policy={"max_output_bytes": 10_000}))
    assert "80000 bytes of output" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert sum(len(chunk.text.encode()) for chunk in result.logs) <= 10_000
    assert result.logs[0].truncated


def test_scratch_ends_at_its_size() -> None:
    """The private scratch takes disk_mb and no more; the host's disk is not involved."""
    fill = (
        "import json\nn = 0\ntry:\n  with open('/work/f', 'wb', 0) as f:\n    while True: n += f.write(bytes(65536))\n"
        "except OSError as e:\n  print(json.dumps({'bytes': n, 'error': e.strerror}))"
    )
    limits = ResourceRequirements(memory_mb=128, cpu_cores=1.0, pids=12, open_files=64, disk_mb=8)
    ignoring = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    output = succeeded(run(script(ignoring + fill, policy={"resources": limits})))
    assert output["bytes"] == 8 * MIB


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm", "/var/tmp", "/dev", "/"])
def test_no_other_place_takes_more_than_the_scratch_limits(place: str) -> None:
    """Every writable place in the sandbox has a size, and many small files do not get round it."""
    fill = (
        "import os, json\nn = 0\ntry:\n  for i in range(4096):\n"
        "    with open(f'PLACE/{i}', 'wb', 0) as f: n += f.write(bytes(65536))\n"
        "except OSError: pass\nprint(json.dumps({'bytes': n}))"
    ).replace("PLACE", place)
    limits = ResourceRequirements(memory_mb=128, cpu_cores=1.0, pids=12, open_files=64, disk_mb=8)
    assert succeeded(run(script(fill, policy={"resources": limits})))["bytes"] <= 8 * MIB


def test_cpu_seconds_count_all_processes_together() -> None:
    """CPU time is added up over children, so that forking does not multiply what a job may burn."""
    burn = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    limits = ResourceRequirements(memory_mb=128, cpu_cores=2.0, pids=32, open_files=64, disk_mb=8, cpu_seconds=1.0)
    result = run(script(burn, policy={"resources": limits}), timeout_seconds=60.0)
    assert "cpu_seconds limit of 1 s" in failed(result, Category.RESOURCE_EXHAUSTED).message
    assert 1.0 <= result.usage["cpu_seconds"] < 8.0  # eight processes with a second each would have had 8


def test_descriptors_end_at_the_limit() -> None:
    """A process cannot open more files than its limit."""
    exhaust = (
        "import os, json\nn = 0\ntry:\n  while True:\n    os.open('/dev/null', 0)\n    n += 1\n"
        "except OSError as e:\n  print(json.dumps({'opened': n, 'errno': e.errno}))"
    )
    output = succeeded(run(script(exhaust, policy={"resources": SMALL})))
    assert output["errno"] == 24
    assert output["opened"] < 64


def test_daemons_do_not_outlive_a_job_that_ends() -> None:
    """Processes that left for sessions of their own and ignore signals are gone when the job has ended."""
    assert succeeded(run(script(DAEMONS + "print('{\"ended\": true}')")))


@pytest.mark.parametrize("reason", list(StopReason))
def test_daemons_do_not_outlive_a_job_that_is_stopped(reason: StopReason) -> None:
    """Timeout, cancellation and the worker's shutdown end all processes of a job, whatever they ignore."""

    async def stop(context: ExecutionContext) -> None:
        await until_async(_all_there, "the daemons run")
        if reason is not StopReason.TIMEOUT:
            context.stop.request(reason)

    seconds = 4.0 if reason is StopReason.TIMEOUT else 60.0
    result = run(script(DAEMONS + "time.sleep(600)"), meanwhile=stop, timeout_seconds=seconds)
    if reason is StopReason.TIMEOUT:
        assert failed(result, Category.TIMEOUT).retryable
        assert "timeout of 4 s" in failed(result, Category.TIMEOUT).message
    else:
        assert isinstance(result.outcome, Cancelled | Interrupted)


async def _all_there() -> bool:
    return len(survivors()) >= 9  # two of bubblewrap, the job and six daemons


def test_job_without_a_reader_for_its_input_ends(folder: Path) -> None:
    """A job that never reads a large standard input ends normally."""
    big = {"text": "x" * 900_000}
    assert succeeded(run(Job(argv=("/bin/true",), input=big)))["exit_code"] == 0


def test_nul_and_escapes_in_output_are_made_safe() -> None:
    """Output that Postgres refuses or a terminal obeys is stored as harmless text, and the job can finish."""
    result = run(script("import sys; sys.stdout.buffer.write(b'a\\0b\\x1b]52;c;x\\x07\\xff\\xed\\xa0\\x80c')"))
    text = succeeded(result)["stdout"]
    assert not set(text) & {"\0", "\x1b", "\x07"}
    assert text.startswith("a\ufffdb\ufffd]52")
    json.dumps(text).encode("utf-8")


def test_json_output_with_nul_is_made_safe() -> None:
    """A NUL escaped in JSON output, which jsonb refuses, is replaced in keys and values."""
    assert succeeded(run(script(r"print('{\"a\\u0000\": [\"\\u0000b\"]}')"))) == {"a\ufffd": ["\ufffdb"]}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": NaN}', '{"a": 1e999}', '{"a": ' + "9" * 5000 + "}", "nope"])
def test_output_that_is_not_storable_json_is_kept_as_text(text: str, folder: Path) -> None:
    """Output that only looks like JSON, or that no jsonb column takes, comes as exit code and text."""
    (folder / "out").write_text(text)
    job = Job(argv=("/usr/bin/cat", str(folder / "out")), policy={"read_paths": (str(folder),)})
    output = succeeded(run(job))
    assert output["exit_code"] == 0
    assert output["stdout"].startswith(text[:10])


def test_policy_defaults_hold() -> None:
    """A policy that states no limits still has them: 64 processes and 512 MiB."""
    limits = Policy().resources
    assert (limits.memory_mb, limits.pids) == (512, 64)
    said = stdout(run(Job(argv=(SHELL, "-c", "cat /proc/self/limits"))))
    assert "Max open files            256" in said
    assert "Max core file size        0" in said
