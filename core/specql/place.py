"""One place in a compiled function: what references and bare words stand for there, as SQL and with their type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from ..entities.expression import Reference
from ..entities.field_types import UNKNOWN, FieldType
from ..entities.model import Entity
from ..registry.model import Position
from . import columns
from .problems import NotCompiled, no_expression
from .quoting import identifier, literal

#: Columns of a job's row that `$job.x` may name; the rest is the queue's own.
_JOB: Final = (
    *("id", "identifier", "idempotency_key", "service_name", "operation", "input_data", "output_data", "error_message"),
    *("error_category", "fingerprint", "status", "attempts", "tenant_id", "triggered_by", "correlation_id"),
    *("entity_type", "entity_pk", "created_at", "started_at", "completed_at", "priority", "parent_id"),
)
_ERROR: Final = {
    **dict.fromkeys(("", "message"), "_error"),
    "category": "_job.error_category",
    "fingerprint": "_job.fingerprint",
}
_ANSWER: Final = ("response", "output", "result")
_AMBIENT: Final = {
    "now": "now()",
    **dict.fromkeys(("tenant", "tenant_id", "auth_tenant_id"), "_tenant_id"),
    **dict.fromkeys(("user", "user_id", "auth_user_id", "caller", "current_user"), "_user_id"),
}
_TEXT: Final = FieldType("text", frozenset({"string"}))
_OF_AMBIENT: Final = {"now()": columns.GENERATED["created_at"]}
_DOCUMENT: Final = FieldType("jsonb")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference stands for: an SQL value, or a part of a JSON document when `path` leads into one."""

    base: str
    type: FieldType = UNKNOWN
    path: tuple[str, ...] = ()
    document: bool = False

    @property
    def json(self) -> str:
        """SQL of the value inside a JSON document that is built."""
        return _into(self.base, self.path, text=False) if self.document else self.base

    @property
    def value(self) -> str:
        """SQL of the value in an expression: of a document's part the text, or what its schema says that it is."""
        if not self.document:
            return self.base
        wanted = {"integer": "numeric", "number": "numeric", "boolean": "boolean"}.get(next(iter(self.type.json), ""))
        text = _into(self.base, self.path, text=True)
        return f"({text})::{wanted}" if wanted and len(self.type.json) == 1 else f"({text})"

    def of_type(self, wanted: str) -> str:
        """Return SQL of the value for a column of a PostgreSQL type; "" for one that is not known."""
        if not self.document:
            return self.base
        if wanted == "jsonb":
            return self.json
        text = _into(self.base, self.path, text=True)
        return text if wanted in ("text", "") else f"({text})::{wanted}"


def _into(base: str, path: tuple[str, ...], *, text: bool) -> str:
    if not path:
        return f"{base} #>> '{{}}'" if text else base
    last = "->>" if text else "->"
    return " ".join([base, *(f"-> {literal(name)}" for name in path[:-1]), last, literal(path[-1])])


@dataclass(frozen=True, slots=True)
class Row:
    """A variable that holds a row of an entity."""

    variable: str
    entity: Entity


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an action's function: its name, its SQL name inside the function, and its type."""

    name: str
    sql: str
    type: FieldType


_NO_ROWS: Final[Mapping[str, Row]] = MappingProxyType({})
_NOTHING: Final[Mapping[str, Parameter]] = MappingProxyType({})
_NO_JOBS: Final[Mapping[str, str]] = MappingProxyType({})
_NOT_KEPT: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """What is known at one step. `outcome` is "" in an action, success or failure in a callback."""

    entity: Entity
    row: str  # the variable of the entity's row
    rows: Mapping[str, Row] = field(default_factory=lambda: _NO_ROWS)  # by name in lower case, the own row included
    parameters: Mapping[str, Parameter] = field(default_factory=lambda: _NOTHING)  # by name in lower case
    jobs: Mapping[str, str] = field(default_factory=lambda: _NO_JOBS)  # `as` of a call -> the variable of its job's id
    outcome: str = ""
    answer: FieldType = UNKNOWN
    #: In a callback: path of the action's input -> where the job's own input holds the same value.
    kept: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=lambda: _NOT_KEPT)
    target: Row | None = None  # the table that a write is about: its columns may be named bare

    def writing(self, entity: Entity, alias: str) -> Place:
        """Return the place inside a write of an entity's table, which the statement calls `alias`."""
        return replace(self, target=Row(alias, entity))

    def resolve(self, reference: Reference) -> Resolved:
        """Return what a reference stands for; raise NotCompiled where that cannot be known."""
        name, path, at = reference.variable.lower(), reference.path, reference.position
        if name in _ANSWER or name == "error":
            return self._of_outcome(reference, name)
        if name == "job" and self.outcome:
            return _of_job(reference)
        if name == "input":
            return self._of_input(reference)
        if name in self.jobs:
            return self._of_call(reference, self.jobs[name])
        if name in self.rows:
            return _of_row(self.rows[name], path, at, str(reference))
        return self._bare(reference, name)

    def word(self, text: str, at: Position) -> Resolved | None:
        """Return what a bare word, `status` or `orders.status`, stands for; None when it stands for nothing."""
        head, _, rest = text.partition(".")
        if rest:
            row = self.rows.get(head.lower())
            return _of_row(row, tuple(rest.split(".")), at, text) if row else None
        for row in (self.target, Row(self.row, self.entity)):
            found = columns.find_column(row.entity, text) if row else None
            if row is not None and found is not None:
                return Resolved(f"{row.variable}.{identifier(found[0])}", found[1])
        parameter = self.parameters.get(text.lower())
        return Resolved(parameter.sql, parameter.type) if parameter else None

    def declares(self, name: str) -> bool:
        """Whether a quoted word is a field's name; any other one is a text, as in `status == "open"`."""
        return name in self.entity.fields or (self.target is not None and name in self.target.entity.fields)

    def _bare(self, reference: Reference, name: str) -> Resolved:
        if name in _AMBIENT and not reference.path:
            return Resolved(_AMBIENT[name], _OF_AMBIENT.get(_AMBIENT[name], UNKNOWN))
        if not reference.path:
            parameter = self.parameters.get(name)
            found = Resolved(parameter.sql, parameter.type) if parameter else None
            found = found or self.word(reference.variable, reference.position)
            if found is not None:
                return found
        message = f"it is not known here what {reference} is"
        raise no_expression(message, reference.position, "refer to $entity, $input, or a row that an insert calls `as`")

    def _of_outcome(self, reference: Reference, name: str) -> Resolved:
        wanted = "failure" if name == "error" else "success"
        if self.outcome != wanted:
            message = f"{reference} is not known here: the job runs after this transaction is committed"
            raise no_expression(message, reference.position, f"move the step to on_{wanted}")
        if name != "error":
            return Resolved("_output", _below(self.answer, reference.path), reference.path, document=True)
        found = _ERROR.get(".".join(reference.path))
        if found is None:
            message = f"{reference} is not kept of a failure"
            raise no_expression(message, reference.position, "message, category and fingerprint are")
        return Resolved(found, _TEXT)

    def _of_input(self, reference: Reference) -> Resolved:
        path, at = tuple(each.lower() for each in reference.path), reference.position
        if self.outcome:
            found = self.kept.get(path)
            if found is None:
                message = f"{reference} is not kept until the job has ended"
                raise no_expression(message, at, "send it in the call's input, or store it in a field of the entity")
            return Resolved("_job.input_data", UNKNOWN, found, document=True)
        parameter = self.parameters.get(path[0]) if path else None
        if parameter is None:
            raise no_expression(f"{reference} is no parameter of the action", at, "declare it under the action's input")
        if len(path) == 1:
            return Resolved(parameter.sql, parameter.type)
        return Resolved(parameter.sql, UNKNOWN, reference.path[1:], document=True)

    def _of_call(self, reference: Reference, variable: str) -> Resolved:
        if reference.path in ((), ("id",), ("job_id",)):
            return Resolved(variable, columns.GENERATED["id"])
        message = f"{reference} is not known here: the job runs after this transaction is committed"
        raise no_expression(message, reference.position, "its id is known: $NAME.id; its answer in on_success")


def _of_job(reference: Reference) -> Resolved:
    path = reference.path or ("id",)
    if path[0] not in _JOB:
        raise no_expression(f"{reference} is no column of a job", reference.position, f"it has {', '.join(_JOB)}")
    if path == ("entity_pk",):
        return Resolved("_job.entity_pk::uuid", columns.GENERATED["id"])
    document = path[0] in ("input_data", "output_data")
    return Resolved(f"_job.{path[0]}", _DOCUMENT if document else UNKNOWN, path[1:], document=document)


def _of_row(row: Row, path: tuple[str, ...], at: Position, said: str) -> Resolved:
    if not path:
        return Resolved(f"to_jsonb({row.variable})", _DOCUMENT)
    found = columns.find_column(row.entity, path[0])
    if found is None:
        raise no_field(said, row.entity, at)
    base = f"{row.variable}.{identifier(found[0])}"
    if len(path) == 1:
        return Resolved(base, found[1])
    if columns.type_of(found[1]) not in ("jsonb", ""):
        raise no_expression(f"{said} leads into {path[0]}, which is {found[1].name}", at)
    return Resolved(base, UNKNOWN, path[1:], document=True)


def no_field(said: str, entity: Entity, at: Position) -> NotCompiled:
    """Return the problem of a name that an entity's row does not have."""
    return no_expression(f"{said}: {entity.name} has no field of that name", at)


def _below(kind: FieldType, path: tuple[str, ...]) -> FieldType:
    for name in path:
        kind = (kind.fields or {}).get(name, UNKNOWN)
    return kind
