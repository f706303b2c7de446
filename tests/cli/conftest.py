"""A queue for the commands that read and change it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from support.board import Board
from support.postgres import PostgresAbsent, Server, serve_private
from support.require import require

from specql_jobs.core.store import db, migrate


@pytest.fixture
def board(dsn: str) -> Board:
    """A migrated database without jobs."""
    return Board(dsn)


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A migrated server that this test may stop."""
    try:
        with serve_private() as server:
            asyncio.run(_migrate(server.dsn))
            yield server
    except PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))


async def _migrate(dsn: str) -> None:
    async with db.open_database(dsn) as connection:
        await migrate.migrate(connection)
