"""The host ceiling: a YAML file of policy keys, for all services or under an execution type, that no registry exceeds.

max_execution_time: 10m
resource_limits: {memory: 1GiB}
shell: {allowed_commands: [/usr/bin/convert]}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import ConfigError
from ..job import ExecutionType
from ..narrow import Ceiling
from ..policy_terms import Misstated, Stated, read_terms
from .codes import finding
from .files import read_bytes
from .model import Finding, Registry, Severity
from .nodes import Node, data, locate
from .source import read

_TYPES: Final = frozenset(kind.value for kind in ExecutionType)


def load_ceiling(path: Path) -> Ceiling:
    """Return the host ceiling in a file, which holds whole or not at all.

    Raise ConfigError at the first thing wrong, and UsageError when the file cannot be read.
    """
    try:
        root, findings = read(read_bytes(path, "the host policy").decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        raise ConfigError(f"the host policy {path} is not UTF-8 text", hint="save it as UTF-8") from None
    wrong = [found for found in findings if found.severity is Severity.ERROR]
    if wrong or root is None:
        at = wrong[0].position
        raise _wrong(path, at.line, at.column, wrong[0].message)
    if not root.pairs:
        raise _wrong(path, 1, 1, "it states no policy key")
    everywhere = Node({key: pair for key, pair in root.pairs.items() if key not in _TYPES}, root.position)
    by_type = {ExecutionType(key): _terms(pair.node, path) for key, pair in root.pairs.items() if key in _TYPES}
    return Ceiling(_terms(everywhere, path), by_type, str(path))


def wider(registry: Registry, ceiling: Ceiling) -> Iterator[Finding]:
    """Yield a finding for each service that states more than the host allows; what it leaves to defaults is none."""
    for service in registry.services.values():
        _, decided = ceiling.hold(service.policy, service.execution_type)
        keys = [key for key in decided if key.partition(".")[0] in service.declared_policy]
        if keys and service.position is not None:
            message = f"{service.name} asks for more than {ceiling.path} allows: {', '.join(keys)}"
            yield finding("SQJ421", message, service.position, service=service.name)


def _terms(node: Node, path: Path) -> tuple[Stated, ...]:
    if not node.pairs and node.value != {}:
        raise _wrong(path, node.position.line, node.position.column, "wanted a mapping of policy keys")
    return tuple(_stated(node, path))


def _stated(node: Node, path: Path) -> Iterator[Stated]:
    for term in read_terms(data(node)):
        if isinstance(term, Misstated):
            steps = term.key.split(".")
            pair = locate(node, steps[:-1]).pairs.get(steps[-1])
            at = pair.key if pair else node.position
            raise _wrong(path, at.line, at.column, term.message)
        yield term


def _wrong(path: Path, line: int, column: int, message: str) -> ConfigError:
    hint = "write policy keys, or http:, shell:, docker:, serverless: with policy keys below"
    return ConfigError(f"{path}:{line}:{column}: the host policy cannot be used: {message}", hint=hint)
