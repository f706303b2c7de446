"""Groups of options that several commands share, each a frozen dataclass (see leaf.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Argument, Option


@dataclass(frozen=True, slots=True)
class Target:
    """Which database."""

    dsn: Annotated[
        str | None, Option("--dsn", metavar="DSN", help="postgresql://user@host/database, or embedded[:PATH]")
    ] = None
    profile: Annotated[
        str, Option("--profile", "-p", metavar="NAME", help="A profile of specql-jobs.toml or the user's config.toml")
    ] = ""


@dataclass(frozen=True, slots=True)
class Sources:
    """Which registry, and the host's ceiling over its policies."""

    registry: Annotated[
        list[str] | None,
        Option("--registry", "-r", metavar="PATH", help="Registry file or folder; may be given again"),
    ] = None
    env: Annotated[str, Option("--env", metavar="NAME", help="Overlay: production, staging, …")] = ""
    policy: Annotated[str, Option("--policy", metavar="FILE", help="Host ceiling: no policy may allow more")] = ""


#: `--set`, over whatever input there is.
Assignments = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="K=V",
        help="One field, a.b=v; v is JSON, or text where the field is a string. May be repeated",
    ),
]


@dataclass(frozen=True, slots=True)
class JobInput:
    """One operation, and its input in up to two ways."""

    operation: Annotated[str, Argument(metavar="SERVICE.OPERATION", help="As the registry names it")]
    input: Annotated[
        str, Option("--input", "-i", metavar="JSON|@FILE|-", help="A JSON object, a file, or - for stdin")
    ] = ""
    set: Assignments = None


_Words = list[str] | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs. Different flags AND, commas OR, !x excludes."""

    ids: Annotated[_Words, Argument(metavar="[ID]...", help="Job ids, or - to read them from stdin")] = None
    status: Annotated[
        _Words, Option("--status", "-s", metavar="S", help="pending, running, completed, failed, cancelled; a,b or !a")
    ] = None
    service: Annotated[_Words, Option("--service", metavar="S", help="Service name")] = None
    operation: Annotated[_Words, Option("--operation", metavar="S.O", help="service.operation")] = None
    type: Annotated[_Words, Option("--type", metavar="T", help="http, shell, docker, serverless")] = None
    tenant: Annotated[_Words, Option("--tenant", metavar="ID", help="Tenant id")] = None
    worker: Annotated[_Words, Option("--worker", metavar="W", help="Worker that ran it last")] = None
    category: Annotated[_Words, Option("--category", metavar="C", help="Error category")] = None
    fingerprint: Annotated[_Words, Option("--fingerprint", metavar="F", help="Group of equal errors")] = None
    error: Annotated[_Words, Option("--error", "-e", metavar="TEXT", help="The last error contains TEXT")] = None
    since: Annotated[
        str | None,
        Option("--since", metavar="T", help="Last change of state at or after T: 15m, 3d, today, 09:30, 2026-11-23"),
    ] = None
    until: Annotated[str | None, Option("--until", metavar="T", help="Last change of state at or before T")] = None
    correlation: Annotated[_Words, Option("--correlation", metavar="ID", help="Correlation id")] = None
    input: Annotated[_Words, Option("--input", metavar="PATH=VALUE", help="A field of the input: customer.id=42")] = (
        None
    )
    limit: Annotated[
        int | None, Option("--limit", "-l", min=0, max=10**9, metavar="N", help="At most N jobs; 0 means no limit")
    ] = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """How many of each, instead of each."""

    group_by: Annotated[
        _Words,
        Option(
            "--group-by",
            metavar="FIELD[,FIELD]",
            help="How many by status, service, operation, type, tenant, worker, category, fingerprint, correlation, "
            "registry, minute, hour, day (of the last change)",
        ),
    ] = None
    by: Annotated[_Words, Option("--by", metavar="FIELD[,FIELD]", hidden=True)] = None  # what stats calls it
    exact: Annotated[bool, Option("--exact", help="Count to the end, where an estimate would be quicker")] = False

    @property
    def given(self) -> list[str] | None:
        """The fields as they were typed, under either name; None where there are none."""
        return self.group_by if self.by is None else [*(self.group_by or ()), *self.by]


@dataclass(frozen=True, slots=True)
class Safety:
    """What keeps a bulk change from hitting more than was meant."""

    all: Annotated[bool, Option("--all", help="Every job that the change applies to")] = False
    dry_run: Annotated[bool, Option("--dry-run", "-n", help="Show what would be changed, change nothing")] = False
    yes: Annotated[
        bool, Option("--yes", "-y", help="Do not ask; it asks from 11 jobs on, of running and of discarded ones")
    ] = False
    confirm: Annotated[str, Option("--confirm", metavar="NAME", help="With --yes on a protected profile: its name")] = (
        ""
    )
    reason: Annotated[str, Option("--reason", metavar="TEXT", help="Why; kept with the change")] = ""
    expect: Annotated[
        int | None, Option("--expect", min=0, max=10**9, metavar="N", help="Change nothing unless exactly N jobs match")
    ] = None
    plan: Annotated[
        str, Option("--plan", metavar="TOKEN", help="Change nothing unless these are the jobs of that --dry-run")
    ] = ""
