"""`services`: the registry as it holds, and what a change of it means."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from ...core.errors import UsageError
from ..context import environment_name, load_ceiling, policy_path, read_registry, settings_for
from ..exits import Exit, Finished
from ..leaf import Listed, command, group
from ..operations import named_service
from ..options import Sources
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.registry.model import Registry
    from ...core.settings import Settings

app = group("The registry as it holds.")


@app.callback()
def services() -> None:
    """The registry as it holds: list, show, and diff of two versions."""


@command(app, "services list", "services list --env production -o tsv", name="list", formats=Listed)
def list_services(console: Console, sources: Sources) -> None:
    """List the services of the registry.

    Each with its operations and the line where it begins; with -q the names alone.
    """
    from ..output import service_text  # noqa: PLC0415 - only commands that read a registry

    registry, _ = read_registry(sources, settings_for(console))
    service_text.show_list(console, registry)


@command(
    app,
    "services show payments",
    "services show payments.charge --env production -o json",
    name="show",
)
def show(
    console: Console,
    subject: Annotated[str, Argument(metavar="SERVICE[.OPERATION]", help="As the registry names it")],
    sources: Sources,
) -> None:
    """Show every value of a service and where it is from.

    That is a line of the registry, a default, or the host ceiling. With an operation, that one alone. Texts
    with variables are shown as written, credentials as dots.
    """
    from ..output import service_text  # noqa: PLC0415 - only commands that read a registry

    settings = settings_for(console)
    path = policy_path(sources.policy, settings)
    ceiling = load_ceiling(path) if path else None
    registry, loaded = read_registry(sources, settings)
    service, operation = named_service(registry, subject)
    entry = loaded.defined[service.name.lower()]
    service_text.show_service(console, service_text.Subject(service, operation, entry, ceiling))


@dataclass(frozen=True, slots=True)
class Versions:
    """Two versions of one registry."""

    old: Annotated[str, Argument(metavar="OLD", help="Registry file or folder as it was, or - for stdin")]
    new: Annotated[str, Argument(metavar="NEW", help="Registry file or folder as it will be, or - for stdin")]
    env: Annotated[str, Option("--env", metavar="NAME", help="Compare with this overlay: production, …")] = ""


@command(
    app,
    "services diff old/services.yaml services.yaml",
    "services diff deployed/ services/ --env production -o json",
    "git show main:services.yaml | specql-jobs services diff - services.yaml",
    name="diff",
)
def diff(console: Console, versions: Versions) -> None:
    """Say what changed: breaking, risky or safe.

    Compares two versions of a registry; exit 1 when anything breaks. Breaking: a queued job or a deployed
    caller fails. Risky: it depends on the data or the target. Safe: neither.
    """
    from ...core.registry.diff import compare  # noqa: PLC0415 - the registry's model
    from ..output import change_list  # noqa: PLC0415 - only this command compares

    if (versions.old, versions.new) == ("-", "-"):
        raise UsageError("stdin cannot be both versions", hint="services diff - services.yaml")
    settings = settings_for(console)
    old, new = (_version(path, versions.env, settings) for path in (versions.old, versions.new))
    changes = compare(old, new)
    counts = Counter(str(each.impact) for each in changes)
    change_list.show(console, changes, {word: counts[word] for word in ("breaking", "risky", "safe")})
    raise Finished(Exit.NEGATIVE if counts["breaking"] else Exit.OK)


def _version(path: str, env: str, settings: Settings) -> Registry:
    """One version; an environment that only one of both declares is a mistake worth an error."""
    from ...core.registry.load import load, load_text, usable  # noqa: PLC0415 - yaml and jsonschema
    from ..checking import read_stdin  # noqa: PLC0415 - only for -

    environment = environment_name(env, settings)
    if path == "-":
        return usable(load_text(read_stdin(), environment=environment, variables=settings.variables))
    if not Path(path).exists():
        hint = f"name a file or folder; a git revision: git show {path}:FILE | specql-jobs services diff - FILE"
        raise UsageError(f"there is no file or folder {path!r}", hint=hint, code="E221", name="registry-unreadable")
    return usable(load([Path(path)], environment=environment, variables=settings.variables))
