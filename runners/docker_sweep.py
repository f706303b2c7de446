"""Whose container is whose: the labels that say so, and the removal of what crashed workers left.

A label says which process made a container, by what no other process can have: boot, process namespace, number and
start time. A container is taken only if that process is dead, or its own deadline is long past: another queue's worker
on the same engine is never disturbed. Images carry labels too, so a container counts as ours only if its name agrees,
which no image can set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from ..core.contract import ExecutionContext
from . import docker_usage
from .docker_engine import Engine, EngineError

OWNER, WORKER, JOB, LEASE, UNTIL = (f"specql-jobs.{word}" for word in ("owner", "worker", "job", "lease", "until"))

#: Seconds after a job's own deadline at which its container is anybody's to remove.
OVERDUE = 300.0


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")[:12]


def own_name() -> str:
    """Return this process's name as an owner: boot, process namespace, number, start time."""
    return f"{_boot()}.{_namespace()}.{os.getpid()}.{_start_time(os.getpid())}"


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat; "" for a process that is not there, or dead and not yet reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def is_dead(owner: str) -> bool | None:
    """Whether an owner's process has ended; None for one that lives, or died, where this process cannot see it."""
    boot, _, rest = owner.partition(".")
    namespace, _, rest = rest.partition(".")
    number, _, start = rest.partition(".")
    if boot != _boot() or namespace != str(_namespace()) or not number.isdigit():
        return None
    return _start_time(int(number)) != start


def name_of(context: ExecutionContext) -> str:
    """Return the name of an attempt's container: one per lease."""
    return f"specql-{context.job_id}-{context.lease_seq}"


def kept_name() -> str:
    """Return the name of a container that a person keeps: not one that a sweep knows."""
    return f"specql-kept-{uuid4()}"


def labels(context: ExecutionContext) -> dict[str, str]:
    """Return the labels of an attempt's container."""
    return {
        OWNER: own_name(),
        WORKER: context.worker_id,
        JOB: str(context.job_id),
        LEASE: str(context.lease_seq),
        UNTIL: str(int(time.time() + context.timeout_seconds)),
    }


def left_behind(container: Mapping[str, Any], running: frozenset[str], now: float) -> bool:
    """Whether a listed container is one of ours that nobody looks after. `running` are this process's own."""
    known = container.get("Labels") or {}
    name = f"specql-{known.get(JOB)}-{known.get(LEASE)}"
    if [f"/{name}"] != container.get("Names") or name in running:
        return False
    if known.get(OWNER) == own_name():
        return True
    dead = is_dead(str(known.get(OWNER, "")))
    return bool(dead) or (dead is None and _overdue(str(known.get(UNTIL, "")), now))


def _overdue(until: str, now: float) -> bool:
    return until.isdigit() and now > int(until) + OVERDUE


async def sweep(engine: Engine, running: frozenset[str]) -> list[str]:
    """Remove the containers that nobody looks after; return their names. Raise EngineError."""
    listed = await engine.do(lambda client: client.containers(all=True, filters={"label": OWNER}))
    removed = []
    for container in listed:
        if left_behind(container, running, time.time()):
            await remove(engine, container["Id"])
            removed.append(container["Names"][0].lstrip("/"))
    return removed


def sweep_groups() -> list[str]:
    """Remove the control groups of owners that have ended. Blocks."""
    return [path for owner in docker_usage.owners() if is_dead(owner) for path in docker_usage.remove_owner(owner)]


async def remove(engine: Engine, container: str) -> None:
    """Kill and remove a container with its anonymous volumes; one that is gone already is no error."""
    try:
        await engine.do(lambda client: client.remove_container(container, v=True, force=True))
    except EngineError as error:
        if error.status not in (404, 409):  # 409: its removal is under way
            raise
