"""The folder of an incident: made, given orders, ended. What is in it is all that there is of it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.clock import monotonic
from ...core.errors import Conflict, NotFound, StillPending, UsageError
from ...core.store.db import kept_reachable
from .processes import signal_session, start_keeper

#: Below the current folder, beside the embedded database of a project.
PLACE = Path(".specql-jobs")

#: What an incident waits for takes a few seconds; a very slow machine gets more before it is given up.
PATIENCE = 90.0
LOOK = 0.05  # seconds between two looks

_CONFIG = """\
# Written by `specql-jobs demo incident {name}`: in this folder, commands find its database and registry.
dsn = "{dsn}"
registry = "services.yaml"
"""


def folder_of(name: str, stated: str) -> Path:
    """Return the incident's folder: the one that is stated, the current one if it is its own, or the usual place."""
    if stated:
        return Path(stated).absolute()
    here = Path.cwd()
    return here if _name_in(here) == name else here / PLACE / f"incident-{name}"


def _name_in(folder: Path) -> str:
    try:
        return str(json.loads((folder / "incident.json").read_text("utf-8"))["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


@dataclass(frozen=True, slots=True)
class Stage:
    """One incident's folder."""

    name: str
    folder: Path

    @property
    def dsn(self) -> str:
        """The database, as --dsn takes it."""
        return f"embedded:{self.folder / 'postgres'}"

    @property
    def registry(self) -> Path:
        """The registry that its worker reads."""
        return self.folder / "services.yaml"

    @property
    def before(self) -> Path:
        """The registry as it stood before a deploy."""
        return self.folder / "services.before.yaml"

    @property
    def mended(self) -> bool:
        """Whether the outside is as it should be."""
        return (self.folder / "mended").exists()

    @property
    def url(self) -> str:
        """The far end's address."""
        return (self.folder / "far-end").read_text("utf-8")

    def make(self, concurrency: int, cron: tuple[str, ...]) -> None:
        """Make the folder; raise UsageError when it holds something else, Conflict when the incident is there."""
        if _name_in(self.folder):
            raise Conflict(
                f"the incident is already there, in {self.folder}",
                hint=f"specql-jobs demo incident {self.name} --check\nspecql-jobs demo incident {self.name} --end",
            )
        if self.folder.exists() and any(self.folder.iterdir()):
            raise UsageError(f"the folder {self.folder} is not empty", hint="name a new one with --folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UsageError(
                f"the folder {self.folder} cannot be made: {error.strerror}", hint="name another with --folder"
            ) from None
        (self.folder / "orders").mkdir()
        about = {"name": self.name, "concurrency": concurrency, "cron": cron}
        (self.folder / "incident.json").write_text(json.dumps(about), "utf-8")
        (self.folder / "specql-jobs.toml").write_text(_CONFIG.format(name=self.name, dsn=self.dsn), "utf-8")

    def require(self) -> None:
        """Raise NotFound unless the folder holds this incident."""
        if _name_in(self.folder) != self.name:
            raise NotFound(
                f"there is no incident {self.name} in {self.folder}",
                hint=f"specql-jobs demo incident {self.name}    makes one",
            )

    async def start(self) -> None:
        """Start the keeper, and return once the far end answers."""
        keeper = start_keeper(self.folder)
        await until(lambda: (self.folder / "far-end").exists() or keeper.poll() is not None, "the far end to start")
        if keeper.poll() is not None:
            raise _ended_early(self.folder)

    async def order(self, word: str) -> None:
        """Have the keeper do something, and return once it has; raise Conflict when there is no keeper any more."""
        order = self.folder / "orders" / word
        order.touch()
        await until(lambda: not order.exists() or not self.kept, f"the order {word} to be carried out")
        if order.exists():
            raise _ended_early(self.folder)

    @property
    def kept(self) -> bool:
        """Whether the keeper runs: its lock goes with it."""
        lock = os.open(self.folder / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    async def end(self) -> None:
        """End keeper, worker and database, and remove the folder."""
        if self.kept:
            leader = int((self.folder / "keeper.pid").read_text("utf-8"))
            signal_session(leader, signal.SIGTERM)
            try:
                await until(lambda: not self.kept, "the keeper to end", 30.0)
            except StillPending:
                signal_session(leader, signal.SIGKILL)
        if (self.folder / "postgres").exists():
            await asyncio.to_thread(self._stop_database)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _stop_database(self) -> None:
        """A killed worker may have left the server running: whoever leaves it last stops it."""
        with kept_reachable(self.dsn):
            pass
        if (self.folder / "postgres" / "data" / "postmaster.pid").exists():
            raise Conflict(
                f"another command still uses the database in {self.folder}", hint="end it, then type this again"
            )


def _ended_early(folder: Path) -> Conflict:
    return Conflict(
        f"the processes of this incident have ended (see {folder / 'keeper.log'})",
        hint="end it with --end, then make it anew",
    )


async def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Return once the condition holds; raise StillPending after so many seconds."""

    async def asked() -> bool:
        return condition()

    await until_true(asked, what, seconds)


async def until_true(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> None:
    """Return once what the condition resolves to is true; raise StillPending after so many seconds."""
    deadline = monotonic() + seconds
    while not await condition():
        if monotonic() >= deadline:
            raise StillPending(f"waited {seconds:g} s in vain for {what}", hint="try again: this machine is very busy")
        await asyncio.sleep(LOOK)
