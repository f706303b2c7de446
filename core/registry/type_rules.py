"""Domain rules about settings of one execution type that contradict each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from ..job import ExecutionType
from ..units import MIB, parse_seconds, parse_size
from .model import Finding
from .nodes import Node, locate
from .reference_rules import BODILESS, method
from .view import View

#: The longest that a provider lets one call of a function run, in seconds (AWS Lambda, Google and Azure by plan).
_LONGEST_CALL: Final = {"aws": 900, "gcp": 3600}
#: Headers that frame the message or carry the job's identity: the HTTP runner refuses to be told them.
_OWNED: Final = re.compile(
    r"host|connection|keep-alive|upgrade|te|trailer|expect|transfer-encoding|content-length|accept-encoding"
    r"|proxy-.*|x-job-.*",
    re.IGNORECASE,
)
_LETTER_BY_LETTER: Final = (
    *("allowed_commands", "allowed_images", "allowed_providers", "allowed_regions", "allowed_functions"),
    *("read_paths", "write_paths", "working_directory_restrictions", "allowed_env"),
)
_FLOATING: Final = re.compile(r"latest|stable|main|master|edge|nightly|dev|current")


def requests(view: View) -> Iterator[Finding]:
    """Bodies that nobody expects, and headers that the runner writes itself."""
    if view.kind is not ExecutionType.HTTP:
        return
    yield from _owned_headers(view, (view.node.get("runner_config") or view.node).get("headers"), "")
    for operation in view.operations:
        request = operation.node.get("request")
        if request is None:
            continue
        path = request.get("path")
        if path is not None and _leaves_base_url(str(path.value)):
            message = f"{view.name}.{operation.name}: the path {str(path.value)[:80]!r} leaves base_url"
            help_text = 'write a path below base_url, such as "/charges/{id}", without . and .. segments'
            yield view.found("SQJ104", message, path.position, operation.name, help_text=help_text)
        yield from _owned_headers(view, request.get("headers"), operation.name)
        body = request.get("body")
        if body is not None and body.value != "none" and method(request) in BODILESS:
            message = f"{view.name}.{operation.name} sends a body with {method(request)}"
            yield view.found("SQJ514", message, body.position, operation.name)


def _leaves_base_url(path: str) -> bool:
    """Whether the HTTP runner would refuse a path: it names a host, or has a segment for "here" or "up"."""
    plain = path.partition("?")[0]
    return "://" in plain or any(unquote(segment) in (".", "..") for segment in plain.split("/"))


def _owned_headers(view: View, headers: Node | None, operation: str) -> Iterator[Finding]:
    for name, pair in headers.pairs.items() if headers else ():
        if _OWNED.fullmatch(name):
            yield view.found("SQJ515", f"{view.name}: the header {name} is the runner's own", pair.key, operation)


def reach(view: View) -> Iterator[Finding]:
    """Ports and paths that are listed and then closed by another key of the policy."""
    policy = view.policy
    if policy.localhost_ports and policy.network_access == "none":
        message = f"{view.name} lists localhost_ports, but network_access is none"
        yield view.found("SQJ516", message, view.at("security_policy", "localhost_ports"))
    closed = [key for key in ("read_paths", "write_paths") if getattr(policy, key) and policy.file_access == "none"]
    if policy.write_paths and policy.file_access == "read":
        closed.append("write_paths")
    for key in closed:
        message = f"{view.name} lists {key}, but file_access is {policy.file_access}"
        yield view.found("SQJ517", message, view.at("security_policy", key))


def wildcards(view: View) -> Iterator[Finding]:
    """Entries with `*` in lists that compare letter by letter: they admit nothing."""
    policy = view.node.get("security_policy") or view.node
    listed = [(key, policy.get(key)) for key in _LETTER_BY_LETTER]
    listed.append(("allowed_host_paths", locate(policy, ("volume_restrictions", "allowed_host_paths"))))
    for key, node in listed:
        for item in node.items if node else ():
            pattern = str(item.value)
            known = pattern.removesuffix(":*") if key == "allowed_images" else pattern
            if "*" in known or not known:
                yield view.found("SQJ518", f"{view.name}: {pattern!r} in {key} admits nothing", item.position)


# ---- docker ----------------------------------------------------------------------------------------------------------


def images(view: View) -> Iterator[Finding]:
    """Images whose content can change under the same name."""
    image = view.config("image")
    if (
        view.kind is not ExecutionType.DOCKER
        or not isinstance(image, str)
        or "@sha256:" in image
        or image.startswith("sha256:")
    ):
        return
    where, tag = view.at("runner_config", "image"), image.rpartition("/")[2].partition(":")[2]
    if view.policy.require_digest:
        yield view.found("SQJ508", f"require_digest is true and {image!r} has none", where)
    elif not tag or _FLOATING.fullmatch(tag):
        what = f"the tag {tag} moves" if tag else "no tag means latest"
        yield view.found("SQJ507", f"the image {image!r} changes with every release: {what}", where)
    else:
        message = f"the image {image!r} is not pinned: its content can change under the same name"
        yield view.found("SQJ402", message, where)


def volumes(view: View) -> Iterator[Finding]:
    """Too many volumes, and two at one place."""
    found = locate(view.node, ("runner_config", "volumes")).items if view.kind is ExecutionType.DOCKER else ()
    if len(found) > view.policy.max_volumes:
        message = f"{view.name} mounts {len(found)} volumes, {view.policy.max_volumes} are allowed"
        yield view.found("SQJ509", message, found[view.policy.max_volumes].position)
    seen: set[str] = set()
    for volume in found:
        place = volume.get("container_path")
        path = str(place.value).rstrip("/") if place else ""
        if place is not None and path in seen:
            yield view.found("SQJ510", f"{view.name} mounts two volumes at {path}", place.position)
        elif place is not None and not path:
            message = f"{view.name}: the container_path {place.value} would hide the whole container"
            yield view.found("SQJ104", message, place.position, help_text="name a folder below /, such as /data")
        seen.add(path)


# ---- serverless ------------------------------------------------------------------------------------------------------


def functions(view: View) -> Iterator[Finding]:
    """Functions without a limit on cost, and with limits of their own that cannot hold."""
    if view.kind is not ExecutionType.SERVERLESS:
        return
    if view.policy.max_cost_per_hour is None and view.policy.max_invocations_per_hour is None:
        yield view.found("SQJ511", f"{view.name} may call its function as often as it likes", view.position)
    memory, limit = view.config("memory_mb"), view.policy.resources.memory_mb
    stated = (view.node.get("security_policy") or view.node).get("resource_limits")
    if memory is not None and stated and limit is not None and parse_size(memory, MIB) > limit:
        message = f"{view.name} asks for {parse_size(memory, MIB)} MiB, {limit} MiB are allowed"
        yield view.found("SQJ512", message, view.at("runner_config", "memory_mb"))
    yield from _long_calls(view)


def _long_calls(view: View) -> Iterator[Finding]:
    longest = _LONGEST_CALL.get(str(view.config("provider")))
    places = [("", view.node.get("runner_config")), *((each.name, each.node) for each in view.operations)]
    for operation, node in places:
        timeout = node.get("timeout") if node else None
        if longest and timeout is not None and not timeout.unresolved and parse_seconds(timeout.value) > longest:
            message = f"{view.name}: a call of a function at {view.config('provider')} ends after {longest} s"
            yield view.found("SQJ513", message, timeout.position, operation)
