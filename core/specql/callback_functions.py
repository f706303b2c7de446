"""What steps say under on_success and on_failure to the functions that the queue calls with a job's result.

One function serves all jobs of an entity, a service, an operation and an outcome. Where steps say different things,
the job's identifier, which names the step that made it, decides; a job that no step here made is then an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..entities.expression import Record, Reference
from ..entities.field_types import UNKNOWN, FieldType, of_schema
from ..entities.model import Action, Callback, Entity, ServiceCall
from ..entities.scope import spellings
from ..registry.model import Finding
from .block import SESSION, Block, declared, variable_of
from .function import Function
from .job_insert import CallServiceStepCompiler, CompiledStep, step_mark
from .place import Place, Row
from .quoting import LONGEST, indented, is_name, literal
from .writes import Tables

#: The names that SpecQL's own compiler gives them: PostgreSQL replaces no function under other names.
_SIGNATURES = {"success": "_job_run_id uuid, _output_data jsonb", "failure": "_job_run_id uuid, _error_message text"}
_RESULTS = {"success": {"_output": "jsonb := $2"}, "failure": {"_error": "text := $2"}}
#: Jobs that a callback makes belong to whom its own job belongs to: the worker's session says nothing.
_FOR_WHOM = "_tenant_id := _job.tenant_id;\n_user_id := _job.triggered_by;"
_BEGIN = "SELECT j.* INTO STRICT _job FROM jobs.tb_job_run AS j WHERE j.id = $1;"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledCallback:
    """One callback function with its registration, and the calls in it."""

    name: str
    service: str
    operation: str
    outcome: str
    sql: str
    steps: tuple[CompiledStep, ...]
    findings: tuple[Finding, ...]
    actions: frozenset[str]  # whose calls it serves


@dataclass(slots=True)
class _Group:
    """All calls of one operation, and what each says of one outcome."""

    outcome: str
    calls: list[tuple[Action, ServiceCall]] = field(default_factory=list)

    def stated(self) -> Iterator[tuple[Action, ServiceCall, Callback | None]]:
        for action, call in self.calls:
            yield action, call, call.on_success if self.outcome == "success" else call.on_failure


def compile_callbacks(entity: Entity, tables: Tables, calls: CallServiceStepCompiler) -> Iterator[CompiledCallback]:
    """Yield the callback functions of an entity, in the order in which its calls stand."""
    groups: dict[tuple[str, str, str], _Group] = {}
    for action, call in entity.calls():
        for outcome in _SIGNATURES:
            key = call.service.value.lower(), call.operation.value.lower(), outcome
            groups.setdefault(key, _Group(outcome)).calls.append((action, call))
    making = _Making(entity, tables, calls)
    for group in groups.values():
        if any(callback is not None for *_, callback in group.stated()):
            yield making.compiled(group)


@dataclass(frozen=True, slots=True)
class _Making:
    """The callbacks of one entity on their way; `taken` are the names that they have so far."""

    entity: Entity
    tables: Tables
    calls: CallServiceStepCompiler
    taken: set[str] = field(default_factory=set)

    def compiled(self, group: _Group) -> CompiledCallback:
        """Return the function for all jobs of a group."""
        blocks = [(*each, self._block(*each, group.outcome)) for each in group.calls]
        first = group.calls[0][1]
        name = function_name(self.entity, first, group.outcome, self.taken)
        function = Function(self.entity.schema or self.tables.schema, name, _SIGNATURES[group.outcome], "void")
        made = function.made(*self._text(group, blocks))
        return CompiledCallback(
            name=function.called,
            service=first.service.value,
            operation=first.operation.value,
            outcome=group.outcome,
            sql=f"{made}\n\n{_registration(self.entity, first, group.outcome, function)}",
            steps=tuple(step for *_, block in blocks for step in block.steps),
            findings=tuple(found for *_, block in blocks for found in block.findings),
            actions=frozenset(action.name for action, _ in group.calls),
        )

    def _text(self, group: _Group, blocks: list[tuple[Action, ServiceCall, Block]]) -> tuple[str, str]:
        """The declarations and the statements: the row is read only where a step looks at it."""
        body = _dispatched(self.entity, group.outcome, blocks)
        some = blocks[0][2]
        row = some.place.row
        reads = f"{row}." in body or f"({row})" in body
        makes = any(word in body for word in SESSION)
        declare = {
            "_job": "jobs.tb_job_run",
            **_RESULTS[group.outcome],
            **(dict.fromkeys(SESSION, "uuid") if makes else {}),
            **({row: self.tables.of(self.entity)} if reads else {}),
            **{name: kind for *_, block in blocks for name, kind in block.variables.items()},
        }
        read = some.read_row("_job.entity_pk::uuid", " FOR UPDATE") if reads else ""
        statements = [_BEGIN, _FOR_WHOM if makes else "", read, body]
        return declared(declare), indented("\n".join(filter(None, statements)))

    def _block(self, action: Action, call: ServiceCall, outcome: str) -> Block:
        row = variable_of(self.entity.name)
        known = ("entity", "this", *map(str.lower, spellings(self.entity.name)))
        place = Place(
            self.entity,
            row,
            dict.fromkeys(known, Row(row, self.entity)),
            outcome=outcome,
            answer=_answer(self.calls, call),
            kept=dict(_kept(call)),
        )
        block = Block(action, place, self.tables, self.calls, after=call)
        callback = call.on_success if outcome == "success" else call.on_failure
        if callback is not None:
            block.compile(callback.steps)
        return block


def _registration(entity: Entity, call: ServiceCall, outcome: str, function: Function) -> str:
    words = (entity.name, call.service.value, call.operation.value, outcome, function.called)
    return f"SELECT jobs.register_callback({', '.join(map(literal, words))});"


# ---- what a callback knows -------------------------------------------------------------------------------------------


def _answer(calls: CallServiceStepCompiler, call: ServiceCall) -> FieldType:
    service = calls.registry.service(call.service.value) if calls.registry else None
    operation = service.operation(call.operation.value) if service else None
    return of_schema(operation.output_schema) if operation and operation.output_schema is not None else UNKNOWN


def _kept(call: ServiceCall) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Which values of the action's input the job's own input holds as they were, and where."""
    if isinstance(call.input, Record):
        for name, entry in call.input.entries.items():
            if isinstance(entry.value, Reference) and entry.value.variable.lower() == "input":
                yield tuple(map(str.lower, entry.value.path)), (name,)


def _dispatched(entity: Entity, outcome: str, blocks: list[tuple[Action, ServiceCall, Block]]) -> str:
    """One body for all, or each for the jobs of its own steps."""
    different: dict[str, list[str]] = {}
    for action, call, block in blocks:
        mark = f"starts_with(_job.identifier, {literal(step_mark(action, call))})"
        different.setdefault("\n\n".join(block.lines), []).append(mark)
    if len(different) == 1:
        return next(iter(different))
    parts: list[str] = []
    for body, marks in different.items():
        word = "ELSIF" if parts else "IF"
        parts.append(f"{word} {' OR '.join(marks)} THEN\n{indented(body or 'NULL;')}")
    before = literal(f"{entity.name}: no step that is compiled here made the job ")
    message = f"concat({before}, _job.id, {literal(f', so nothing says what its {outcome} means')})"
    return "\n".join([*parts, f"ELSE\n  RAISE EXCEPTION USING MESSAGE = {message};\nEND IF;"])


# ---- names -----------------------------------------------------------------------------------------------------------


def function_name(entity: Entity, call: ServiceCall, outcome: str, taken: set[str]) -> str:
    """Return ENTITY_SERVICE_OPERATION_OUTCOME, or a name with a hash where that is cut, taken, or hard to quote."""
    plain = f"{entity.name.lower()}_{call.service.value}_{call.operation.value}_{outcome}"
    name = plain
    if not is_name(plain) or "(" in plain or plain.lower() in taken:
        whole = "\0".join((entity.name.lower(), call.service.value.lower(), call.operation.value.lower(), outcome))
        ending = f"_{hashlib.sha256(whole.encode('utf-8', 'replace')).hexdigest()[:8]}_{outcome}"
        kept = "".join(each if each.isalnum() or each == "_" else "_" for each in plain.removesuffix(f"_{outcome}"))
        name = kept.encode("ascii", "replace").decode().replace("?", "_")[: LONGEST - len(ending)] + ending
    taken.add(plain.lower())
    return name
