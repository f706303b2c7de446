"""The request that creates one container: everything that confines it, in one place. Pure.

Only what is named here reaches the engine. It would take privileged mode, the host's namespaces, devices or its own
socket without a word, so nothing of a registry or a row is passed through unread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cgroup import MIB
from .docker_describe import tmpfs_options
from .visit import SHELL

if TYPE_CHECKING:
    from .docker_plan import DockerPlan

SHARED_MEMORY = 64 * MIB  # of /dev/shm, the engine's own default; it counts as the job's memory
OPEN_FILES = 1024  # where no policy says less


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the engine knows it. `digest` is what a registry would know it by; local builds have only an id."""

    id: str
    digest: str = ""
    volumes: tuple[str, ...] = ()  # folders for which the engine would make volumes on its disk

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Image:
        """Return the image of an inspect answer."""
        config, digests = answer.get("Config") or {}, answer.get("RepoDigests") or ()
        digest = next((name.partition("@")[2] for name in digests), "")
        return cls(str(answer["Id"]), digest, tuple(sorted(config.get("Volumes") or ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a create request needs besides the plan. `parent` "" leaves the control group to the engine."""

    image: Image
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    init: bool
    parent: str


def request(plan: DockerPlan, setting: Setting) -> dict[str, Any]:
    """Return the body of a create request; the image goes in by id, so that a tag moved meanwhile changes nothing."""
    body = {
        "Image": setting.image.id,
        "Labels": dict(setting.labels),
        "User": plan.user,
        "Env": [f"{name}={value}" for name, value in setting.environment.items()],
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "NetworkDisabled": plan.network == "none",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host(plan, setting),
    }
    if plan.entrypoint is not None:
        body["Entrypoint"] = list(plan.entrypoint)
    if plan.command is not None:
        body["Cmd"] = list(plan.command)
    if plan.working_dir:
        body["WorkingDir"] = plan.working_dir
    return body


def visited() -> dict[str, Any]:
    """Return what a visitor's shell changes in the request: the program and its terminal, nothing that confines it."""
    return {"Tty": True, "Entrypoint": list(SHELL[:1]), "Cmd": list(SHELL[1:])}


def _host(plan: DockerPlan, setting: Setting) -> dict[str, Any]:
    host: dict[str, Any] = {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],  # the engine's own seccomp profile stays
        "Privileged": False,
        "ReadonlyRootfs": plan.read_only,
        "NetworkMode": "bridge" if plan.network == "all" else "none",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "ShmSize": SHARED_MEMORY,
        "Tmpfs": {path: tmpfs_options(size, plan.user) for path, size in _scratch(plan, setting.image.volumes)},
        "Mounts": list(_binds(plan)),
        # Nothing is kept by the engine: the worker reads the streams itself, within its own cap.
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "OomScoreAdj": 1000,
        "Init": setting.init,
        **_limits(plan),
    }
    if plan.runtime:
        host["Runtime"] = plan.runtime
    if setting.parent:
        host["CgroupParent"] = setting.parent
    return host


def _binds(plan: DockerPlan) -> Iterator[dict[str, Any]]:
    """Binds by `Mounts`, which fail for a missing source; `Binds` would create it, owned by root."""
    for mount in plan.mounts:
        yield {
            "Type": "bind",
            "Source": mount.host_path,
            "Target": mount.job_path,
            "ReadOnly": mount.mode != "rw",
            "BindOptions": {"Propagation": "rprivate"},
        }


def _scratch(plan: DockerPlan, volumes: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """The plan's scratch, and in its likeness the image's own volumes, which would be on the engine's disk unsized."""
    yield from plan.tmpfs
    taken = {*(mount.job_path for mount in plan.mounts), *(path for path, _ in plan.tmpfs)}
    free = [path for path in volumes if path.rstrip("/") not in taken]
    for path in free:
        yield path, max((plan.resources.disk_mb or 0) // len(free), 1)


def _limits(plan: DockerPlan) -> dict[str, Any]:
    resources = plan.resources
    files = resources.open_files or OPEN_FILES
    ulimits = [_ulimit("nofile", files), _ulimit("core", 0)]
    limits: dict[str, Any] = {"Ulimits": ulimits}
    if resources.memory_mb is not None:
        limits |= {"Memory": resources.memory_mb * MIB, "MemorySwap": resources.memory_mb * MIB}
    if resources.cpu_cores is not None:
        limits["NanoCpus"] = max(int(resources.cpu_cores * 1e9), 10_000_000)  # the engine refuses less than 0.01
    if resources.pids is not None:
        limits["PidsLimit"] = resources.pids
    if resources.cpu_seconds is not None:
        # SIGXCPU at the limit, which tells what happened; SIGKILL a second later.
        seconds = max(math.ceil(resources.cpu_seconds), 1)
        ulimits.append({"Name": "cpu", "Soft": seconds, "Hard": seconds + 1})
    return limits


def _ulimit(name: str, most: int) -> dict[str, Any]:
    return {"Name": name, "Soft": most, "Hard": most}
