"""The processes of an incident: its keeper and its workers. They outlive the command that made it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ...core.settings import LIBPQ_VARIABLES, variables

Process = subprocess.Popen[bytes]

#: The package above this one: specql_jobs.cli.
_CLI = __package__.rpartition(".")[0]


def start_keeper(folder: Path) -> Process:
    """Start the keeper of an incident's folder, out of reach of this terminal's Ctrl-C."""
    return _start(("-m", f"{__package__}.keeper", str(folder)), folder, "keeper.log", own_session=True)


def start_worker(folder: Path, concurrency: int) -> Process:
    """Start a worker as anybody would: by its command line, with the registry and the database of the folder."""
    words = ("-m", _CLI, "worker", "--registry", "services.yaml", "--dsn", f"embedded:{folder / 'postgres'}")
    options = ("--concurrency", str(concurrency), "--drain-timeout", "1s", "--log-format", "json")
    return _start((*words, *options), folder, "worker.log", own_session=False)


def start_cron(folder: Path, words: tuple[str, ...]) -> Process:
    """Start one tick of a tenant's cron: jobs enqueued by the command line, as any producer may."""
    command = ("-m", _CLI, "enqueue", *words, "--batch", "cron.jsonl", "--registry", "services.yaml", "-q")
    return _start((*command, "--dsn", f"embedded:{folder / 'postgres'}"), folder, "cron.log", own_session=False)


def _start(words: tuple[str, ...], folder: Path, log: str, *, own_session: bool) -> Process:
    with (folder / log).open("ab") as file:
        return subprocess.Popen(  # noqa: S603 - our own module, no input of a job
            (sys.executable, *words),
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=own_session,
        )


def _environment() -> dict[str, str]:
    """This process's environment without what would name another database, registry or policy."""
    steering = ("SPECQL_JOBS_", *LIBPQ_VARIABLES, "DATABASE_URL")
    return {name: value for name, value in variables().items() if not name.startswith(steering)}


def tell(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process of ours that may have ended."""
    with suppress(ProcessLookupError):
        process.send_signal(number)


def end(process: Process, seconds: float) -> None:
    """Have a process of ours end, within so many seconds in its own way."""
    tell(process, signal.SIGTERM)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def signal_session(leader: int, number: signal.Signals) -> None:
    """Send a signal to a keeper, with SIGKILL to its workers too: they are of its process group."""
    with suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            os.killpg(leader, number)
        else:
            os.kill(leader, number)
