"""The sweep of what killed workers left: it takes what is theirs, and cannot be led to anything else."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.shelljobs import JOB_UID, PYTHON, SHELL, Job, folder, sandbox_here, succeeded
from support.shelljobs import execute as execute_job
from support.waiting import until, until_async

from specql_jobs.core.contract import ExecutionContext, StopReason
from specql_jobs.runners.shell import ShellScriptRunner
from specql_jobs.runners.shell_orphans import name_for, sweep_orphans
from specql_jobs.runners.shell_scratch import make_scratch, sweep_scratch

__all__ = ["folder", "sandbox_here"]

DEAD = 2**22 + 1  # no process has this number: it is beyond what Linux gives


@pytest.fixture
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own, open to everybody as /tmp is."""
    folder.chmod(0o1777)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _owned(path: Path, uid: int) -> Path:
    path.mkdir()
    (path / "kept").write_text("data")
    os.chown(path, uid, uid)
    return path


def test_a_killed_workers_folder_is_removed(temporary: Path) -> None:
    """A folder that nobody holds any more goes, with everything that the job made in it."""
    scratch = make_scratch(JOB_UID)
    (Path(scratch.path) / "deep" / "er").mkdir(parents=True)
    assert sweep_scratch(JOB_UID) == []
    os.close(scratch.lock)
    assert sweep_scratch(JOB_UID) == [scratch.path]
    assert list(temporary.iterdir()) == []


def test_a_folder_that_is_held_stays(temporary: Path) -> None:
    """What another worker's job is using is not taken from it, whatever its worker is called."""
    mine = _owned(temporary / "specql-job-other", JOB_UID)
    descriptor = os.open(mine, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert sweep_scratch(JOB_UID) == []
        assert (mine / "kept").exists()
    finally:
        os.close(descriptor)


def test_a_link_leads_the_sweep_nowhere(temporary: Path, tmp_path: Path) -> None:
    """A link of the right name, or one inside a folder of ours, costs no file that it points to."""
    treasure = _owned(tmp_path / "treasure", 0)
    (temporary / "specql-job-link").symlink_to(treasure)
    os.lchown(temporary / "specql-job-link", JOB_UID, JOB_UID)
    inside = _owned(temporary / "specql-job-trap", JOB_UID)
    (inside / "way-out").symlink_to(treasure)
    sweep_scratch(JOB_UID)
    assert (treasure / "kept").read_text() == "data"
    assert not inside.exists()


@pytest.mark.parametrize("name", ["specql-job-theirs", "specql-new-theirs"])
def test_another_users_folder_stays(temporary: Path, name: str) -> None:
    """Anybody may make a folder of that name in /tmp; it is theirs."""
    theirs = _owned(temporary / name, JOB_UID + 1)
    os.utime(theirs, (0, 0))
    assert sweep_scratch(JOB_UID) == []
    assert (theirs / "kept").exists()


@pytest.mark.parametrize(
    ("namespace", "number", "goes"),
    [("here", DEAD, True), ("here", os.getpid(), False), ("1", DEAD, False), ("here", "x", False)],
)
def test_a_folder_that_was_never_held_goes_with_its_maker(
    temporary: Path, namespace: str, number: object, goes: bool
) -> None:
    """A worker killed before it held its new folder leaves it to the next sweep; one who may live keeps it."""
    here = os.stat("/proc/self/ns/pid").st_ino
    newborn = _owned(temporary / f"specql-new-{here if namespace == 'here' else namespace}-{number}-abc", 0)
    assert sweep_scratch(JOB_UID) == ([str(newborn)] if goes else [])
    assert newborn.exists() is not goes


@pytest.fixture
def named() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes with names of the test's choosing; all are ended with it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def _called(name: str, uid: int) -> subprocess.Popen[bytes]:
    words = [name, "-c", "import time; time.sleep(600)"]
    return subprocess.Popen(words, executable=PYTHON, user=uid, env={})


def test_an_orphan_is_killed_and_a_child_is_not(named: list[subprocess.Popen[bytes]]) -> None:
    """A sandbox whose worker is gone is ended; one whose parent is the worker that it names goes on."""
    orphan, child = _called(name_for(DEAD), JOB_UID), _called(name_for(os.getpid()), JOB_UID)
    named += [orphan, child]
    until(lambda: f"process {orphan.pid}" in sweep_orphans(JOB_UID), "the orphan is found")
    assert orphan.wait(10) == -9
    assert sweep_orphans(JOB_UID) == []
    assert child.poll() is None


def test_only_the_job_users_processes_are_ended(named: list[subprocess.Popen[bytes]]) -> None:
    """A name is not enough: a process of another user that calls itself so is none of ours."""
    other = _called(name_for(DEAD), JOB_UID + 1)
    named.append(other)
    until(lambda: Path(f"/proc/{other.pid}/cmdline").read_bytes().startswith(b"bwrap"), "it has its name")
    assert sweep_orphans(JOB_UID) == []
    assert other.poll() is None


def test_a_sweep_spares_what_runs(folder: Path) -> None:
    """While a job runs, sweeps of its own worker and of others take nothing of it."""

    async def meanwhile(context: ExecutionContext) -> None:
        async def begun() -> bool:
            return (folder / "begun").exists()

        await until_async(begun, "the job runs")
        other = ShellScriptRunner(job_uid=JOB_UID)
        for alive in (frozenset({"t"}), frozenset[str]()):
            assert await other.sweep(alive) == []
        (folder / "go").touch()
        assert context.stop.reason is not StopReason.CANCELLED

    words = "touch begun; while [ ! -e go ]; do sleep 0.05; done; echo done"
    folder.chmod(0o777)
    job = Job(
        argv=(SHELL, "-c", words),
        policy={"file_access": "read_write", "write_paths": (str(folder),)},
        config={"working_directory": str(folder)},
    )
    result = asyncio.run(execute_job(job, meanwhile=meanwhile, worker_id="t"))
    assert succeeded(result)["stdout"] == "done\n"
