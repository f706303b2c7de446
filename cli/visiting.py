"""`--keep` and `--shell`: what a person at this terminal wants of an execution, and when it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..core.errors import UsageError
from .output.console import Console
from .output.streams import at_terminal

if TYPE_CHECKING:
    from ..core.worker.planner import Draft, Prepared
    from ..runners.visit import Visit

#: How long a visitor's shell may stay, unless --timeout says so: nobody looks around in a job's thirty seconds.
SHELL_SECONDS = 3600.0


class Wishes(Protocol):
    """What was typed."""

    @property
    def keep(self) -> bool:
        """--keep."""

    @property
    def shell(self) -> bool:
        """--shell."""

    @property
    def mock(self) -> str:
        """--mock."""

    @property
    def timeout(self) -> str:
        """--timeout."""


def visit_of(console: Console, wishes: Wishes) -> Visit | None:
    """Return the visit that is asked for, None where none is; raise UsageError for a shell without a terminal."""
    from ..runners.visit import Visit  # noqa: PLC0415 - only commands that execute need it

    if not (wishes.keep or wishes.shell):
        return None
    if wishes.shell and (console.is_json or wishes.mock):
        raise UsageError("--shell goes with neither -o json nor --mock", hint="leave one of them out")
    if wishes.shell and not at_terminal():
        raise UsageError("--shell needs a terminal for stdin and stdout", hint="run it without a pipe, or with ssh -t")
    return Visit(keep=wishes.keep, shell=wishes.shell)


def require_place(prepared: Prepared, wishes: Wishes) -> None:
    """Raise UsageError where nothing of such a job is on this machine."""
    from ..runners.docker import DockerRunner  # noqa: PLC0415 - the runners' own libraries
    from ..runners.shell import ShellScriptRunner  # noqa: PLC0415 - the runners' own libraries

    if not isinstance(prepared.runner, DockerRunner | ShellScriptRunner):
        kind, flag = prepared.service.execution_type, "--shell" if wishes.shell else "--keep"
        message = f"{flag} is for shell and docker services; nothing of this {kind} job's runs on this machine"
        raise UsageError(message, hint="look at what would be sent with --dry-run; http has --mock")


def at_leisure(drafted: Draft, wishes: Wishes) -> Draft:
    """Return the judged plan with a visitor's time instead of the job's."""
    if not wishes.shell or wishes.timeout:
        return drafted
    return drafted._replace(call=drafted.call._replace(timeout_seconds=SHELL_SECONDS))


def say_kept(console: Console, visit: Visit) -> None:
    """Tell where everything is, and how it is removed."""
    for name in visit.kept:
        remove = f"rm -r {name}" if name.startswith("/") else f"docker rm -v {name}"
        look = "" if name.startswith("/") else f"; docker export {name} | tar -t"
        console.say(f"kept: {name}    ({remove}{look})")
