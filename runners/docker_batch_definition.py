"""A job definition of AWS Batch: made from a plan, named by its content, and compared with what stands there. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..core.contract import ResourceRequirements, Violation
from .docker_batch_config import BatchSpec
from .docker_create import OPEN_FILES

if TYPE_CHECKING:
    from .docker_batch_plan import BatchPlan
    from .docker_plan import DockerPlan

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")
_SHARED_MEMORY: Final = 64  # MiB of /dev/shm, as the local engine has


def properties(spec: BatchSpec, plan: DockerPlan) -> dict[str, Any]:
    """Return the container of a definition that confines as much as Batch has words for (on EC2)."""
    files = plan.resources.open_files or OPEN_FILES
    found: dict[str, Any] = {
        "image": plan.image,
        "user": plan.user,
        "privileged": False,
        "readonlyRootFilesystem": plan.read_only,
        "resourceRequirements": requirements(spec.limits),
        "ulimits": [{"name": "nofile", "softLimit": files, "hardLimit": files}],
        "linuxParameters": {
            "initProcessEnabled": True,
            "sharedMemorySize": _SHARED_MEMORY,
            "maxSwap": 0,
            "tmpfs": [
                {"containerPath": path, "size": size, "mountOptions": ["rw", "noexec", "nosuid", "nodev"]}
                for path, size in plan.tmpfs
            ],
        },
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": spec.log_group}},
    }
    roles = {"jobRoleArn": spec.job_role_arn, "executionRoleArn": spec.execution_role_arn}
    return found | {key: role for key, role in roles.items() if role}


def requirements(resources: ResourceRequirements) -> list[dict[str, str]]:
    """Return cores and memory as Batch is asked for them."""
    asked = (("VCPU", f"{resources.cpu_cores or 1:g}"), ("MEMORY", str(resources.memory_mb or 512)))
    return [{"type": kind, "value": value} for kind, value in asked]


def definition_name(service: str, made: Mapping[str, Any]) -> str:
    """Return the name of a definition with that content: the same content is registered once."""
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return f"specql-jobs-{_NOT_IN_NAMES.sub('-', service)[:60]}-{digest[:24]}"


def differences(plan: BatchPlan, found: Mapping[str, Any]) -> tuple[Violation, ...]:
    """Return everything in which a definition goes beyond the plan that was judged."""
    return tuple(
        Violation("definition_differs", f"the job definition {plan.definition} {text}", "runner_config.job_definition")
        for text in _differences(plan, found)
    )


def _differences(plan: BatchPlan, found: Mapping[str, Any]) -> Iterator[str]:
    inside = found.get("containerProperties")
    if found.get("type") != "container" or not isinstance(inside, Mapping):
        yield "is not of one container"
        return
    local, spec = plan.inner, plan.spec
    for key, word, wanted in (
        ("image", "image", local.image),
        ("user", "user", local.user),
        ("jobRoleArn", "job role", spec.job_role_arn),
        ("executionRoleArn", "execution role", spec.execution_role_arn),
    ):
        if (inside.get(key) or "") != wanted:
            yield f"has the {word} {inside.get(key)!r}, the registry says {wanted!r}"
    yield from _powers(plan, inside)


def _powers(plan: BatchPlan, inside: Mapping[str, Any]) -> Iterator[str]:
    linux = inside.get("linuxParameters") or {}
    if inside.get("privileged"):
        yield "is privileged"
    if inside.get("volumes") or inside.get("mountPoints"):
        yield "mounts volumes"
    if linux.get("devices"):
        yield "opens devices"
    if plan.inner.read_only and not inside.get("readonlyRootFilesystem"):
        yield "has a writable root, the registry says read_only"
    scratch, most = sum(int(each.get("size") or 0) for each in linux.get("tmpfs") or ()), plan.inner.resources.disk_mb
    if most is not None and scratch > max(most, sum(size for _, size in plan.inner.tmpfs)):
        yield f"has {scratch} MiB of tmpfs, disk_mb is {most}"
