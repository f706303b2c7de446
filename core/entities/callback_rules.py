"""Rules about what callbacks write, and about the functions that SpecQL makes of them."""

from __future__ import annotations

from collections.abc import Iterator

from ..registry.model import Finding
from ..registry.name_rules import LONGEST
from .expression import Literal
from .hints import hint, near
from .model import Assignment, Entity, Field, OtherStep, ServiceCall, Step, Write
from .scope import row, spellings
from .view import CallView


def written(view: CallView) -> Iterator[Finding]:
    """Fields that callbacks set and entities do not have, and values that their enums do not."""
    for _, callback in view.call.callbacks():
        for step in _writes(callback.steps):
            entity = _entity(view, step)
            if entity is not None:
                for assignment in step.values:
                    yield from _assignment(view, assignment, entity)


def _writes(steps: tuple[Step, ...]) -> Iterator[Write]:
    for step in steps:
        if isinstance(step, Write):
            yield step
        elif isinstance(step, OtherStep):
            for block in step.blocks:
                yield from _writes(block.steps)


def _entity(view: CallView, step: Write) -> Entity | None:
    """The entity that a step writes, if its file was read."""
    name = step.entity.rpartition(".")[2].lower()
    if not name or name in spellings(view.entity.name):
        return view.entity
    return view.entities.get(name)


def _assignment(view: CallView, assignment: Assignment, entity: Entity) -> Iterator[Finding]:
    field = entity.fields.get(assignment.field)
    if field is not None:
        yield from _enum(view, assignment, field, entity)
        return
    if row(entity).lacks(assignment.field):
        meant = near(assignment.field, entity.fields)
        help_text = f"did you mean {' or '.join(meant)}?" if meant else ""
        message = f"{entity.name} has no field `{assignment.field[:80]}` to set"
        yield view.found("SQJ641", message, assignment.position, help_text)


def _enum(view: CallView, assignment: Assignment, field: Field, entity: Entity) -> Iterator[Finding]:
    value, allowed = assignment.value, field.type.values
    if not allowed or not isinstance(value, Literal) or not isinstance(value.value, str) or value.value in allowed:
        return
    message = f"{entity.name}.{field.name} is never {value.value[:60]!r}"
    yield view.found("SQJ642", message, value.position, hint(value.value, allowed, "it is one of"))


# ---- functions -------------------------------------------------------------------------------------------------------


def function_names(view: CallView) -> Iterator[Finding]:
    """A callback whose function's name PostgreSQL would cut."""
    for outcome, callback in view.call.callbacks():
        name = _function(view.entity, view.call, outcome)
        size = len(name.encode())
        if size > LONGEST:
            message = f"the function {name[:120]} has a name of {size} bytes"
            yield view.found("SQJ643", message, callback.position)


def _function(entity: Entity, call: ServiceCall, outcome: str) -> str:
    return f"{entity.name.lower()}_{call.service.value}_{call.operation.value}_{outcome}"


def same_function(view: CallView) -> Iterator[Finding]:
    """Two steps whose different callbacks would be one function: it is found by entity, service, operation, outcome."""
    for outcome, callback in view.call.callbacks():
        action, first = view.first[view.call.whole.lower(), outcome]
        if first.stated != callback.stated:
            place = f"{action.name}, line {first.position.line}"
            message = f"on_{outcome} of {view.call.whole} says something else in {place}"
            yield view.found("SQJ644", message, callback.position)
