"""The files of a new project: what `init` writes, and where. Existing files are never touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from ..core.errors import UsageError

_PACKAGE = __name__.rpartition(".cli.")[0]

CONFIGURATION = """\
# Read by specql-jobs in this folder and below, up to the repository's root.
registry = "services.yaml"
# policy = "/etc/specql-jobs/ceiling.yaml"   # what no registry on a host may exceed

# Databases are named here without passwords: those belong in SPECQL_JOBS_DSN, a pg_service file or PGPASSFILE.
# [profiles.prod]
# service = "jobs-prod"
# protected = true   # retry and cancel ask for --reason and for the profile's name
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """One file to write, by its path in the project."""

    path: str
    text: str


@dataclass(slots=True)
class Written:
    """What became of the files."""

    created: list[Planned] = field(default_factory=list)
    skipped: list[Planned] = field(default_factory=list)


def plan(*, workflow: bool) -> Iterator[Planned]:
    """Yield the files of a project."""
    yield Planned("services.yaml", _template("init.services.yaml"))
    yield Planned("registry.schema.json", _template("registry.schema.json"))  # for editors, by the file's first line
    yield Planned("specql-jobs.toml", CONFIGURATION)
    if workflow:
        yield Planned(".github/workflows/specql-jobs.yml", _template("init.workflow.yaml"))


def _template(name: str) -> str:
    return (files(f"{_PACKAGE}.schemas") / name).read_text("utf-8")


def write(folder: Path, planned: Iterable[Planned]) -> Written:
    """Write the files that are not there yet; raise UsageError where the folder cannot be written."""
    written = Written()
    for each in planned:
        (written.created if _create(folder / each.path, each.text) else written.skipped).append(each)
    return written


def _create(path: Path, text: str) -> bool:
    """Exclusively, so that nothing that appears meanwhile is overwritten, and no link is followed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if path.parent.is_dir():
            return False
        raise _unwritable(path, "its folder is a file") from None
    except OSError as error:
        raise _unwritable(path, (error.strerror or "unwritable").lower()) from None
    return True


def _unwritable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {reason}",
        hint="name a folder that you may write to: specql-jobs init DIR",
        code="E209",
        name="folder-unwritable",
    )
