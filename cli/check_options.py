"""The options of `validate`, in the groups in which they are used."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from typer import Argument, Option


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    error = "error"
    warning = "warning"
    info = "info"


class Formats(StrEnum):
    """How findings can be written."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"
    junit = "junit"


@dataclass(frozen=True, slots=True)
class Checking:
    """What is checked, and how strictly."""

    paths: Annotated[
        list[str] | None, Argument(metavar="[PATH]...", help="Registry files or folders, or - for stdin")
    ] = None
    env: Annotated[str, Option("--env", metavar="NAME", help="Check with this overlay: production, …")] = ""
    fail_on: Annotated[FailOn, Option("--fail-on", help="Exit 1 from this severity on")] = FailOn.error
    strict: Annotated[
        bool, Option("--strict", help="Exit 1 for warnings too, and for checks that --online could not make")
    ] = False
    policy: Annotated[
        str, Option("--policy", metavar="FILE", help="Host ceiling: say where the registry asks for more")
    ] = ""
    online: Annotated[
        str,
        Option("--online", metavar="[=KINDS]", help="Ask too whether these exist: image,dns,secrets,function (all)"),
    ] = ""
    watch: Annotated[bool, Option("--watch", help="Check again whenever a file changes, until Ctrl-C")] = False

    @property
    def least(self) -> str:
        """The least severity that makes the exit code 1, `--strict` included."""
        return "warning" if self.strict and self.fail_on is FailOn.error else str(self.fail_on)


@dataclass(frozen=True, slots=True)
class Comparing:
    """What else the registry is held against."""

    entities: Annotated[
        list[str] | None,
        Option("--entities", metavar="PATH", help="SpecQL entities: check their call_service steps; may be repeated"),
    ] = None
    diff_base: Annotated[
        str | None,
        Option("--diff-base", metavar="REF", help="Findings of the change since this commit; says what it breaks"),
    ] = None
    against_queue: Annotated[
        bool, Option("--against-queue", help="Name queued jobs that would no longer be executed; reads the database")
    ] = False


@dataclass(frozen=True, slots=True)
class Counting:
    """Which findings count, and what is said of them."""

    select: Annotated[
        list[str] | None, Option("--select", metavar="CODES", help="Only these rules: SQJ401,SQJ5 (SQJ5 is SQJ5xx)")
    ] = None
    ignore: Annotated[list[str] | None, Option("--ignore", metavar="CODES", help="All but these rules")] = None
    baseline: Annotated[
        str, Option("--baseline", metavar="FILE", help="Findings that are accepted: only new ones count")
    ] = ""
    write_baseline: Annotated[
        bool, Option("--write-baseline", help="Accept all that is found now: write it to the --baseline file")
    ] = False
    statistics: Annotated[bool, Option("--statistics", help="Count findings by rule instead of listing them")] = False
    summary: Annotated[bool, Option("--summary", help="Only the last line: how many of what")] = False
    max_findings: Annotated[
        int | None, Option("--max-findings", min=0, metavar="N", help="Show the N worst, count the rest (text, json)")
    ] = None
    exit_zero: Annotated[bool, Option("--exit-zero", help="Exit 0 whatever is found")] = False
