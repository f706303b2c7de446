"""What `pause` and `resume` are about, read from their options: exactly one of five scopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from typer import Option

from ..core.errors import UsageError
from ..core.job import ExecutionType
from ..core.selector import parse_operations

if TYPE_CHECKING:
    from ..core.store.gates import PauseScope


@dataclass(frozen=True, slots=True)
class Scoped:
    """What not to dispatch. Exactly one."""

    service: Annotated[str | None, Option("--service", metavar="S", help="Jobs of a service")] = None
    operation: Annotated[str | None, Option("--operation", metavar="S.O", help="Jobs of one operation")] = None
    type: Annotated[str | None, Option("--type", metavar="T", help="http, shell, docker or serverless")] = None
    tenant: Annotated[str | None, Option("--tenant", metavar="UUID", help="Jobs of a tenant, of any service")] = None
    all: Annotated[bool, Option("--all", help="Every job")] = False
    reason: Annotated[str, Option("--reason", metavar="TEXT", help="Why; kept in the ledger and shown by show")] = ""


def read_scope(given: Scoped, command: str) -> PauseScope:
    """Return the scope; raise UsageError, with how to call `command`, unless exactly one is named, and well."""
    from ..core.store.gates import PauseScope  # noqa: PLC0415 - psycopg costs 170 ms

    named = [given.service, given.operation, given.type, given.tenant, given.all or None]
    if sum(value is not None for value in named) != 1:
        raise UsageError(
            "name exactly one of --service, --operation, --type, --tenant, --all",
            code="E205",
            name="selector-missing",
            hint=f"specql-jobs {command} --service payments\nspecql-jobs pause list    shows what is paused",
        )
    if given.operation is not None:
        parse_operations([given.operation])
    if given.service == "":
        raise UsageError("--service is empty", hint="specql-jobs services list    names them")
    return PauseScope(
        service=given.service,
        operation=given.operation,
        execution_type=_type(given.type),
        tenant=_tenant(given.tenant),
        everything=given.all,
    )


def _type(word: str | None) -> str | None:
    try:
        return None if word is None else ExecutionType.parse(word).value
    except ValueError:
        raise UsageError(f"--type {word!r} is none", hint="http, shell, docker or serverless") from None


def _tenant(word: str | None) -> UUID | None:
    try:
        return None if word is None else UUID(word)
    except ValueError:
        raise UsageError(
            f"--tenant {word!r} is not a UUID", hint="specql-jobs list -o json    shows tenant_id"
        ) from None
