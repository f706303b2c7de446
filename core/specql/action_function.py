"""One action to one PL/pgSQL function. It answers {success, id, job_id, jobs}, or {success, error}, nothing written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..entities.model import Action, Entity, Field, ServiceCall, Step, Validate, Verb, Write
from ..entities.scope import spellings
from ..registry.model import Finding
from ..registry.nodes import data
from . import columns, values
from .block import REFUSED, SESSION, Block, declared, require_known, variable_of
from .function import Function
from .job_insert import CallServiceStepCompiler, CompiledStep, job_variable, step_name
from .place import Parameter, Place, Row
from .problems import NotCompiled, no_expression, no_step, no_value
from .quoting import bracketed, identifier, indented, is_name, literal
from .writes import Tables

_LEFT_TO_SPECQL = "leave this action to SpecQL: compile --action NAME names others"
#: What compiled statements call tables; a function of that name would hide its parameters behind their columns.
_ALIASES = ("t", "j")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledAction:
    """An action's function as SQL, its calls, and what in it has no SQL; with an error among these, `sql` is no use."""

    name: str
    sql: str
    steps: tuple[CompiledStep, ...]
    findings: tuple[Finding, ...]


def compile_action(entity: Entity, action: Action, tables: Tables, calls: CallServiceStepCompiler) -> CompiledAction:
    """Return the action's function with everything that was found on the way."""
    try:
        return _Making(entity, action, tables, calls).compiled()
    except NotCompiled as problem:
        return CompiledAction(name=action.name, sql="", steps=(), findings=(problem.finding,))


class _Making:
    """One action on its way."""

    def __init__(self, entity: Entity, action: Action, tables: Tables, calls: CallServiceStepCompiler) -> None:
        self.entity, self.action, self.tables = entity, action, tables
        if not is_name(action.name):
            raise no_value(f"{action.name[:80]!r} cannot be the name of a function", action.position)
        tables.require(entity)
        self.made = next(filter(self._makes_row, action.steps), None)
        self.filled = job_field(entity, action)
        self.count = 0
        self.parameters = {each.name.lower(): each for each in self._parameters()}
        row = variable_of(entity.name)
        rows = dict.fromkeys(("entity", "this", *map(str.lower, spellings(entity.name))), Row(row, entity))
        place = Place(entity, row, rows, self.parameters)
        self.block = Block(action, place, tables, calls, has_row=self.made is None)
        self.block.variables = {row: tables.of(entity), **SESSION}

    def _makes_row(self, step: Step) -> bool:
        own = isinstance(step, Write) and step.verb is Verb.INSERT
        return own and isinstance(step, Write) and self.tables.written(step, self.entity) is self.entity

    # ---- parameters --------------------------------------------------------------------------------------------------

    def _parameters(self) -> Iterator[Parameter]:
        given = list(self._given())
        if self.made is None:
            yield self._parameter("id", next((each for each in given if each.name.lower() == "id"), None))
        for each in given:
            if self.made is not None or each.name.lower() != "id":
                yield self._parameter(each.name, each)

    def _given(self) -> Iterator[Field]:
        """The fields that the action is given: those that it declares, or all that an insert without values needs."""
        if self.action.input is not None:
            yield from self.action.input.values()
        elif isinstance(self.made, Write) and not self.made.values:
            for each in self.entity.fields.values():
                if each.name.lower() not in columns.GENERATED and each is not self.filled:
                    yield each

    def _parameter(self, name: str, stated: Field | None) -> Parameter:
        at = stated.position if stated else self.action.position
        if not is_name(name):
            raise no_value(f"{name[:80]!r} cannot be the name of a parameter", at)
        kind = stated.type if stated else columns.GENERATED["id"]
        if not columns.type_of(kind):
            message = f"{name} has a type that is not known here: {kind.name or 'none is stated'}"
            raise no_expression(message, at, "declare one such as text, integer, number, boolean, uuid or datetime")
        return Parameter(name, self._called(name), kind)

    def _called(self, name: str) -> str:
        """A parameter inside the function, qualified by its name; by number where that name means something else."""
        self.count += 1
        if self.action.name in _ALIASES or self.action.name.startswith("_"):
            return f"${self.count}"
        return f"{identifier(self.action.name)}.{identifier(name)}"

    def _listed(self) -> str:
        parts = [
            f"{identifier(each.name)} {columns.type_of(each.type)}"
            + ("" if key == "id" and not self.made else " DEFAULT NULL")
            for key, each in self.parameters.items()
        ]
        return bracketed(parts) if len(parts) > 1 else "".join(parts)

    # ---- body --------------------------------------------------------------------------------------------------------

    def compiled(self) -> CompiledAction:
        """Return the function."""
        block = self.block
        begin = list(self._begin())
        steps = (self.action.preconditions, *self.action.steps)
        for step in steps:
            self._step(step)
        block.findings += self._unread()
        body = self._undoing("\n\n".join([*begin, *block.lines, self._answer()]))
        schema = self.entity.schema or self.tables.schema
        function = Function(schema, self.action.name, self._listed(), "jsonb")
        sql = f"{function.earlier_dropped()}\n\n{function.made(declared(block.variables), indented(body))}"
        found = tuple(block.findings)
        return CompiledAction(name=self.action.name, sql=sql, steps=tuple(block.steps), findings=found)

    def _begin(self) -> Iterator[str]:
        """The row that the action is about: read and locked, or begun with what is given."""
        place = self.block.place
        if self.made is None:
            message = f"concat({literal(self.entity.name + ' ')}, {self._id()}, ' does not exist')"
            refusal = self.block.refusal("'not_found'", message, {"id": self._id()})
            read = self.block.read_row(self._id(), " FOR UPDATE")
            yield f"{read}\nIF NOT FOUND THEN\n{indented(refusal)}\nEND IF;"
        elif self._begun():
            lines = [
                f"{place.row}.{identifier(columns.column_of(each))} := {self._first(each)};" for each in self._begun()
            ]
            yield "\n".join(lines)

    def _id(self) -> str:
        return self.parameters["id"].sql

    def _begun(self) -> list[Field]:
        return [each for each in self.entity.fields.values() if each.name.lower() in self.parameters]

    def _first(self, field: Field) -> str:
        given = self.parameters[field.name.lower()].sql
        if field.default is None:
            return given
        return f"coalesce({given}, {values.assigned(field.default, field.type, self.block.place)})"

    def _step(self, step: Validate | Step | None) -> None:
        if step is None:
            return
        if step is not self.made or not isinstance(step, Write) or step.values:
            self.block.compile((step,))
            if isinstance(step, ServiceCall):
                self._after_call(step)
            return
        try:
            require_known(step)
            self._require(step)
        except NotCompiled as problem:
            self.block.findings.append(problem.finding)
        cells = {identifier(columns.column_of(each)): self._cell(each) for each in self._begun()}
        self.block.insert(step, self.entity, cells)

    def _cell(self, field: Field) -> str:
        return f"{self.block.place.row}.{identifier(columns.column_of(field))}"

    def _require(self, step: Write) -> None:
        """Say which required fields are missing, before the table does it with an exception."""
        wanted = [each for each in self._begun() if each.required]
        unknown = [each for each in self.entity.fields.values() if each.required and each not in self._begun()]
        for each in unknown:
            if each.default is None and each.name.lower() not in columns.GENERATED:
                message = f"insert gives no value for {each.name}, which {self.entity.name} requires"
                raise no_step(
                    message, step.position, f"declare `{each.name}` under the action's input, or write values"
                )
        if not wanted:
            return
        block = self.block
        block.variables["_missing"] = "text[]"
        cases = bracketed([f"CASE WHEN {self._cell(each)} IS NULL THEN {literal(each.name)} END" for each in wanted])
        message = "concat('required: ', array_to_string(_missing, ', '))"
        refusal = block.refusal("'required'", message, {"fields": "to_jsonb(_missing)"})
        block.lines.append(
            f"_missing := array_remove(ARRAY[{cases}], NULL);\n"
            f"IF cardinality(_missing) > 0 THEN\n{indented(refusal)}\nEND IF;"
        )

    def _after_call(self, call: ServiceCall) -> None:
        if self.filled is not None and self.block.has_row:
            column, row = identifier(self.filled.name), self.block.place.row
            self.block.lines.append(
                f"UPDATE {self.tables.of(self.entity)} AS t SET {column} = {job_variable(call)} WHERE t.id = {row}.id\n"
                f"RETURNING t.* INTO {row};"
            )

    def _unread(self) -> Iterator[Finding]:
        for each in self.action.unread:
            yield no_step(f"`{each.value[:60]}` is no step that is known here", each.position).finding
        for each in self.action.other_keys:
            yield no_step(f"`{each.value[:60]}` of an action is not compiled", each.position, _LEFT_TO_SPECQL).finding

    # ---- answer ------------------------------------------------------------------------------------------------------

    def _answer(self) -> str:
        made = [each for each in self.action.steps if isinstance(each, ServiceCall)]
        jobs = [self._job(each) for each in made]
        waited = [job_variable(each) for each in made if each.waits]
        pairs = [
            "'success', true",
            f"'id', {self.block.place.row}.id",
            f"'job_id', {job_variable(made[0]) if made else 'NULL'}",
            f"'jobs', jsonb_build_array({bracketed(jobs) if jobs else ''})",
            *([f"'wait_for', jsonb_build_array({', '.join(waited)})"] if waited else []),
        ]
        return f"RETURN jsonb_build_object({bracketed(pairs)});"

    def _job(self, call: ServiceCall) -> str:
        said = {"step": step_name(self.action, call), "service": call.service.value, "operation": call.operation.value}
        pairs = ", ".join(f"{literal(name)}, {literal(value)}" for name, value in said.items())
        return f"jsonb_build_object({pairs}, 'id', {job_variable(call)})"

    def _undoing(self, body: str) -> str:
        """A refusal after a first write is raised, so that the write is undone, and answered here."""
        if f"ERRCODE = '{REFUSED}'" not in body:
            return body
        self.block.variables["_refused"] = "text"
        return (
            f"BEGIN\n{indented(body)}\nEXCEPTION WHEN SQLSTATE '{REFUSED}' THEN\n"
            "  GET STACKED DIAGNOSTICS _refused = PG_EXCEPTION_DETAIL;\n  RETURN _refused::jsonb;\nEND;"
        )


def job_field(entity: Entity, action: Action) -> Field | None:
    """Return the field that an action fills with the id of its job.

    The entity has one uuid field called `…_job_id`, the action has one call, and its steps do not mention the field.
    """
    found = [
        each for each in entity.fields.values() if each.name.lower().endswith("_job_id") and each.type.name == "uuid"
    ]
    calls = [each for each in action.steps if isinstance(each, ServiceCall)]
    if len(found) != 1 or len(calls) != 1:
        return None
    word = re.compile(rf"(?<!\w){re.escape(found[0].name)}(?!\w)", re.IGNORECASE)
    stated = json.dumps([data(step.node) for step in action.steps], ensure_ascii=False)
    return None if word.search(stated) else found[0]
