"""One docker service's settings as its registry gives them, read and checked once. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core.contract import Mount
from .arguments import config_environment, wrong

if TYPE_CHECKING:
    from ..core.registry.model import Service

#: nobody:nogroup, on every distribution.
DEFAULT_USER = "65534:65534"

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,511}")
_RUNTIME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,63})?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}(?::[A-Za-z0-9._-]{1,32})?|\d{1,10}(?::\d{1,10})?")
#: A working directory or mount there could reach the kernel's view of other processes (CVE-2024-21626).
_KERNEL = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerSpec:
    """Which container a service starts. None: the image's own word holds."""

    image: str
    command: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    working_dir: str
    environment: Mapping[str, str]
    volumes: tuple[Mount, ...]
    bridge: bool
    may_have_network: bool  # by the service's own policy, before a ceiling or a row narrows it
    user: str
    read_only: bool
    tmpfs: Mapping[str, int | None]  # path in the container -> MiB; None: a share of disk_mb
    disk_mb: int  # by the service's own policy
    runtime: str


def read_spec(service: Service) -> DockerSpec:
    """Return a service's settings; raise ConfigError naming the field that is wrong."""
    config, policy = service.runner_config, service.policy
    for operation in service.operations.values():
        _words(service, operation.mapping, "command", f"operations.{operation.name}.command")
    volumes = tuple(_volumes(service))
    return DockerSpec(
        image=_matching(service, "image", _IMAGE),
        command=_words(service, config, "command"),
        entrypoint=_words(service, config, "entrypoint"),
        working_dir=_inner_path(service, "working_dir", config.get("working_dir") or ""),
        environment=config_environment(service),
        volumes=volumes,
        bridge=_one_of(service, "network_mode", ("none", "bridge")) == "bridge",
        may_have_network=not policy.network_isolation and policy.network_access == "all",
        user=_user(service, mounts=bool(volumes)),
        read_only=config.get("read_only", True) is not False,
        tmpfs=dict(_tmpfs(service)),
        disk_mb=policy.resources.disk_mb or 0,
        runtime=_matching(service, "runtime", _RUNTIME),
    )


def _matching(service: Service, key: str, pattern: re.Pattern[str]) -> str:
    value = service.runner_config.get(key, "")
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise wrong(service, key, f"is no name of {'an' if key == 'image' else 'a'} {key}")
    return value


def _one_of(service: Service, key: str, known: tuple[str, ...]) -> str:
    value = service.runner_config.get(key, known[0])
    if value not in known:
        raise wrong(service, key, f"must be one of {', '.join(known)}")
    return str(value)


def _words(service: Service, node: Mapping[str, Any], key: str, where: str = "") -> tuple[str, ...] | None:
    value = node.get(key)
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise wrong(service, where or key, "must be a list of texts")
    if any("\0" in word for word in value):
        raise wrong(service, where or key, "contains a NUL byte")
    return tuple(value)


def _user(service: Service, *, mounts: bool) -> str:
    """The user as `uid:gid`, or a name that the image knows; a number alone is its own group, not root's."""
    user = str(service.runner_config.get("user", DEFAULT_USER))
    if not _USER.fullmatch(user):
        raise wrong(service, "user", "must be uid, uid:gid or a name")
    if mounts and not user[0].isdigit() and user != "root":
        raise wrong(service, "user", "must be a number where there are volumes: the image decides what a name means")
    return f"{user}:{user}" if user.isdigit() else user


def _inner_path(service: Service, key: str, value: object) -> str:
    if not value:
        return ""
    path = posixpath.normpath(value) if isinstance(value, str) else ""
    if not path.startswith("/") or "\0" in path or ".." in str(value).split("/"):
        raise wrong(service, key, "must be an absolute path without `..`")
    path = "/" + path.lstrip("/")
    if any(path == root or path.startswith(f"{root}/") for root in _KERNEL):
        raise wrong(service, key, f"may not be below {', '.join(_KERNEL)}")
    return path


def _volumes(service: Service) -> Iterator[Mount]:
    for index, volume in enumerate(service.runner_config.get("volumes") or ()):
        where = f"volumes[{index}]"
        host, mode = volume.get("host_path"), volume.get("mode", "ro")
        if not isinstance(host, str) or not host.startswith("/") or "\0" in host:
            raise wrong(service, f"{where}.host_path", "must be an absolute path")
        inner = _inner_path(service, f"{where}.container_path", volume.get("container_path"))
        if inner in ("", "/"):
            raise wrong(service, f"{where}.container_path", "must be a folder of the container")
        yield Mount(host, inner, str(mode))


def _tmpfs(service: Service) -> Iterator[tuple[str, int | None]]:
    stated = service.runner_config.get("tmpfs") or {}
    sizes = stated if isinstance(stated, Mapping) else dict.fromkeys(stated)
    for path, size in sizes.items():
        inner = _inner_path(service, "tmpfs", path)
        if inner in ("", "/"):
            raise wrong(service, "tmpfs", "must name folders of the container")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise wrong(service, "tmpfs", f"has a size that is no whole number of MiB: {size!r}")
        yield inner, size
