"""What cannot be compiled: raised where it is met, collected for a whole step, told as a finding at its line."""

from __future__ import annotations

from ..registry.codes import finding, helped
from ..registry.model import Finding, Position
from ..registry.nodes import token
from ..registry.secret_shapes import masked


class NotCompiled(Exception):
    """One thing that has no SQL; whoever compiles the action around it keeps the finding and goes on."""

    def __init__(self, code: str, message: str, position: Position, help_text: str = "") -> None:
        super().__init__(message)
        self.finding: Finding = helped(finding(code, masked(message), token(position)), help_text)


def no_step(message: str, position: Position, help_text: str = "") -> NotCompiled:
    """Return the problem of a step that has no SQL."""
    return NotCompiled("SQJ651", message, position, help_text)


def no_expression(message: str, position: Position, help_text: str = "") -> NotCompiled:
    """Return the problem of a value or condition that has no SQL."""
    return NotCompiled("SQJ652", message, position, help_text)


def no_value(message: str, position: Position, help_text: str = "") -> NotCompiled:
    """Return the problem of a text or name that PostgreSQL cannot hold."""
    return NotCompiled("SQJ653", message, position, help_text)


def no_row(message: str, position: Position, help_text: str = "") -> NotCompiled:
    """Return the problem of a write whose rows are not known."""
    return NotCompiled("SQJ656", message, position, help_text)
