"""A `call_service` step to the INSERT that makes its job, in the transaction of whoever calls the action."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from ..entities.expression import Expression, Reference, references
from ..entities.model import Action, ServiceCall, Stated
from ..registry.model import Position, Registry
from . import columns, values
from .place import Place
from .problems import NotCompiled, no_value
from .quoting import bracketed, comment, is_storable, literal


@dataclass(frozen=True, slots=True, kw_only=True)
class StepParameter:
    """A reference of a step: as the file has it, what it is in SQL, and its PostgreSQL type, "" where not known."""

    reference: str
    sql: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStep:
    """One call as SQL. `depends_on` names calls whose job this one needs: by its id, or because it ends first."""

    name: str
    service: str
    operation: str
    position: Position
    sql: str
    parameters: tuple[StepParameter, ...]
    depends_on: tuple[str, ...]


def step_name(action: Action, call: ServiceCall) -> str:
    """Return what a step is called: the action, and the call's number among the action's calls."""
    return f"{action.name}.{call.number}"


def job_variable(call: ServiceCall) -> str:
    """Return the variable that holds the id of a call's job."""
    return f"_job_{call.number}"


def step_mark(action: Action, call: ServiceCall) -> str:
    """Return what the identifier of every job of a step begins with: no other step's begins so."""
    return f"{quote(action.name, safe='')}.{call.number}:"


@dataclass(frozen=True, slots=True)
class CallServiceStepCompiler:
    """Compiles `call_service` steps; with a registry, rows say how the service is executed."""

    registry: Registry | None = None

    def compile(
        self, action: Action, call: ServiceCall, place: Place, after: ServiceCall | None = None
    ) -> CompiledStep:
        """Return the step as SQL; `after` is the call in whose callback it stands. Raise NotCompiled if it has none."""
        used = tuple(dict.fromkeys(_references(call)))
        needed = [
            each for each in action.calls() if any(each.alias.lower() == used_.variable.lower() for used_ in used)
        ]
        before = [after, *(each for each in needed if each.alias and each is not call)]
        return CompiledStep(
            name=step_name(action, call),
            service=call.service.value,
            operation=call.operation.value,
            position=call.position,
            sql=self._sql(action, call, place),
            parameters=tuple(_parameters(used, place)),
            depends_on=tuple(step_name(action, each) for each in before if each is not None),
        )

    def _sql(self, action: Action, call: ServiceCall, place: Place) -> str:
        cells = dict(self._cells(action, call, place))
        head = comment(f"{step_name(action, call)}: one job of {call.whole}")
        insert = f"INSERT INTO jobs.tb_job_run\n  ({', '.join(cells)})\nVALUES ({bracketed(list(cells.values()))})"
        variable = job_variable(call)
        if call.idempotency_key is None:
            return f"{head}\n{insert}\nRETURNING id INTO {variable};"
        return f"{head}\n{insert}\nON CONFLICT DO NOTHING RETURNING id INTO {variable};\n{_already(variable, cells)}"

    def _cells(self, action: Action, call: ServiceCall, place: Place) -> Iterator[tuple[str, str]]:
        """Column and value, those that the step leaves to the registry left away."""
        yield (
            "identifier",
            f"{literal(_storable(step_mark(action, call), call))} || {_pk(place)} || ':' || gen_random_uuid()",
        )
        if call.idempotency_key is not None:
            yield "idempotency_key", values.text(call.idempotency_key, place)
        yield "service_name", literal(_name(call.service))
        yield "operation", literal(_name(call.operation))
        service = self.registry.service(call.service.value) if self.registry else None
        if service is not None:
            yield "execution_type", literal(service.execution_type.value)
        yield "input_data", values.document(call.input, place) if call.input is not None else "'{}'::jsonb"
        yield from (("tenant_id", "_tenant_id"), ("triggered_by", "_user_id"))
        yield "correlation_id", self._correlation(call, place)
        yield from (("entity_type", literal(place.entity.name)), ("entity_pk", _pk(place)))
        yield from _numbers(call)
        if place.outcome:
            yield "parent_id", "_job.id"

    def _correlation(self, call: ServiceCall, place: Place) -> str:
        if call.correlation is not None:
            field = getattr(call.correlation, "value", None)
            return values.text(call.correlation, place, field if isinstance(field, str) else None)
        return "_job.correlation_id" if place.outcome else _pk(place)


def _pk(place: Place) -> str:
    return "_job.entity_pk" if place.outcome else f"{place.row}.id::text"


def _numbers(call: ServiceCall) -> Iterator[tuple[str, str]]:
    if call.max_retries is not None:
        yield "max_attempts", str(call.max_retries.value + 1)
    if call.timeout is not None:
        yield "timeout_seconds", str(call.timeout.value)
    if call.priority is not None:
        yield "priority", str(call.priority.value)


def _name(stated: Stated[str]) -> str:
    if not is_storable(stated.value):
        raise no_value("the name holds a character that PostgreSQL cannot store", stated.position)
    return stated.value


def _storable(text: str, call: ServiceCall) -> str:
    if not is_storable(text):
        raise no_value("the action's name holds a character that PostgreSQL cannot store", call.position)
    return text


def _already(variable: str, cells: dict[str, str]) -> str:
    """What a key that is taken means: the job that has it, if it is one of the same operation; an error otherwise."""
    key = cells["idempotency_key"]
    return f"""IF {variable} IS NULL THEN
  SELECT j.id INTO {variable} FROM jobs.tb_job_run AS j
   WHERE j.idempotency_key = {key} AND j.tenant_id IS NOT DISTINCT FROM _tenant_id
     AND lower(j.service_name) = lower({cells["service_name"]}) AND lower(j.operation) = lower({cells["operation"]});
  IF {variable} IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation',
      MESSAGE = concat('idempotency key ', quote_literal({key}), ' already belongs to another operation');
  END IF;
END IF;"""


# ---- what a step uses ------------------------------------------------------------------------------------------------


def _references(call: ServiceCall) -> Iterator[Reference]:
    stated: tuple[Expression | None, ...] = (call.input, call.correlation, call.idempotency_key)
    for value in stated:
        for each in references(value) if value is not None else ():
            yield Reference(each.variable, each.path, call.position)


def _parameters(used: tuple[Reference, ...], place: Place) -> Iterator[StepParameter]:
    for each in used:
        try:
            found = place.resolve(each)
        except NotCompiled:  # told where the value itself is compiled
            continue
        kind = "jsonb" if found.document else columns.type_of(found.type)
        yield StepParameter(reference=str(each), sql=found.json, type=kind)
