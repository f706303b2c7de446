"""The folder of the embedded Postgres: what a careless operator, or another user of the host, put there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import specql_jobs

from specql_jobs.core.errors import ConfigError
from specql_jobs.core.store.embedded import EmbeddedServer


@pytest.fixture
def far(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server whose folder is too deep for a socket, so that the socket goes to the temporary folder."""
    server = EmbeddedServer(tmp_path / ("deep" * 20))
    yield server
    server.leave()


def test_a_data_folder_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Pointed at a project that has a folder `data` of its own, every command refuses, and no file is touched."""
    kept = tmp_path / "data" / "precious.csv"
    kept.parent.mkdir()
    kept.write_text("a,b\n")
    said = specql_jobs("db", "migrate", "--dsn", f"embedded:{tmp_path}")
    assert said.code == 2
    assert "no PostgreSQL database" in said.err
    assert kept.read_text() == "a,b\n"


def test_a_folder_that_cannot_be_made_is_a_configuration_error() -> None:
    """A path below a file system that takes no folders is told with its reason, not as a bug."""
    said = specql_jobs("db", "migrate", "--dsn", "embedded:/proc/nowhere")
    assert said.code == 2
    assert "/proc/nowhere cannot be made" in said.err


@pytest.mark.parametrize("trap", ["open", "link"])
def test_a_socket_folder_that_somebody_else_prepared_is_refused(far: EmbeddedServer, tmp_path: Path, trap: str) -> None:
    """Where the socket would stand in a folder that others may enter, or behind a link, no server is started."""
    sockets = Path(far.dsn.partition("host=")[2].replace("%2F", "/"))
    assert sockets.parent != far.folder
    try:
        if trap == "open":
            sockets.mkdir()
            sockets.chmod(0o777)
        else:
            os.symlink(tmp_path, sockets)
        with pytest.raises(ConfigError, match="belongs to another user, or is open to others"):
            far.join()
    finally:
        sockets.unlink() if trap == "link" else sockets.rmdir()
    assert not any(tmp_path.rglob("postmaster.pid"))
