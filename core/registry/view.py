"""What a domain rule is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..job import ExecutionType
from ..policy import Policy
from .canonical import Named
from .codes import finding, helped
from .model import Finding, Position
from .nodes import Node, data, locate


@dataclass(frozen=True, slots=True)
class View:
    """One service as the rules see it: its canonical tree, and its policy."""

    name: str
    position: Position
    node: Node
    kind: ExecutionType
    policy: Policy
    operations: tuple[Named, ...]

    def at(self, *path: object) -> Position:
        """Return where a value stands, or the nearest thing above it."""
        node = locate(self.node, path)
        return self.position if node is self.node else node.position

    def stated(self, *path: str) -> Node | None:
        """Return the node at a path of keys, or None where there is none."""
        node: Node | None = self.node
        for key in path:
            node = node.get(key) if node else None
        return node

    def config(self, key: str) -> Any:
        """Return a runner_config value, or None."""
        known = (self.node.get("runner_config") or self.node).get(key)
        return data(known) if known else None

    def found(
        self, code: str, message: str, position: Position, operation: str = "", *, help_text: str = ""
    ) -> Finding:
        """Return a finding about this service."""
        return helped(finding(code, message, position, service=self.name, operation=operation), help_text)
