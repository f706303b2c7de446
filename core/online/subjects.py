"""What a registry names outside itself, and where: hosts, secrets, images, functions. Pure; asking is check.py's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from ..addresses import parse_address
from ..footprint import Endpoint
from ..job import ExecutionType
from ..registry.canonical import Named, execution_type
from ..registry.model import Position
from ..registry.nodes import Node
from ..secrets import SecretRef


class Kind(StrEnum):
    """What can be asked of the world outside."""

    IMAGE = "image"
    DNS = "dns"
    SECRETS = "secrets"
    FUNCTION = "function"


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that a service names: an Endpoint for dns, a SecretRef for secrets, else an image or function."""

    kind: Kind
    service: str
    what: Endpoint | SecretRef | str
    position: Position


#: Keys that hold the URL of another host, at the depth where they stand.
_URLS: Final = frozenset({"base_url", "token_url", "endpoint_url"})
_SECRETS: Final = {"_env_var": "env", "_file": "file"}


def subjects(defined: Mapping[str, Named]) -> Iterator[Subject]:
    """Yield what canonical services name, in the order of the file; an address needs no look-up and is left out."""
    for entry in defined.values():
        config = entry.node.get("runner_config")
        if config is None:
            continue
        yield from _own(entry, config)
        yield from _below(entry.name, config)


def _own(entry: Named, config: Node) -> Iterator[Subject]:
    """The image or function that a service is."""
    kind = execution_type(entry.node)
    image, function = config.get("image"), config.get("function_name")
    if kind is ExecutionType.DOCKER and image is not None:
        yield Subject(Kind.IMAGE, entry.name, str(image.value), image.position)
    if kind is ExecutionType.SERVERLESS and function is not None:
        yield Subject(Kind.FUNCTION, entry.name, str(function.value), function.position)


def _below(service: str, config: Node) -> Iterator[Subject]:
    for key, pair in config.pairs.items():
        value = pair.node.value
        if isinstance(value, str) and key in _URLS:
            yield from _host(service, value, pair.node.position)
        elif isinstance(value, str):
            ways = [way for end, way in _SECRETS.items() if key.endswith(end)]
            yield from (Subject(Kind.SECRETS, service, SecretRef(way, value), pair.node.position) for way in ways)
        else:
            yield from _below(service, pair.node)


def _host(service: str, url: str, at: Position) -> Iterator[Subject]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # another rule says so
        return
    if host and parse_address(host) is None:
        default = 80 if parts.scheme == "http" else 443
        yield Subject(Kind.DNS, service, Endpoint(parts.scheme, host, port or default), at)
