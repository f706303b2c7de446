"""A queue for the commands that read and change it."""

from __future__ import annotations

import pytest
from support.board import Board


@pytest.fixture
def board(dsn: str) -> Board:
    """A migrated database without jobs."""
    return Board(dsn)
