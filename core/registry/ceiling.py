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
from .files import read_bytes
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
    if findings or root is None:
        at = findings[0].position
        raise _wrong(path, at.line, at.column, findings[0].message)
    if not root.pairs:
        raise _wrong(path, 1, 1, "it states no policy key")
    everywhere = Node({key: pair for key, pair in root.pairs.items() if key not in _TYPES}, root.position)
    by_type = {ExecutionType(key): _terms(pair.node, path) for key, pair in root.pairs.items() if key in _TYPES}
    return Ceiling(_terms(everywhere, path), by_type, str(path))


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
