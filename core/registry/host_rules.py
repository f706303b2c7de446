"""The one rule that looks at this host: notes only, because another host may run the service."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..job import ExecutionType
from .model import Finding
from .nodes import locate
from .view import View


def commands(view: View) -> Iterator[Finding]:
    """Programs that are allowed and that this host does not have."""
    if view.kind is not ExecutionType.SHELL:
        return
    for node in locate(view.node, ("security_policy", "allowed_commands")).items:
        path = str(node.value)
        if path.startswith("/") and not executable(path):
            yield view.found("SQJ506", f"{view.name} allows {path}, which this host does not have", node.position)


def executable(path: str) -> bool:
    """Whether this host has the program, and anybody here may start it."""
    try:
        return os.path.isfile(path) and os.access(path, os.X_OK)
    except ValueError:  # a NUL byte
        return False
