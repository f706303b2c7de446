"""What is collected while one entity file is read: findings, and how many calls its action has so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..registry.codes import finding, helped
from ..registry.model import Finding, Position
from ..registry.nodes import Node, token
from ..registry.secret_shapes import masked
from .model import Stated


@dataclass(slots=True)
class Reading:
    """One file on its way to an entity."""

    findings: list[Finding] = field(default_factory=list)
    calls: int = 0  # of the action that is being read
    unread: list[Stated[str]] = field(default_factory=list)  # of the same action: what is no step that is known

    def wrong(self, code: str, message: str, at: Position, help_text: str = "") -> None:
        """Add a finding about what the file says."""
        self.findings.append(helped(finding(code, masked(message), token(at)), help_text))


def shown(node: Node) -> str:
    """Return a value in a few words, for a message."""
    if isinstance(node.value, str):
        return f"the text {node.value[:60]!r}"
    if isinstance(node.value, tuple):
        return "a list"
    if isinstance(node.value, dict):
        return "a mapping"
    return "nothing" if node.value is None else f"`{node.text[:60]}`"


def text_of(node: Node | None) -> str:
    """Return a text, or "" where there is none."""
    return node.value if node is not None and isinstance(node.value, str) else ""
