"""Every error a person can meet: what happened, what to type next, and the exit code it becomes.

The tree, in the order of the classes below:

    SpecqlJobsError                 E700  70  (only ever raised as one of these)
    ├── UsageError                  E2xx   2  called wrongly: flags, configuration, unreadable input
    │   ├── ConfigError
    │   ├── RegistryError               the registry has findings of severity error
    │   └── InvalidInput                the job's input does not fit the operation
    ├── NegativeAnswer              E1xx   1  the command worked and the answer is no
    ├── NotFound                    E3xx   3
    ├── Denied                      E4xx   4
    ├── Unavailable                 E5xx   5
    │   ├── DatabaseUnavailable
    │   ├── SchemaAbsent
    │   └── RunnerUnavailable
    ├── Conflict                    E6xx   6
    ├── PartlyDone                  E7xx   7
    └── StillPending                E8xx   8

The first digit of a code is the exit code, except E700: a bug, exit 70.
"""

from __future__ import annotations

from typing import ClassVar


class SpecqlJobsError(Exception):
    """Base of all errors that specql-jobs raises on purpose.

    `code` is stable for ever, `name` is its word, `message` one sentence of what happened, `hint` what to type next.
    Never put a secret into any of them.
    """

    exit_code: ClassVar[int] = 70
    code = "E700"
    name = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", code: str = "", name: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.name = name or type(self).name


class UsageError(SpecqlJobsError):
    """The command was called wrongly, or its input cannot be read."""

    exit_code = 2
    code = "E200"
    name = "usage"


class ConfigError(UsageError):
    """A configuration file, profile or environment variable is wrong."""

    code = "E210"
    name = "config-invalid"


class RegistryError(UsageError):
    """The registry cannot be used; `findings` says where."""

    code = "E220"
    name = "registry-invalid"

    def __init__(self, message: str, *, findings: tuple[object, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class InvalidInput(UsageError):
    """The job's input does not fit the operation's input_schema; `problems` has one sentence each."""

    code = "E230"
    name = "input-invalid"

    def __init__(self, message: str, *, problems: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems


class NegativeAnswer(SpecqlJobsError):
    """The command worked and its answer is no: findings, a failed or refused job, a failed check."""

    exit_code = 1
    code = "E100"
    name = "negative"


class NotFound(SpecqlJobsError):
    """A named job, service, operation, profile or code does not exist."""

    exit_code = 3
    code = "E300"
    name = "not-found"


class Denied(SpecqlJobsError):
    """Login refused, a privilege or a secret is missing."""

    exit_code = 4
    code = "E400"
    name = "denied"


class Unavailable(SpecqlJobsError):
    """Postgres, a sandbox, Docker or an endpoint cannot be reached or used."""

    exit_code = 5
    code = "E500"
    name = "unavailable"
    retryable = True


class DatabaseUnavailable(Unavailable):
    """Postgres cannot be reached."""

    code = "E502"
    name = "db-unreachable"


class SchemaAbsent(Unavailable):
    """The database is there but the schema `jobs` is not migrated."""

    code = "E503"
    name = "schema-absent"
    retryable = False


class RunnerUnavailable(Unavailable):
    """This host cannot execute that execution type."""

    code = "E510"
    name = "runner-unavailable"
    retryable = False


class Conflict(SpecqlJobsError):
    """The state changed meanwhile, or a guard tripped."""

    exit_code = 6
    code = "E600"
    name = "conflict"


class PartlyDone(SpecqlJobsError):
    """A bulk change was applied to some jobs and not to others."""

    exit_code = 7
    code = "E701"
    name = "partly-done"


class StillPending(SpecqlJobsError):
    """The timeout was reached and the job is not finished."""

    exit_code = 8
    code = "E800"
    name = "still-pending"
    retryable = True
