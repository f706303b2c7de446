"""A container plan in words: for dry-run and audit, and as a `docker run` line. Pure; secrets appear by name only."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core.contract import Mount, ResourceRequirements
from .arguments import JOB_NAMES

if TYPE_CHECKING:
    from .docker_plan import DockerPlan

#: A longer input is left out of the line that people paste.
LONGEST_SHOWN = 2000  # bytes


def described(plan: DockerPlan) -> dict[str, Any]:
    """Return the plan as JSON-able data; of the environment names only."""
    image_says = "(as the image says)"
    return {
        "execution_type": "docker",
        "command": command_line(plan),
        "image": plan.image,
        "entrypoint": image_says if plan.entrypoint is None else list(plan.entrypoint),
        "argv": image_says if plan.command is None else list(plan.command),
        "working_dir": plan.working_dir or image_says,
        "environment": _origins(plan),
        "mounts": [f"{mount.host_path} -> {mount.job_path} ({mount.mode})" for mount in plan.mounts],
        "network": "bridge" if plan.network == "all" else plan.network,
        "user": plan.user,
        "read_only": plan.read_only,
        "tmpfs": {path: f"{size} MiB" for path, size in plan.tmpfs},
        "runtime": plan.runtime or "(the engine's default)",
        "capabilities": "none, no new privileges, the engine's seccomp profile",
        "stdin_bytes": len(plan.stdin),
        "max_output_bytes": plan.output_bytes,
        "timeout_seconds": plan.timeout_seconds,
        "resources": {
            name: getattr(plan.resources, name)
            for name in ResourceRequirements.__slots__
            if getattr(plan.resources, name) is not None
        },
    }


def _origins(plan: DockerPlan) -> dict[str, str]:
    """Every variable's name with where its value comes from."""
    registry = dict.fromkeys(plan.environment, "registry")
    return {
        **registry,
        **dict.fromkeys(plan.input_env, "input"),
        **dict.fromkeys(JOB_NAMES, "specql-jobs"),
    }


def command_line(plan: DockerPlan) -> str:
    """Return one pasteable `docker run` line; `--env NAME` takes the value from the shell that it is pasted into."""
    line = shlex.join(["docker", "run", "--rm", "--interactive", *_options(plan), plan.image, *_arguments(plan)])
    if len(plan.stdin) > LONGEST_SHOWN:
        return f"{line}    # the input, {len(plan.stdin)} bytes of JSON, goes to its stdin"
    return f"printf %s {shlex.quote(plan.stdin.decode('ascii'))} | {line}"


def _options(plan: DockerPlan) -> Iterator[str]:
    yield from ("--network", "bridge" if plan.network == "all" else "none", "--user", plan.user)
    yield from ("--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    yield from ("--read-only",) if plan.read_only else ()
    yield from _limits(plan.resources)
    for path, size in plan.tmpfs:
        yield from ("--tmpfs", f"{path}:{tmpfs_options(size, plan.user)}")
    for mount in plan.mounts:
        yield from ("--mount", _mount(mount))
    for name in plan.environment:
        yield from ("--env", name)
    yield from ("--workdir", plan.working_dir) if plan.working_dir else ()
    yield from ("--runtime", plan.runtime) if plan.runtime else ()
    yield from ("--entrypoint", plan.entrypoint[0]) if plan.entrypoint else ()


def tmpfs_options(size: int, user: str) -> str:
    """Return the mount options of one scratch folder of `size` MiB; inodes are bounded too, for they take memory.

    It belongs to the user where that is a number: some runtimes give it the mode of the image's folder of that name.
    """
    uid, _, gid = user.partition(":")
    owner = f",uid={uid},gid={gid}" if uid.isdigit() and gid.isdigit() else ""
    return f"rw,noexec,nosuid,nodev,mode=1777{owner},size={size}m,nr_inodes={max(size * 256, 256)}"


def _limits(resources: ResourceRequirements) -> Iterator[str]:
    if resources.memory_mb is not None:
        yield from ("--memory", f"{resources.memory_mb}m", "--memory-swap", f"{resources.memory_mb}m")
    if resources.cpu_cores is not None:
        yield from ("--cpus", f"{resources.cpu_cores:g}")
    if resources.pids is not None:
        yield from ("--pids-limit", str(resources.pids))
    if resources.open_files is not None:
        yield from ("--ulimit", f"nofile={resources.open_files}")
    if resources.cpu_seconds is not None:
        yield from ("--ulimit", f"cpu={max(round(resources.cpu_seconds), 1)}")


def _mount(mount: Mount) -> str:
    parts = ["type=bind", f"src={mount.host_path}", f"dst={mount.job_path}"]
    return ",".join(parts if mount.mode == "rw" else [*parts, "readonly"])


def _arguments(plan: DockerPlan) -> tuple[str, ...]:
    return (*(plan.entrypoint or ())[1:], *(plan.command or ()))
