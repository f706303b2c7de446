"""The tests' own tools: what skips, what waits, what is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psycopg
import pytest
from support import postgres
from support.processes import started, survivors
from support.require import names, require
from support.waiting import until, until_async

SLEEPER = "import signal, sys, time; print('ready', flush=True); time.sleep(60)"


def test_absent_means_skip_when_they_are_not_promised() -> None:
    """A test without its means is skipped, with the reason, where nobody promised them."""
    with pytest.raises(pytest.skip.Exception, match="sandbox: no bubblewrap"):
        require("sandbox", available=False, reason="no bubblewrap", promised=frozenset())


def test_absent_means_fail_when_they_are_promised() -> None:
    """A test without its means fails where SPECQL_JOBS_REQUIRE names them."""
    with pytest.raises(pytest.fail.Exception, match="no bubblewrap"):
        require("sandbox", available=False, reason="no bubblewrap", promised=names("docker, sandbox"))


def test_present_means_let_the_test_run() -> None:
    """Available means never stop a test, promised or not."""
    require("sandbox", available=True, reason="unused", promised=names("sandbox"))


async def test_async_tests_run_in_a_loop() -> None:
    """An `async def` test is executed, not just collected."""
    seen: list[int] = []
    asyncio.get_running_loop().call_soon(seen.append, 1)
    await until_async(lambda: asyncio.sleep(0, seen), "the loop turns")
    assert seen == [1]


def test_the_environment_is_clean() -> None:
    """No test sees the connection settings or switches of the person who runs it."""
    assert not [name for name in os.environ if name.startswith(("SPECQL_JOBS_", "PG"))]


def test_waiting_in_vain_names_what_was_awaited() -> None:
    """A condition that never holds fails with its name after the deadline."""
    with pytest.raises(AssertionError, match="the moon"):
        until(lambda: False, "the moon", seconds=0.05)


def test_each_test_has_a_database_of_its_own(postgres_server: postgres.Server) -> None:
    """A database is made from a template, and dropped even while somebody is connected to it."""
    with postgres.database(postgres_server) as dsn:
        connection = psycopg.connect(dsn)
        name = postgres.name_of(dsn)
    with psycopg.connect(postgres_server.dsn) as admin:
        row = admin.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (name,)).fetchone()
    connection.close()
    assert row == (0,)


def test_a_test_gets_a_migrated_database_and_an_empty_one(dsn: str, empty_dsn: str) -> None:
    """The fixtures `dsn` and `empty_dsn` differ in having the schema `jobs`."""
    found = []
    for target in (dsn, empty_dsn):
        with psycopg.connect(target) as connection:
            found.append(connection.execute("SELECT to_regclass('jobs.tb_job_run') IS NOT NULL").fetchone())
    assert found == [(True,), (False,)]


def test_a_private_server_restarts_on_the_same_address() -> None:
    """A private server can be restarted under a running test, and its folder is gone afterwards."""
    try:
        with postgres.serve_private(durable=True) as server:
            first = server.pid
            server.restart()
            with psycopg.connect(server.dsn) as connection:
                row = connection.execute("SHOW fsync").fetchone()
            assert (row, server.pid != first) == (("on",), True)
    except postgres.PostgresAbsent as error:
        require("postgres", available=False, reason=str(error))


def test_a_started_process_is_watched_paused_killed_and_reaped() -> None:
    """A process can be stopped and killed at will, and nothing of it is left."""
    with started(sys.executable, "-c", SLEEPER) as process:
        process.wait_for("ready")
        process.pause()
        process.resume()
        process.kill()
        assert process.finish() == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_forgotten_process_is_found() -> None:
    """A process that the run started and nobody ended is found by the mark in its environment."""
    with started(sys.executable, "-c", SLEEPER, env={"MARK": "5f0c9d1e"}) as process:
        process.wait_for("ready")
        assert survivors("5f0c9d1e") == [process.pid]
    assert not survivors("5f0c9d1e")


def test_a_process_that_ends_early_shows_what_it_said() -> None:
    """Waiting for output that never comes fails at once when the process ends, and shows its output."""
    with (
        started(sys.executable, "-c", "print('no such registry')") as process,
        pytest.raises(AssertionError, match="no such registry"),
    ):
        process.wait_for("ready")
