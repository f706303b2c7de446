"""Exit codes, and the one reading of any error as code, sentence, hint and exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

from ..core.errors import SpecqlJobsError


class Exit(IntEnum):
    """What a command's exit says. 1 never means a crash; 70 is always a bug."""

    OK = 0
    NEGATIVE = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    UNAVAILABLE = 5
    CONFLICT = 6
    PARTLY = 7
    PENDING = 8
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(SystemExit):
    """SIGTERM arrived. A SystemExit, because asyncio lets those leave a task at once."""

    def __init__(self) -> None:
        super().__init__(int(Exit.TERMINATED))


class Finished(Exception):
    """The command has said all that it has to say; only its exit code is left."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as people and programs meet it; the fields are those of the JSON envelope's `error`."""

    code: str
    name: str
    message: str
    hint: str
    exit_code: int
    retryable: bool

    def as_json(self) -> dict[str, Any]:
        """Return the envelope's `error` object."""
        return asdict(self)


INTERRUPTED = Problem("E130", "interrupted", "interrupted", "", Exit.INTERRUPTED, retryable=True)
TERMINATED = Problem("E143", "terminated", "terminated by SIGTERM", "", Exit.TERMINATED, retryable=True)
DECLINED = Problem(
    "E601",
    "declined",
    "nothing was changed: the answer was no",
    "answer y, or look first with --dry-run",
    Exit.CONFLICT,
    retryable=False,
)


def problem_of(error: SpecqlJobsError) -> Problem:
    """Return an error that specql-jobs raised on purpose as a problem."""
    return Problem(error.code, error.name, error.message, error.hint, error.exit_code, error.retryable)


def usage_problem(message: str, hint: str) -> Problem:
    """Return a wrong call of the command line as a problem."""
    return Problem("E200", "usage", message, hint, Exit.USAGE, retryable=False)


def bug_problem(error: BaseException, command: str, saved: str) -> Problem:
    """Return an unexpected exception as a problem: its type only, because its text may hold data."""
    where = f"details were saved to {saved}; please report it" if saved else "no details could be saved"
    message = f"{type(error).__name__} in {command} (this is a bug)"
    return Problem("E700", "internal", message, where, Exit.INTERNAL, retryable=False)
