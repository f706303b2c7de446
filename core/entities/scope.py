"""Which variables a step may refer to, and what is known of each. What cannot be known is never judged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..registry.model import Operation
from .expression import Reference
from .field_types import UNKNOWN, FieldType, of_schema
from .model import Action, Entity, OtherStep, ServiceCall, Step, Write, every_step
from .reading import text_of

#: Columns that SpecQL gives every table, or may.
# fmt: off
_GENERATED: Final = frozenset((
    "id", "identifier", "pk", "tenant_id", "version", "created_at", "created_by", "updated_at", "updated_by",
    "deleted_at", "deleted_by",
))
#: What SpecQL knows in every action; nothing is known of their fields here.
_AMBIENT: Final = frozenset((
    "pk", "id", "self", "old", "new", "now", "user", "user_id", "current_user", "caller", "auth", "session", "context",
    "tenant", "tenant_id", "auth_user_id", "auth_tenant_id", "env", "config", "job", "job_id",
))
# fmt: on
#: What the queue keeps of a failure.
ERROR_FIELDS: Final = {
    name: FieldType("text", frozenset({"string"})) for name in ("message", "category", "fingerprint")
}
#: Steps that may give names to values in ways that are not read here.
_OPAQUE: Final = frozenset({"raw_sql", "dynamic_sql", "cursor", "query", "declare", "assign", "set"})
_ROW: Final = re.compile(r"(?:pk|fk)_\w+")
#: `find: Customer WHERE …` finds a customer.
_ENTITY: Final = re.compile(r"\s*(?:\w+\.)?([A-Z]\w*)\b")


@dataclass(frozen=True, slots=True)
class Variable:
    """One name that references may begin with; `type.fields` is None where its fields cannot be known."""

    what: str  # in messages: "Order", "the input of place_order"
    type: FieldType = UNKNOWN
    of_row: bool = False  # a row of a table: it has generated columns, too

    def lacks(self, name: str) -> bool:
        """Whether a field is known not to exist."""
        fields = self.type.fields
        return fields is not None and _get(fields, name) is None and not (self.of_row and _generated(name, fields))


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables of one place. `open` says that others may exist as well."""

    variables: Mapping[str, Variable]
    elsewhere: Mapping[str, str]  # names that are known in another place, and where
    parameters: bool = False  # whether every parameter of the action is known
    open: bool = False

    def find(self, name: str) -> Variable | None:
        """Return what a name stands for, in any case."""
        return self.variables.get(name) or self.variables.get(name.lower())

    def is_missing(self, reference: Reference) -> bool:
        """Whether a reference's variable is known not to exist."""
        if self.find(reference.variable) is not None or _ROW.fullmatch(reference.variable.lower()):
            return False
        return reference.variable in self.elsewhere or not (self.open or not (reference.path or self.parameters))

    def missing_field(self, reference: Reference) -> tuple[str, Variable, FieldType] | None:
        """Return the first name of a path that is known not to exist, its variable, and the type that lacks it."""
        variable = self.find(reference.variable)
        if variable is None:
            return None
        here = variable
        for name in reference.path:
            if here.lacks(name):
                return name, variable, here.type
            here = Variable(name, _get(here.type.fields or {}, name) or UNKNOWN)
        return None

    def type_of(self, reference: Reference) -> FieldType:
        """Return the type of what a reference stands for, UNKNOWN where it cannot be told."""
        variable = self.find(reference.variable)
        kind = variable.type if variable else UNKNOWN
        for name in reference.path:
            kind = _get(kind.fields or {}, name) or UNKNOWN
        return kind

    def after(self, operation: Operation | None, outcome: str, whole: str) -> Scope:
        """Return the scope of a callback: the answer of the operation, or the error."""
        if outcome == "failure":
            added = {"error": Variable("the error of a job", FieldType("object", fields=ERROR_FIELDS))}
            elsewhere = dict.fromkeys(_ANSWER, "on_success")
        else:
            stated = operation.output_schema if operation is not None else None
            answer = Variable(f"the output_schema of {whole}", of_schema(stated) if stated is not None else UNKNOWN)
            added = dict.fromkeys(_ANSWER, answer)
            elsewhere = {"error": "on_failure"}
        return replace(self, variables={**self.variables, **added}, elsewhere=elsewhere)


_ANSWER: Final = ("response", "output", "result")


def of_action(entity: Entity, action: Action, entities: Mapping[str, Entity]) -> Scope:
    """Return what every step of an action may refer to. The order of steps is not looked at: loops turn it around."""
    steps = tuple(every_step(action.steps))
    variables = {name: Variable(name) for name in (*_AMBIENT, *(each.lower() for each in entity.fields))}
    variables |= {name: Variable(name, field.type) for name, field in (action.input or {}).items()}
    for step in steps:
        variables |= _named_by(step, entities)
    own = row(entity)
    variables |= dict.fromkeys(("entity", "this", *spellings(entity.name)), own)
    variables["input"] = Variable(f"the input of {action.name}", _of_input(action))
    waits = any(isinstance(step, ServiceCall) and step.waits for step in steps)
    known = {name: Variable(name) for name in (*_ANSWER, "error")} if waits else {}
    return Scope(
        variables={**known, **variables},
        elsewhere={**dict.fromkeys(_ANSWER, "on_success"), "error": "on_failure"},
        parameters=action.input is not None,
        open=any(isinstance(step, OtherStep) and step.kind in _OPAQUE for step in steps),
    )


def row(entity: Entity) -> Variable:
    """Return what is known of a row of an entity."""
    fields = {name: field.type for name, field in entity.fields.items()} if entity.whole else None
    return Variable(entity.name, FieldType("object", fields=fields), of_row=True)


def spellings(name: str) -> Iterable[str]:
    """Return what actions call a row of an entity: OrderLine is orderline and order_line."""
    return name, name.lower(), re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _named_by(step: Step, entities: Mapping[str, Entity]) -> dict[str, Variable]:
    """The names that a step gives: by `as`, and the entity whose rows it finds or writes."""
    match step:
        case Write():
            written = entities.get(step.entity.rpartition(".")[2].lower())
            names = (*spellings(step.entity.rpartition(".")[2]), step.alias.lower())
            return {name: row(written) if written else Variable(name) for name in names if name}
        case ServiceCall():
            return {step.alias.lower(): Variable(step.alias)} if step.alias else {}
        case OtherStep():
            found = _ENTITY.match(text_of(step.node.get(step.kind)))
            names = (*step.names, *(spellings(found[1]) if found else ()))
            return {name.lower(): Variable(name) for name in names if name}
    return {}


def _of_input(action: Action) -> FieldType:
    if action.input is None:
        return UNKNOWN
    return FieldType("object", fields={name: field.type for name, field in action.input.items()})


def _get(fields: Mapping[str, FieldType], name: str) -> FieldType | None:
    return fields.get(name) or next((kind for key, kind in fields.items() if key.lower() == name.lower()), None)


def _generated(name: str, fields: Mapping[str, FieldType]) -> bool:
    """Whether a column is SpecQL's own; a reference `customer` has the column fk_customer, and maybe customer_id."""
    word = name.lower()
    base = _get(fields, word.removesuffix("_id")) if word.endswith("_id") else None
    return word in _GENERATED or bool(_ROW.fullmatch(word)) or (base is not None and base.name == "ref")
