"""Attacks on which image, user and host folder a container gets: names that look allowed, paths that lead elsewhere.

Each is checked from outside the job: the engine was never asked for a container, or what was aimed at on the host is
untouched and unread.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.dockerd import BUSYBOX, OTHER_NAME, SPOOFED, TestEngine
from support.dockerjobs import Job, run, shell
from support.results import failed, refused, stdout

from specql_jobs.core.contract import Mount
from specql_jobs.core.errors import ConfigError
from specql_jobs.core.job import Category
from specql_jobs.runners.docker_mounts import VolumeProblem, hold, misplaced, release
from specql_jobs.runners.paths import PathProblem

REPOSITORY = BUSYBOX.partition(":")[0]
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def untouched(engine: TestEngine) -> Iterator[None]:
    """Fail the test if the engine was asked to make a container during it."""
    since = int(time.time()) - 1
    before = _created(engine, since)
    yield
    assert _created(engine, since) == before


def _created(engine: TestEngine, since: int) -> list[str]:
    wanted = {"type": "container", "event": "create"}
    return [each["id"] for each in engine.client.events(since=since, until=time.time(), filters=wanted, decode=True)]


# ---- images --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        (OTHER_NAME, BUSYBOX),
        (f"{REPOSITORY}:2", BUSYBOX),
        (REPOSITORY, BUSYBOX),
        (BUSYBOX.upper(), BUSYBOX),
        (f"docker.io/{BUSYBOX}", BUSYBOX),
        (f"evil.example/{BUSYBOX}", BUSYBOX),
        (f"{BUSYBOX}@{DIGEST}", BUSYBOX),
        (f"{REPOSITORY}:1/evil", f"{REPOSITORY}:*"),
        (f"{REPOSITORY}evil:1", f"{REPOSITORY}:*"),
        (f"{REPOSITORY}@{DIGEST}", f"{REPOSITORY}:*"),
        (f"{REPOSITORY}/deeper:1", f"{REPOSITORY}:*"),
        ("specql-test:5000/evil", "specql-test:*"),
        (OTHER_NAME, "*"),
        (OTHER_NAME, "specql-test/*"),
        (OTHER_NAME, f"{OTHER_NAME.partition(':')[0]}"),
        (OTHER_NAME, ""),
    ],
)
def test_an_image_that_only_looks_allowed(engine: TestEngine, untouched: None, image: str, allowed: str) -> None:
    """No tag, case, registry, digest or wildcard makes another image an allowed one."""
    job = Job(command=("/bin/true",), config={"image": image}, policy={"allowed_images": (allowed,)})
    assert "image_not_allowed" in refused(run(job, engine))


def test_an_image_under_an_empty_policy(engine: TestEngine, untouched: None) -> None:
    """A policy that lists nothing allows nothing."""
    assert "image_not_allowed" in refused(run(shell("true", policy={"allowed_images": ()}), engine))


def test_a_tag_where_a_digest_is_demanded(engine: TestEngine, untouched: None) -> None:
    """require_digest refuses a tag, even one that is listed."""
    assert "image_without_digest" in refused(run(shell("true", policy={"require_digest": True}), engine))


def test_a_digest_that_is_not_the_images(engine: TestEngine, untouched: None) -> None:
    """An allowed name with the digest of something else finds no image, though the tag exists."""
    name = f"{BUSYBOX}@{DIGEST}"
    job = Job(command=("/bin/true",), config={"image": name}, policy={"allowed_images": (name,)})
    assert not failed(run(job, engine), Category.INFRASTRUCTURE).retryable


def test_the_beginning_of_another_images_id(engine: TestEngine, untouched: None) -> None:
    """A name of hex digits does not reach an image by its id."""
    short = engine.image_id().removeprefix("sha256:")[:12]
    job = Job(command=("/bin/true",), config={"image": short}, policy={"allowed_images": (short,)})
    assert "is not on this host's engine" in failed(run(job, engine), Category.INFRASTRUCTURE).message


@pytest.mark.parametrize("image", ["--privileged", "-v/:/host", "a\n--privileged", "a b", "../../etc", "$(id)"])
def test_an_image_that_is_an_option(engine: TestEngine, untouched: None, image: str) -> None:
    """What is no name of an image never reaches the engine."""
    with pytest.raises(ConfigError):
        run(Job(command=("/bin/true",), config={"image": image}, policy={"allowed_images": (image,)}), engine)


def test_an_image_that_wants_to_be_root(engine: TestEngine) -> None:
    """The image's own user, environment and volumes give it nothing: it runs as nobody, on memory."""
    job = shell("id -u; touch /data/x && grep -c ' /data tmpfs' /proc/mounts", config={"image": SPOOFED})
    result = run(Job(command=job.command, config=job.config, policy={"allowed_images": (SPOOFED,)}), engine)
    assert stdout(result).split() == ["65534", "1"]


def test_a_user_whose_name_hides_root(engine: TestEngine) -> None:
    """An image may call user 0 by any name; it still has no right that counts and cannot touch its root."""
    result = run(shell("id -u; chown 1 /tmp 2>&1; touch /bin/x 2>&1; true", config={"user": "hidden"}), engine)
    assert "Operation not permitted" in stdout(result)
    assert "Read-only file system" in stdout(result)


# ---- host folders --------------------------------------------------------------------------------------------------


def _mounted(path: str, *allowed: str, mode: str = "ro", code: str = "cat /x/* /x") -> Job:
    volumes = [{"host_path": path, "container_path": "/x", "mode": mode}]
    return shell(f"{code} 2>&1; true", config={"volumes": volumes}, policy={"allowed_host_paths": allowed})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "///",
        "//etc",
        "/etc",
        "/etc/../",
        "/root",
        "/proc",
        "/proc/1",
        "/proc/self/fd",
        "/sys",
        "/sys/fs/cgroup",
        "/dev",
        "/run",
    ],
)
def test_a_folder_of_the_host_itself(engine: TestEngine, untouched: None, path: str) -> None:
    """Even a policy that allows everything below / gives no container the host's own folders."""
    assert "path_refused" in refused(run(_mounted(path, "/"), engine))


@pytest.mark.parametrize("path", ["{}/../{}-not", "{}-not", "{}/../../../etc", "{}/./../{}-not/data", "/data"])
def test_a_folder_beside_the_allowed_one(engine: TestEngine, untouched: None, volume: Path, path: str) -> None:
    """Paths are compared by whole components after `..` is resolved."""
    beside = Path(f"{volume}-not")
    beside.mkdir()
    (beside / "secret").write_text("SECRET")
    asked = path.format(volume, volume.name)
    assert "path_not_allowed" in refused(run(_mounted(asked, str(volume)), engine))


@pytest.mark.parametrize("target", ["/etc", "/var/run", "/proc/1/root"])
def test_a_link_below_the_allowed_folder(engine: TestEngine, untouched: None, volume: Path, target: str) -> None:
    """A symbolic link in an allowed folder leads no container out of it."""
    (volume / "link").symlink_to(target)
    assert "symbolic link" in refused(run(_mounted(f"{volume}/link", str(volume)), engine))["path_refused"]


def test_a_folder_that_others_can_swap(engine: TestEngine, untouched: None, volume: Path) -> None:
    """A folder in a place where other users may write could be exchanged between check and mount: refused."""
    (volume / "data").mkdir()
    volume.chmod(0o777)
    assert "could be swapped" in refused(run(_mounted(f"{volume}/data", str(volume)), engine))["path_refused"]


def test_a_folder_that_a_stranger_owns_in_a_sticky_place(engine: TestEngine, untouched: None, volume: Path) -> None:
    """In a folder like /tmp, an entry of another user is his to exchange."""
    volume.chmod(0o1777)
    (volume / "data").mkdir()
    os.chown(volume / "data", 1234, 1234)
    assert "could be swapped" in refused(run(_mounted(f"{volume}/data", str(volume)), engine))["path_refused"]


def test_a_folder_that_is_swapped_all_the_same(engine: TestEngine, volume: Path) -> None:
    """What the kernel says that a container has mounted is compared with what was checked, folder for folder."""
    (volume / "checked").mkdir()
    (volume / "other").mkdir()
    held = hold((Mount(f"{volume}/checked", "/x", "ro"),), ())
    mounts = [{"Type": "bind", "Source": f"{volume}/other", "Target": "/x", "ReadOnly": True}]
    body = {"Image": BUSYBOX, "Cmd": ["/bin/sleep", "60"], "HostConfig": {"Mounts": mounts, "NetworkMode": "none"}}
    made = engine.client.create_container_from_config(body, f"swap-{uuid4().hex[:8]}")
    try:
        engine.client.start(made["Id"])
        pid = engine.client.inspect_container(made["Id"])["State"]["Pid"]
        assert misplaced(held, pid) == f"{volume}/checked"
        mounts[0]["Source"] = f"{volume}/checked"
    finally:
        release(held)
        engine.client.remove_container(made["Id"], force=True)


def test_the_engines_socket_by_another_name(engine: TestEngine, untouched: None, volume: Path) -> None:
    """A folder that holds a socket, or a socket itself, is given to nobody: connecting needs no write permission."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(volume / "innocent"))
        for path in (volume, volume / "innocent"):
            assert "path_refused" in refused(run(_mounted(str(path), str(volume)), engine))


def test_the_engines_own_files(engine: TestEngine, untouched: None) -> None:
    """The folder in which the engine keeps images and containers is refused, above and below."""
    root = engine.client.info()["DockerRootDir"]
    for path in (root, f"{root}/containers", str(Path(root).parent)):
        found = refused(run(_mounted(path, "/"), engine))
        assert "path_refused" in found


def test_writing_where_only_reading_is_stated(engine: TestEngine, volume: Path) -> None:
    """A read-only volume stays so for a job that tries to mount it anew."""
    (volume / "given").write_text("mine")
    volume.chmod(0o777)
    code = "mount -o remount,rw /x; echo theirs > /x/given; rm -f /x/given"
    run(_mounted(str(volume), str(volume.parent), code=code), engine)
    assert (volume / "given").read_text() == "mine"


def test_a_mode_that_does_not_exist(engine: TestEngine, untouched: None, volume: Path) -> None:
    """A mode with options smuggled in is no mode."""
    for mode in ("rw,shared", "z", "RW", "ro:rw"):
        assert "mount_mode_invalid" in refused(run(_mounted(str(volume), str(volume), mode=mode), engine))


def test_more_volumes_than_allowed(engine: TestEngine, untouched: None, volume: Path) -> None:
    """max_volumes counts what the registry asks for."""
    volumes = [{"host_path": str(volume), "container_path": f"/v{n}"} for n in range(3)]
    policy = {"allowed_host_paths": (str(volume),), "max_volumes": 2}
    assert "too_many_volumes" in refused(run(shell("true", config={"volumes": volumes}, policy=policy), engine))


def test_a_missing_folder_is_not_made(engine: TestEngine, untouched: None, volume: Path) -> None:
    """The engine would make a missing source, owned by root; the job fails instead."""
    failed(run(_mounted(f"{volume}/absent/deeper", str(volume)), engine), Category.INFRASTRUCTURE)
    assert list(volume.iterdir()) == []


def test_problems_leave_nothing_open(volume: Path) -> None:
    """Folders that were opened before a later one was refused are closed."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(PathProblem):
        hold((Mount(str(volume), "/a", "ro"), Mount(f"{volume}/absent", "/b", "ro")), ())
    with pytest.raises(VolumeProblem):
        hold((Mount(str(volume), "/a", "ro"),), (str(volume.parent),))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_variable_that_the_policy_does_not_list(engine: TestEngine, untouched: None) -> None:
    """A job's input sets no variable that allowed_env does not name, and never one that steers the loader."""
    for name, allowed in (("X", ()), ("LD_PRELOAD", ("LD_PRELOAD",)), ("A=B", ("A=B",)), ("PATH", ("PATH",))):
        given: dict[str, Any] = {"command": ["/bin/env"], "env_vars": {name: "/evil.so"}}
        found = refused(run(Job(command=None, input=given, policy={"allowed_env": allowed}), engine))
        assert found.keys() & {"env_not_allowed", "env_dangerous", "env_name_invalid"}
