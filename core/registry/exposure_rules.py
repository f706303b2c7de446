"""Domain rules about permissions that reach further than a service needs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from ..allowlists import path_covers
from ..job import ExecutionType
from ..policy import DANGEROUS_ENV
from ..template import placeholders
from .build import MAPPING_KEYS
from .model import Finding
from .nodes import Node, locate
from .view import View

_SOCKETS: Final = re.compile(r".*/(?:docker|podman|containerd|crio|cri-dockerd)\.sock/?")
#: Folders that hold credentials, devices, or everything.
_WIDE: Final = re.compile(
    r"/|/(?:bin|boot|dev|etc|home|lib|opt|proc|root|run|run/secrets|sbin|srv|sys|usr|var|var/lib|var/lib/docker|var/run)"
)
_PROGRAMS: Final = re.compile(r"/usr/(?:local|(?:local/)?(?:s?bin|lib(?:32|64|exec)?))")
_TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - named in order to warn of them
#: Programs that run whatever they are handed: allowing one allows everything.
INTERPRETERS: Final = re.compile(
    r"(?:ba|da|z|k|c|tc|fi)?sh|busybox|env|xargs|find|perl|ruby|node|nodejs|deno|bun|php|lua|awk|gawk|mawk|sed|tclsh"
    r"|python[0-9.]*|pypy[0-9.]*|java|make|git|ssh|tar|sudo|su|docker|podman|vim?|less|man|nc|socat|curl|wget|expect"
)
_EVALUATES: Final = re.compile(r"-[a-z]*[ceErR]|--eval|--execute|--command")
_ROOT: Final = re.compile(r"(?:root|0)(?::.*)?")

#: Where a policy names folders of the host.
_PATHS: Final = (
    ("security_policy", "read_paths"),
    ("security_policy", "write_paths"),
    ("security_policy", "working_directory_restrictions"),
    ("security_policy", "volume_restrictions", "allowed_host_paths"),
)
#: Paths that are one text each.
_MORE_PATHS: Final = (
    *(("runner_config", key) for key in ("working_directory", "working_dir", "ca_file", "client_cert")),
    *(("runner_config", "client_cert", key) for key in ("cert", "key")),
)


def domains(view: View) -> Iterator[Finding]:
    """Patterns that admit hosts of strangers, or hosts inside that nobody listed."""
    listed = locate(view.node, ("security_policy", "allowed_domains")).items
    for node in listed:
        text = str(node.value)
        if text.startswith("*.") and "." not in text[2:].rstrip("."):
            yield view.found("SQJ409", f"{view.name} allows every host below .{text[2:]}", node.position)
        elif text.startswith("*.") and view.policy.allow_private_networks:
            message = f"{view.name} may reach private addresses through any name below {text[2:]}"
            yield view.found("SQJ417", message, node.position)


def host_paths(view: View) -> Iterator[Finding]:
    """Folders of the host that say too much, or that anybody may write to."""
    for node in _host_paths(view):
        path = str(node.value).rstrip("/") or "/"
        if is_engine_socket(path):
            yield view.found("SQJ410", f"{view.name} reaches the container engine through {path}", node.position)
        elif _WIDE.fullmatch(path):
            yield view.found("SQJ411", f"{view.name} reaches all of {path} on the host", node.position)
        elif any(path_covers(shared, path) for shared in _TEMPORARY):
            message = f"{view.name} uses {path}, where every user of the host may write"
            yield view.found("SQJ419", message, node.position)


def is_engine_socket(path: str) -> bool:
    """Whether a path is where a container engine listens."""
    return bool(_SOCKETS.fullmatch(path))


def writable_programs(view: View) -> Iterator[Finding]:
    """Folders of programs that a job may change: every user of the host would run what it left there."""
    for node in _list(view, ("security_policy", "write_paths")):
        path = str(node.value).rstrip("/")
        if _PROGRAMS.fullmatch(path):
            yield view.found("SQJ411", f"{view.name} may write to {path}, where the host keeps programs", node.position)


def climbing_paths(view: View) -> Iterator[Finding]:
    """Paths with `..`: they are compared after it is taken out, which is not what their reader sees."""
    places = (*_host_paths(view), *_container_paths(view), *(view.stated(*path) for path in _MORE_PATHS))
    for node in places:
        if node is not None and isinstance(node.value, str) and ".." in node.value.split("/"):
            message = f"{view.name}: {node.value[:80]!r} climbs with .. to {posixpath.normpath(node.value)[:80]}"
            yield view.found("SQJ422", message, node.position)


def _container_paths(view: View) -> Iterator[Node | None]:
    return (volume.get("container_path") for volume in _list(view, ("runner_config", "volumes")))


def _host_paths(view: View) -> Iterator[Node]:
    for path in _PATHS:
        yield from _list(view, path)
    for volume in _list(view, ("runner_config", "volumes")):
        host = volume.get("host_path")
        if host is not None:
            yield host


def _list(view: View, path: tuple[str, ...]) -> tuple[Node, ...]:
    return locate(view.node, path).items


def interpreters(view: View) -> Iterator[Finding]:
    """Programs that run whatever they are handed."""
    for node in _list(view, ("security_policy", "allowed_commands")):
        program = str(node.value).rpartition("/")[2]
        if INTERPRETERS.fullmatch(program):
            message = f"{view.name} allows {program}, which runs whatever it is handed"
            yield view.found("SQJ401", message, node.position)


def environment(view: View) -> Iterator[Finding]:
    """Variables that change what a program is before it reads its input: policy refuses them from a job."""
    for node in _list(view, ("security_policy", "allowed_env")):
        if DANGEROUS_ENV.fullmatch(str(node.value).upper()):
            message = f"{view.name} lists {node.value}, which no job may set: it decides what a program runs"
            yield view.found("SQJ414", message, node.position)


def programs(view: View) -> Iterator[Finding]:
    """Programs that a job chooses, or could replace."""
    for operation in view.operations:
        argv = operation.node.get("argv")
        first = argv.items[0] if view.kind is ExecutionType.SHELL and argv and argv.items else None
        if first is not None and "{" in str(first.value).replace("{{", ""):
            message = f"{view.name}.{operation.name}: the job's input chooses the program"
            yield view.found("SQJ416", message, first.position, operation.name)
    for node in _list(view, ("security_policy", "allowed_commands")):
        if any(path_covers(root, str(node.value)) for root in view.policy.write_paths):
            message = f"{view.name} may write to the folder of {node.value}: one job could replace it for the next"
            yield view.found("SQJ415", message, node.position)


def code_from_input(view: View) -> Iterator[Finding]:
    """Input put into a text that an interpreter reads as a program."""
    for operation in view.operations:
        words = (operation.node.get(MAPPING_KEYS[view.kind]) or operation.node).items
        program = str(words[0].value).rpartition("/")[2] if words else ""
        for flag, code in pairwise(words):
            if INTERPRETERS.fullmatch(program) and _EVALUATES.fullmatch(str(flag.value)) and any(_fields(code)):
                message = f"{view.name}.{operation.name}: {program} runs the job's input as a part of its program"
                yield view.found("SQJ420", message, code.position, operation.name)


def _fields(node: Node) -> Iterator[str]:
    return placeholders(node.value if isinstance(node.value, str) else "")


def containers(view: View) -> Iterator[Finding]:
    """Containers with more rights than a job needs."""
    if view.kind is not ExecutionType.DOCKER:
        return
    user = view.config("user")
    if user is not None and _ROOT.fullmatch(str(user)):
        yield view.found("SQJ412", f"{view.name} runs as root in its container", view.at("runner_config", "user"))
    if view.config("read_only") is False:
        message = f"{view.name} may change its container's file system"
        yield view.found("SQJ413", message, view.at("runner_config", "read_only"))
    if not view.policy.network_isolation:
        where = view.at("security_policy", "network_isolation")
        yield view.found("SQJ404", f"the containers of {view.name} have a network", where)
