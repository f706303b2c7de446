"""What a front end asks of the queue, as one table: SQL types, GraphQL schema and TypeScript are all made from it.

Names are the columns' own. GraphQL has them in camel case, as PostGraphile would call them; documents ask for them
under the column's name, so that TypeScript, SQL and `specql-jobs show -o json` say the same word.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...job import ExecutionType, Status

#: Why a pending job waits; `blocked` is for other jobs.
WAITING = (
    "blocked",
    "scheduled",
    "retrying",
    "paused",
    "breaker_open",
    "limited",
    "no_worker",
    "ready",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """An enumeration: its SQL name, its TypeScript type, the TypeScript constant that lists its values."""

    name: str
    type_name: str
    constant: str
    values: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Field:
    """A column, argument or result. `type` is an SQL type, or the name of a Choice or Record here; `x[]` is a list."""

    name: str
    type: str
    required: bool = False  # never null; an argument: without a default
    note: str = ""
    shape: str = ""  # in TypeScript, where more is known of a document than that it is one
    read_as: str = ""  # in TypeScript, where front ends know it under another name

    @property
    def key(self) -> str:
        """Its name in TypeScript."""
        return self.read_as or self.name


@dataclass(frozen=True, slots=True)
class Record:
    """A composite type."""

    name: str
    type_name: str
    note: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One document: what it calls, with what, and what it gets."""

    constant: str
    name: str  # of the operation in GraphQL, and of its types in TypeScript
    call: str  # the SQL function
    result: str
    arguments: tuple[Field, ...] = ()
    changes: bool = False  # a mutation


CHOICES = (
    Choice(
        "job_status",
        "JobStatus",
        "JOB_STATUSES",
        tuple(Status),
        "The five states of a job. `failed` is final until somebody retries it.",
    ),
    Choice("execution_type", "ExecutionType", "EXECUTION_TYPES", tuple(ExecutionType), "How a service is executed."),
    Choice("waiting_reason", "WaitingReason", "WAITING_REASONS", WAITING, "Why a pending job waits."),
)
