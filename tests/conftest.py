"""What every test gets: a clean environment, a database of its own on request, processes that are reaped."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from support import postgres
from support.processes import COMMAND, Started, started, survivors
from support.require import require
from support.waiting import until

from specql_jobs.core.store import db, migrate

if TYPE_CHECKING:
    from support.dockerd import TestEngine

#: `pytest --hypothesis-profile=long tests/unit/registry/test_fuzz.py`: minutes, for a person who looks for trouble.
settings.register_profile("long", max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))

PREFIXES = ("SPECQL_JOBS_", "PG")
NAMES = {
    "DATABASE_URL",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "PY_COLORS",
    "GITHUB_ACTIONS",
    "CI",
    "COLUMNS",
    "NOTIFY_SOCKET",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
}


def pytest_configure() -> None:
    """Let SIGTERM end the run as Ctrl-C does, so that servers and processes are still taken down."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test in an event loop of its own; leave all others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Fail the run if a process that it started, directly or not, is still there at its end."""
    mark = uuid4().hex
    os.environ["SQJ_TEST_RUN"] = mark
    yield
    del os.environ["SQJ_TEST_RUN"]
    until(lambda: not survivors(mark), f"all processes with SQJ_TEST_RUN={mark} in their environment end")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, private_home: Path) -> None:
    """Take away what would steer the program from outside, and give it a home that nobody lives in."""
    for name in list(os.environ):
        if name.startswith(PREFIXES) or name.upper() in NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(private_home))
    for kind in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(private_home / kind.lower()))


@pytest.fixture(scope="session")
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder for the whole run; tests that write to it use names of their own."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """The run's PostgreSQL: private, or the one of SPECQL_JOBS_TEST_DSN; its DSN may create databases."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres.serve())
        except postgres.PostgresAbsent as error:
            require("postgres", available=False, reason=str(error))
            raise
        yield server


@pytest.fixture(scope="session")
def template(postgres_server: postgres.Server) -> Iterator[str]:
    """The name of a migrated database, made once; PostgreSQL copies it for each test. Nothing may connect to it."""
    with postgres.database(postgres_server) as dsn:
        asyncio.run(_migrate(dsn))
        yield postgres.name_of(dsn)


async def _migrate(dsn: str) -> None:
    async with db.open_database(dsn) as connection:
        await migrate.migrate(connection)


@pytest.fixture
def dsn(postgres_server: postgres.Server, template: str) -> Iterator[str]:
    """A migrated database for this test alone."""
    with postgres.database(postgres_server, template) as made:
        yield made


@pytest.fixture
def empty_dsn(postgres_server: postgres.Server) -> Iterator[str]:
    """A database for this test alone, without the schema `jobs`."""
    with postgres.database(postgres_server) as made:
        yield made


@pytest.fixture(scope="session")
def engine() -> Iterator[TestEngine]:
    """The run's container engine: a reachable one, or a private one that is ended with the run."""
    from support import dockerd as engines  # noqa: PLC0415 - the engine's client, for tests that use one

    from specql_jobs.runners import docker_sweep  # noqa: PLC0415 - the same

    with ExitStack() as stack:
        try:
            served = stack.enter_context(engines.serve())
        except engines.EngineAbsent as error:
            require("docker", available=False, reason=str(error))
            raise
        yield served
        docker_sweep.sweep_groups()  # of the workers that the last tests killed


@pytest.fixture
def spawn() -> Iterator[Callable[..., Started]]:
    """Start `specql-jobs` with the given arguments (and env=, folder=) as a process; all are ended with the test."""
    with ExitStack() as stack:

        def start(*arguments: str, **settings: object) -> Started:
            return stack.enter_context(started(str(COMMAND), *arguments, **settings))  # type: ignore[arg-type]

        yield start


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that only root could swap, as containers are given them; pytest's own would be refused."""
    with tempfile.TemporaryDirectory(prefix="sqj-volumes-", dir="/var/tmp") as parent:
        Path(parent).chmod(0o755)
        made = Path(parent, "data")
        made.mkdir()
        yield made
