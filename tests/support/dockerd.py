"""A container engine for tests: the one that DOCKER_HOST or the usual socket gives, or a private plain `dockerd`.

A private engine has its data, runtime files, socket and pidfile below one temporary folder, and a network namespace of
its own, so that its bridge and firewall rules are gone with it. It is ended by its process id, with its containers and
mounts.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import docker
from docker.errors import DockerException

from .waiting import until

#: Read at import, because every test runs with DOCKER_HOST removed from its environment.
GIVEN_HOST: Final = os.environ.get("DOCKER_HOST", "")
USUAL_SOCKET: Final = Path("/var/run/docker.sock")
START_SECONDS: Final = 60.0

BUSYBOX: Final = "specql-test/busybox:1"
#: The same content under a name that allowlists must tell apart.
OTHER_NAME: Final = "specql-test/other:1"
#: Claims, in its labels, to be a container of a worker that has died; has root as its user and a volume on disk.
SPOOFED: Final = "specql-test/spoofed:1"


class EngineAbsent(Exception):
    """No engine can be reached or started here; the text says why."""


@dataclass(frozen=True, slots=True)
class TestEngine:
    """A running engine with the test images in it. `client` is the tests' own look at it, from outside the runner."""

    __test__ = False  # not a test class, whatever its name says

    url: str
    client: Any
    has_bridge: bool
    pid: int | None = None  # of a private engine

    def ours(self) -> list[str]:
        """Return the names of all containers that carry a runner's label."""
        listed = self.client.containers(all=True, filters={"label": "specql-jobs.owner"})
        return sorted(each["Names"][0].lstrip("/") for each in listed)

    def image_id(self, name: str = BUSYBOX) -> str:
        """Return an image's id."""
        return str(self.client.inspect_image(name)["Id"])


@contextmanager
def serve() -> Iterator[TestEngine]:
    """Yield a given engine or a private one, with the test images; raise EngineAbsent if there is neither."""
    url = GIVEN_HOST or (f"unix://{USUAL_SOCKET}" if USUAL_SOCKET.exists() else "")
    client = _client(url) if url else None
    if client is not None:
        with closing(client), _images(client):
            yield TestEngine(url, client, has_bridge=_has_bridge(client))
        return
    with serve_private() as engine, _images(engine.client):
        yield engine


@contextmanager
def serve_private() -> Iterator[TestEngine]:
    """Yield a private engine without images, also for tests that stop it; nothing of it is left afterwards."""
    _check_means()
    folder = Path(tempfile.mkdtemp(prefix="sqj-engine-", dir="/tmp"))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_command(folder), stdout=log, stderr=log, env=_environment(), start_new_session=True)
    try:
        engine = _started(folder, process)
        with closing(engine.client):
            yield engine
    finally:
        _end(process)
        _end_what_is_left(folder)
        _unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def restarted(engine: TestEngine) -> Iterator[None]:
    """Stop a private engine as its service would be, and have it run again in its place for as long as the block."""
    assert engine.pid is not None
    words = _read(f"/proc/{engine.pid}/cmdline").decode().split("\0")[:-1]
    os.kill(engine.pid, signal.SIGTERM)
    until(lambda: not _lives(engine.pid), "the engine has stopped", START_SECONDS)
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": _environment()}
    process = subprocess.Popen([*NAMESPACE, *words], start_new_session=True, **quiet)
    try:
        until(lambda: _answers(engine.url), "the engine answers again", START_SECONDS)
        yield
    finally:
        _end(process)


def _lives(pid: int | None) -> bool:
    state = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return bool(state) and state[0] not in (b"Z", b"X")


def _answers(url: str) -> bool:
    client = _client(url)
    if client is not None:
        client.close()
    return client is not None


def _check_means() -> None:
    if os.geteuid() != 0:
        raise EngineAbsent("no engine is running, and only root can start one")
    missing = [name for name in ("dockerd", "containerd", "runc", "busybox") if not shutil.which(name)]
    if missing:
        raise EngineAbsent(f"{', '.join(missing)} not installed (apt-get install docker.io busybox-static)")


def _command(folder: Path) -> list[str]:
    words = [
        *NAMESPACE,
        "dockerd",
        "--data-root",
        f"{folder}/data",
        "--exec-root",
        f"{folder}/run",
        "--pidfile",
        f"{folder}/pid",
    ]
    words += ["--host", f"unix://{folder}/engine.sock", "--storage-driver", _storage(folder)]
    if not _may_filter():
        words += ["--iptables=false", "--bridge=none"]
    return words


#: Starts a program, under the same process id, in a network namespace where only the loopback exists.
NAMESPACE: Final = ("unshare", "--net", "--", "/bin/sh", "-c", 'busybox ip link set lo up && exec "$@"', "sh")


def _storage(folder: Path) -> str:
    """overlay2 where one overlay can be mounted here, else vfs, which copies."""
    names = [folder / name for name in ("lower", "upper", "work", "merged")]
    for name in names:
        name.mkdir()
    options = "lowerdir={},upperdir={},workdir={}".format(*names)
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, str(names[3])]
    worked = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    if worked:
        subprocess.run(["umount", str(names[3])], check=True)
    return "overlay2" if worked else "vfs"


def _may_filter() -> bool:
    try:
        words = [*NAMESPACE, "iptables", "-t", "nat", "-L", "-n"]
        done = subprocess.run(words, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _environment() -> dict[str, str]:
    """The run's mark goes with it, so that an engine which outlives the run fails it."""
    return {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "HOME", "SQJ_TEST_RUN")}


def _started(folder: Path, process: subprocess.Popen[bytes]) -> TestEngine:
    url = f"unix://{folder}/engine.sock"

    def answer() -> Any:
        if process.poll() is not None:
            last = (folder / "log").read_text(errors="replace").splitlines()[-3:]
            raise EngineAbsent("dockerd does not start here: " + " | ".join(last))
        return _client(url)

    try:
        client = until(answer, "dockerd answers", START_SECONDS)
    except AssertionError as error:
        raise EngineAbsent(f"dockerd does not answer: {error}") from error
    return TestEngine(url, client, has_bridge=_has_bridge(client), pid=process.pid)


def _client(url: str) -> Any:
    """Return a client of an engine that answers, else None."""
    try:
        if url.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as probe:  # the SDK forgets to close one that cannot connect
                probe.connect(url.removeprefix("unix://"))
        return docker.APIClient(url, version="auto", timeout=60)
    except (DockerException, OSError):
        return None


def _has_bridge(client: Any) -> bool:
    return any(network["Name"] == "bridge" for network in client.networks())


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM lets dockerd stop its containers and its containerd; SIGKILL to the session is for one that hangs."""
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_what_is_left(folder: Path) -> None:
    """An engine that a test killed has left its containers running, each under a shim that names our folder."""
    left = {pid for pid in _pids() if str(folder).encode() in _read(f"/proc/{pid}/cmdline")}
    while more := {pid for pid in _pids() if _parent(pid) in left} - left:
        left |= more
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not left & set(_pids()), "the killed engine's containers end")
    ids = [path.name for path in (folder / "data" / "containers").glob("*")]
    for group in [path for id_ in ids for path in Path("/sys/fs/cgroup").glob(f"*/*/*/{id_}")]:
        for level in (group, *group.parents[:2]):  # the container's, its job's, its worker's
            with suppress(OSError):
                level.rmdir()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def _parent(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _unmount_below(folder: Path) -> None:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    for place in reversed([line.split()[4] for line in lines]):
        if Path(place).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", place], capture_output=True, check=False)


# ---- images --------------------------------------------------------------------------------------------------------


@contextmanager
def _images(client: Any) -> Iterator[None]:
    names = (BUSYBOX, OTHER_NAME, SPOOFED)
    spoof = [
        'LABEL specql-jobs.owner="000000000000.1.1.1" specql-jobs.worker=dead specql-jobs.job=x specql-jobs.lease=1',
        "USER 0",
        "VOLUME /data",
        "ENV LD_PRELOAD=/evil.so",
    ]
    make_image(client, names[0], [])
    client.tag(names[0], *names[1].split(":"))
    make_image(client, names[2], spoof)
    try:
        yield
    finally:
        for name in names:
            client.remove_image(name, force=True)


def make_image(client: Any, name: str, changes: list[str]) -> None:
    """Import an image of busybox and its applets; `changes` are lines of a Dockerfile."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "tmp", "etc", "data", "open"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder in ("tmp", "open") else 0o755
            tar.addfile(entry)
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox")
        _add_text(tar, "etc/passwd", "root:x:0:0::/:/bin/sh\nhidden:x:0:0::/:/bin/sh\n", 0o644)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        tar.add(shutil.which("busybox") or "/bin/busybox", "bin/busybox-suid", filter=_setuid)
    repository, _, tag = name.partition(":")
    client.import_image_from_data(archive.getvalue(), repository=repository, tag=tag, changes=changes)


APPLETS: Final = (
    *(
        "sh",
        "cat",
        "echo",
        "id",
        "sleep",
        "ls",
        "ln",
        "mount",
        "umount",
        "chown",
        "mknod",
        "kill",
        "wget",
        "nc",
        "ping",
    ),
    *("dd", "yes", "printf", "true", "false", "env", "grep", "head", "setsid", "rm", "mkdir", "touch", "ps", "unshare"),
    *(
        "chroot",
        "hostname",
        "ip",
        "stat",
        "seq",
        "tr",
        "find",
        "sysctl",
        "date",
        "readlink",
        "wc",
        "awk",
        "chmod",
        "cp",
    ),
)


def _setuid(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mode, entry.uid, entry.gid = 0o4755, 0, 0
    return entry


def _add_text(tar: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    tar.addfile(entry, io.BytesIO(text.encode()))
