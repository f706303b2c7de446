"""What a hostile shell job tries to read or change on its host, checked from outside the job."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest
from support.builders import make_context
from support.shelljobs import (
    JOB_UID,
    SHELL,
    Job,
    folder,
    refused,
    run,
    running,
    sandbox_here,
    script,
    stdout,
    succeeded,
)
from support.waiting import until_async

from specql_jobs.core.contract import ExecutionContext, StopReason
from specql_jobs.runners.shell import ShellScriptRunner

__all__ = ["folder", "sandbox_here"]  # fixtures, imported for their names

MARK = "worker-secret-8f1c2d"

READ_ALL = """
import glob
patterns = ('[0-9]*/environ', '[0-9]*/cmdline', '[0-9]*/task/*/environ')
for path in [path for pattern in patterns for path in glob.glob('/proc/' + pattern)]:
    try:
        print(open(path).read())
    except OSError as error:
        print(path, error)
"""


WRITE_ALL = """
import os
for folder in ('/', '/usr', '/usr/bin', '/etc', '/dev', '/proc', '/etc/ssl/certs'):
    try:
        open(os.path.join(folder, 'new'), 'w')
        print('WROTE', folder)
    except OSError as error:
        print(folder, error.errno)
"""


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQJ_TEST_SECRET", MARK)


@pytest.mark.usefixtures("marked")
def test_worker_environment_is_not_readable() -> None:
    """No process that a job can see has the worker's environment, bubblewrap's own first process included."""
    said = stdout(run(script(READ_ALL)))
    assert MARK not in said
    assert "SPECQL_JOB_ID" in said  # it did read the environments that it may


def test_sandbox_arguments_do_not_show() -> None:
    """Neither mounts nor values of variables appear on the command line of the sandbox's first process."""
    config = {"environment": {"GREETING": "hello-5a5a"}}
    assert "hello-5a5a" in stdout(run(script(READ_ALL, config=config)))
    first_process = stdout(run(script("print(open('/proc/1/cmdline').read())", config=config)))
    assert "bwrap" in first_process
    assert "hello-5a5a" not in first_process


@pytest.mark.parametrize("path", ["/etc/shadow", "/root", "/etc/ssh", "/var/lib", "/home", "/run", "/sys", "/boot"])
def test_host_paths_are_absent(path: str) -> None:
    """Paths of the host that no policy named do not exist in the sandbox."""
    assert succeeded(run(script(f"import os, json; print(json.dumps({{'there': os.path.lexists({path!r})}}))"))) == {
        "there": False
    }


def test_another_jobs_scratch_is_not_reachable() -> None:
    """A job finds nothing of a job that runs beside it, and cannot see its processes."""
    holder = Job(argv=(SHELL, "-c", "echo private > /work/found-by-name; echo ready; exec sleep 30"))
    seeker = script(
        "import os, json; print(json.dumps({'files': [d for d, _, names in os.walk('/') if 'found-by-name' in names],"
        " 'pids': len([p for p in os.listdir('/proc') if p.isdigit()])}))"
    )

    found: list[object] = []

    async def look(context: ExecutionContext) -> None:
        await until_async(_holding, "the first job has its scratch")
        runner = ShellScriptRunner(job_uid=JOB_UID)
        found.append(succeeded(await runner.execute(seeker.plan(runner), make_context())))
        await runner.aclose()
        context.stop.request(StopReason.CANCELLED)

    run(holder, meanwhile=look)
    assert found == [{"files": [], "pids": 2}]


async def _holding() -> bool:
    return running("sleep 30") > 0


def test_descriptors_of_the_worker_are_not_inherited(folder: Path) -> None:
    """A file that the worker holds open, inheritable by mistake, is not open in the job."""
    secret = folder / "open-in-worker"
    secret.write_text(MARK)
    with secret.open() as held:
        fcntl.fcntl(held, fcntl.F_SETFD, 0)
        said = stdout(run(Job(argv=(SHELL, "-c", "ls -l /proc/self/fd; for f in 3 4 5 6 7 8 9; do cat <&$f; done"))))
    assert "pipe:" in said
    assert MARK not in said
    assert "open-in-worker" not in said


def test_read_only_mounts_cannot_be_written(folder: Path) -> None:
    """A path given for reading stays as it is, even where its file mode lets everybody write."""
    target = folder / "data"
    target.write_text("before")
    target.chmod(0o666)
    attack = f"import os\nopen({str(target)!r}, 'r+').write('after')"
    result = run(script(attack, policy={"read_paths": (str(folder),)}))
    assert "Read-only file system" in str(result.outcome)
    assert target.read_text() == "before"


def test_write_paths_can_be_written_under_read_write(folder: Path) -> None:
    """The same write succeeds where policy names the path for writing: the refusal above is the mount's."""
    target = folder / "data"
    target.write_text("before")
    target.chmod(0o666)
    job = script(
        f"open({str(target)!r}, 'r+').write('after!')",
        policy={"write_paths": (str(folder),), "file_access": "read_write"},
    )
    succeeded(run(job))
    assert target.read_text() == "after!"


def test_system_folders_cannot_be_written() -> None:
    """The root, /usr, /etc and /dev of the sandbox take no new files."""
    said = stdout(run(script(WRITE_ALL)))
    assert "WROTE" not in said
    assert said.count("\n") == 7


def test_working_directory_behind_a_symbolic_link_is_refused(folder: Path) -> None:
    """A working directory that is a link is refused before anything runs: whoever owns the link could turn it."""
    real = folder / "elsewhere"
    real.mkdir()
    (real / "mark").touch()
    link = folder / "link"
    link.symlink_to(real)
    result = run(Job(argv=(SHELL, "-c", "ls"), config={"working_directory": str(link)}))
    assert "symbolic link" in refused(result)["path_refused"]
    assert result.logs == ()


def test_link_inside_the_working_directory_leads_nowhere(folder: Path) -> None:
    """A link in a mounted folder to a host file outside it dangles in the sandbox."""
    secret = folder / "outside"
    secret.write_text(MARK)
    work = folder / "work"
    work.mkdir(mode=0o755)
    (work / "innocent").symlink_to(secret)
    (work / "shadow").symlink_to("/etc/shadow")
    result = run(Job(argv=(SHELL, "-c", "cat innocent shadow"), config={"working_directory": str(work)}))
    assert MARK not in str(result)
    assert str(result.outcome).count("No such file or directory") >= 2


@pytest.mark.parametrize(
    "path", ["/", "//", "//etc", "/proc", "/sys/kernel", "/dev", "/run", "/root", "/etc", "/tmp", "/var"]
)
def test_dangerous_host_paths_are_never_mounted(path: str) -> None:
    """Whatever a registry grants, the folders that hold the host's secrets and sockets are not given to a job."""
    result = run(Job(argv=(SHELL, "-c", "ls"), policy={"read_paths": (path,)}))
    assert "never given to a job" in refused(result)["path_refused"]


def test_folder_with_a_socket_is_refused(folder: Path) -> None:
    """A read-only mount would let a job connect to a socket in it, so such a folder is refused."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "service.sock"))
        result = run(Job(argv=(SHELL, "-c", "ls"), policy={"read_paths": (str(folder),)}))
    assert "socket service.sock" in refused(result)["path_refused"]
