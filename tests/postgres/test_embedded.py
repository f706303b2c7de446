"""The embedded server as one process meets it: it is gone when its last user is, however that user left."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from specql_jobs.core.errors import SchemaAbsent
from specql_jobs.core.store import embedded


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="sqj-"))
    yield made
    shutil.rmtree(made)


async def _use(folder: Path) -> None:
    async with embedded.running(folder, create=True):
        await asyncio.Event().wait()


async def test_a_user_that_is_interrupted_while_the_server_starts_leaves_none(folder: Path) -> None:
    """Cancelled in the middle of the start, the server is stopped as soon as it is up."""
    for seconds in (0.0, 0.05, 0.3):
        user = asyncio.create_task(_use(folder))
        await asyncio.sleep(seconds)
        user.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user
        assert not (folder / "data" / "postmaster.pid").exists()


async def test_a_start_that_fails_says_why(folder: Path) -> None:
    """An error of the start reaches the user unchanged."""
    with pytest.raises(SchemaAbsent):
        async with embedded.running(folder, create=False):
            pass
