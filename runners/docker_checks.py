"""What `doctor` says about container jobs: the engine, and what it can hold on this host."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.contract import Check
from .docker_engine import Engine, EngineError, Facts

_START = "start Docker (systemctl start docker), install it (apt-get install docker.io), or set DOCKER_HOST"


async def run(engine: Engine, *, stated: bool) -> list[Check]:
    """Return the lines of `doctor`. An engine that nobody named and that is not there is skipped, not failed."""
    try:
        facts = await engine.facts()
    except EngineError as error:
        absent = not stated and not engine.has_socket()
        return [Check("docker", "skip" if absent else "fail", error.message, _START)]
    return [Check("docker", "ok", f"{facts.name}, API {facts.api}, at {engine.url}"), *_lines(engine, facts)]


def _lines(engine: Engine, facts: Facts) -> Iterator[Check]:
    yield _identity(facts)
    yield _seccomp(facts)
    yield _limits(facts)
    yield _place(engine, facts)
    yield _disk(facts)
    yield Check("docker runtimes", "ok", ", ".join(sorted(facts.runtimes)) or "the default alone")


def _identity(facts: Facts) -> Check:
    if "rootless" in facts.options:
        return Check("docker users", "ok", "the engine is rootless: root in a container is nobody on the host")
    if "userns" in facts.options:
        return Check("docker users", "ok", "users are remapped: root in a container is nobody on the host")
    detail = "users are not remapped; jobs run as a user other than root, without capabilities"
    return Check(
        "docker users", "warn", detail, 'set "userns-remap": "default" in /etc/docker/daemon.json, or go rootless'
    )


def _seccomp(facts: Facts) -> Check:
    if "seccomp" in facts.options:
        extra = sorted(facts.options & {"apparmor", "selinux"})
        return Check("docker seccomp", "ok", ", ".join(["the engine's profile is in force", *extra]))
    return Check("docker seccomp", "fail", "the engine filters no system calls", "use a kernel and engine with seccomp")


def _limits(facts: Facts) -> Check:
    held = f"cgroup v{facts.cgroup_version}, {facts.cgroup_driver} driver"
    if not facts.limits_pids:
        return Check("docker limits", "fail", f"{held}: processes cannot be limited", "enable the pids controller")
    if not facts.limits_swap:
        fix = "boot with swapaccount=1, or switch swap off"
        return Check("docker limits", "warn", f"{held}: swap is not counted as memory", fix)
    return Check("docker limits", "ok", f"{held}; memory without swap, processes, CPU time")


def _place(engine: Engine, facts: Facts) -> Check:
    if not engine.socket_path:
        fix = "use a socket on this host; over TCP anybody on the way is root there"
        return Check("docker place", "warn", "the engine is remote: volumes are refused, usage is sampled", fix)
    if not (facts.same_files and facts.same_groups):
        detail = "the engine sees other files or control groups: volumes are refused or usage is sampled"
        return Check("docker place", "warn", detail, "run the worker on the engine's host, outside of a container")
    return Check("docker place", "ok", "the engine shares this host's files and control groups")


def _disk(facts: Facts) -> Check:
    detail = f"{facts.storage}: scratch is in memory with a size; a writable root (read_only: false) is only looked at"
    return Check("docker disk", "ok", detail)
