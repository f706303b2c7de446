"""What this process has logged since a test began to listen."""

from __future__ import annotations

import pytest


class Events:
    """Reads the log off stderr, as the worker's operator would."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def text(self) -> str:
        """Return all that was logged so far."""
        self._text += self._capsys.readouterr().err
        return self._text

    async def count(self, event: str, least: int) -> bool:
        """Whether an event was logged at least so often."""
        return self.text().count(f" {event} ") >= least
