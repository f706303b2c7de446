"""Lists of steps to PL/pgSQL statements: for an action, and for what is done when a job has ended.

What has no SQL becomes a finding, and the steps after it are compiled all the same, so that one run finds everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from ..entities.expression import Expression, Formula
from ..entities.model import Action, Entity, OtherStep, ServiceCall, Step, Validate, Verb, Write
from ..registry.codes import finding
from ..registry.model import Finding
from ..registry.nodes import token
from . import values
from .job_insert import CallServiceStepCompiler, CompiledStep, job_variable
from .place import Place, Row
from .problems import NotCompiled, no_step
from .quoting import bracketed, identifier, indented, is_storable, literal
from .writes import Tables, inserted, own_id, statement

#: Variables that every function declares, or may.
_TAKEN: Final = frozenset(
    [
        "_job",
        "_job_run_id",
        "_output",
        "_output_data",
        "_error",
        "_error_message",
        "_tenant_id",
        "_user_id",
        "_missing",
        "_refused",
    ]
)
_NUMBERED: Final = re.compile(r"_job_\d+")
_OF_ANY: Final = frozenset({"as", "name", "description", "comment"})
#: What may stand beside a step; the keys of a call are read with it.
_KEYS: Final[Mapping[type, frozenset[str]]] = MappingProxyType(
    {
        Write: _OF_ANY | {"set", "values", "fields", "entity", "table", "where", "into"},
        Validate: _OF_ANY | {"validate", "error"},
    }
)
_CODE: Final = re.compile(r"[A-Za-z]\w{0,62}")
#: What a refusal after a first write is raised as, so that the write is undone; caught by the same function.
REFUSED: Final = "SQJ01"
#: As whom and for whom jobs are made: what the session says, as for row-level security.
SESSION: Final[Mapping[str, str]] = MappingProxyType(
    {
        "_tenant_id": "uuid := nullif(current_setting('app.tenant_id', true), '')::uuid",
        "_user_id": "uuid := nullif(current_setting('app.user_id', true), '')::uuid",
    }
)


@dataclass(slots=True)
class Block:
    """One function's statements on their way. `after` is the call in whose callback they stand."""

    action: Action
    place: Place
    tables: Tables
    calls: CallServiceStepCompiler
    after: ServiceCall | None = None
    has_row: bool = True  # whether the entity's row exists yet
    undo: bool = False  # whether something was written that a refusal must undo
    lines: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)  # by SQL name: the type, and what it begins as
    findings: list[Finding] = field(default_factory=list)
    steps: list[CompiledStep] = field(default_factory=list)

    def compile(self, steps: tuple[Step, ...]) -> None:
        """Add the statements of steps, in their order."""
        for step in steps:
            try:
                self._step(step)
            except NotCompiled as problem:
                self.findings.append(problem.finding)

    def _step(self, step: Step) -> None:
        require_known(step)
        match step:
            case Validate():
                self.validate(step)
            case Write(verb=Verb.INSERT):
                self.insert(step, self.tables.written(step, self.place.entity))
            case Write():
                self._write(step)
            case ServiceCall():
                self._call(step)
            case OtherStep():
                message = (
                    f"`{step.kind}` is not compiled: an action is made of validate, insert, update, delete and calls"
                )
                raise no_step(message, step.position, "leave this action to SpecQL: compile --action NAME names others")

    # ---- validate ----------------------------------------------------------------------------------------------------

    def validate(self, step: Validate) -> None:
        """Refuse, and undo what was written, unless every condition holds; one that is NULL does not hold."""
        for each in step.conditions:
            held = values.condition(each, self.place)
            code, message = _error(step.error, each)
            if not is_storable(message):
                raise no_step("the error's text holds a character that PostgreSQL cannot store", step.position)
            refusal = self.refusal(literal(code), literal(message), {"condition": literal(_said(each))})
            self.lines.append(f"IF ({held}) IS NOT TRUE THEN\n{indented(refusal)}\nEND IF;")

    def refusal(self, code: str, message: str, more: Mapping[str, str]) -> str:
        """Return the statement that ends the function with an error, given as SQL."""
        if self.place.outcome:
            return f"RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = {message};"
        pairs = {"code": code, "message": message, **more}
        error = f"jsonb_build_object({', '.join(f'{literal(name)}, {value}' for name, value in pairs.items())})"
        answer = f"jsonb_build_object('success', false, 'error', {error})"
        if not self.undo:
            return f"RETURN {answer};"
        return f"RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = {message},\n  DETAIL = {answer}::text;"

    # ---- rows --------------------------------------------------------------------------------------------------------

    def insert(self, step: Write, entity: Entity, cells: Mapping[str, str] | None = None) -> None:
        """Add an INSERT; `cells` are its columns and values where the step states none."""
        filled = cells if cells is not None else inserted(step, entity, self.place)
        if not filled and cells is None:
            message = f"insert says of no field of {entity.name} what it holds"
            raise no_step(message, step.position, f"write values: {{field: value}} beside insert: {entity.name}")
        own = not self.has_row and entity is self.place.entity
        variable = self.place.row if own else self._row_variable(step, entity)
        what = f"({', '.join(filled)})\nVALUES ({bracketed(list(filled.values()))})" if filled else "DEFAULT VALUES"
        self.lines.append(
            f"INSERT INTO {self.tables.of(entity)} AS t\n{indented(what)}\nRETURNING t.* INTO {variable};"
        )
        self._know(step, Row(variable, entity))
        self.has_row, self.undo = self.has_row or own, True

    def _row_variable(self, step: Write, entity: Entity) -> str:
        wanted = variable_of(step.alias or f"new_{entity.name}")
        number, name = 1, wanted
        while name in self.variables or name == self.place.row:
            number, name = number + 1, variable_of(f"{step.alias or entity.name}_{number + 1}")
        self.variables[name] = self.tables.of(entity)
        return name

    def _know(self, step: Write, row: Row) -> None:
        names = [step.alias.lower()] if step.alias else []
        if row.entity is not self.place.entity:
            names.append(row.entity.name.lower())
        self.place = replace(self.place, rows={**self.place.rows, **dict.fromkeys(names, row)})

    def _write(self, step: Write) -> None:
        self._require_row(step, "the row")
        made, entity = statement(step, self.place, self.tables), self.tables.written(step, self.place.entity)
        own = entity is self.place.entity
        reads = own and not self.place.outcome
        if reads and step.verb is Verb.UPDATE and step.where is None:
            made += f"\nRETURNING t.* INTO {self.place.row}"
        self.lines.append(f"{made};")
        if reads and step.where is not None:
            self.lines.append(self.read_row(own_id(self.place)))
        self.undo = True

    def read_row(self, id_: str, lock: str = "") -> str:
        """Return the statement that reads the entity's row into its variable."""
        table = self.tables.of(self.place.entity)
        return f"SELECT t.* INTO {self.place.row} FROM {table} AS t WHERE t.id = {id_}{lock};"

    def _require_row(self, step: Write | ServiceCall, what: str) -> None:
        if not self.has_row:
            raise no_step(
                f"{what} of {self.place.entity.name} is inserted only below", step.position, "insert it first"
            )

    # ---- calls -------------------------------------------------------------------------------------------------------

    def _call(self, step: ServiceCall) -> None:
        self._require_row(step, "the row that the job is about,")
        made = self.calls.compile(self.action, step, self.place, self.after)
        variable = job_variable(step)
        self.variables[variable] = "uuid"
        self.steps.append(made)
        if step.waits:
            message = f"{made.name} cannot wait for its job: a job runs once its row is committed"
            self.findings.append(finding("SQJ654", message, token(step.position)))
        self.lines.append(made.sql)
        if step.alias:
            self.place = replace(self.place, jobs={**self.place.jobs, step.alias.lower(): variable})
        self.undo = True


def require_known(step: Step) -> None:
    """Raise NotCompiled for a key beside a step that would be left away: it may say when the step is done."""
    known = _KEYS.get(type(step))
    for key, pair in step.node.pairs.items() if known else ():
        if known is not None and key not in known and key not in tuple(Verb):
            raise no_step(f"`{key[:60]}` beside the step is not compiled", pair.key)
    if isinstance(step, Write) and step.verb is Verb.INSERT:
        stated = step.node.pairs[step.verb].node.text
        if step.where is not None or (
            not step.values and not stated.strip().replace(".", "").isidentifier() and stated
        ):
            raise no_step(f"insert cannot be read from {stated[:60]!r}", step.position, "write values: {field: value}")


def variable_of(name: str) -> str:
    """Return the variable for a row by that name; one of our own names is never taken."""
    wanted = f"_{name.lower()}"
    return identifier(f"{wanted}_row" if wanted in _TAKEN or _NUMBERED.fullmatch(wanted) else wanted)


def declared(variables: Mapping[str, str]) -> str:
    """Return the DECLARE section."""
    lines = [f"  {name} {kind};" for name, kind in variables.items()]
    return "\n".join(["DECLARE", *lines]) + "\n" if lines else ""


def _error(stated: str, condition: Expression) -> tuple[str, str]:
    """Code and message of a condition that does not hold."""
    default = f"{_said(condition)} does not hold"
    if _CODE.fullmatch(stated):
        return stated, default
    return "validation_failed", stated or default


def _said(condition: Expression) -> str:
    return condition.text if isinstance(condition, Formula) else str(getattr(condition, "value", condition))
