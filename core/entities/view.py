"""What a rule about a `call_service` step is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..registry.codes import finding, helped
from ..registry.model import Finding, Operation, Position, Registry, Service
from ..registry.nodes import token
from ..registry.secret_shapes import masked
from .model import Action, Callback, Entity, OtherStep, ServiceCall, Step
from .scope import Scope, of_action

Entities = Mapping[str, Entity]  # by lower-case name
#: The first callback of each operation and outcome in an entity, with its action: (lower-case S.O, success or failure).
First = Mapping[tuple[str, str], tuple[Action, Callback]]


@dataclass(frozen=True, slots=True)
class CallView:
    """One call as the rules see it; `service` and `operation` are None where the registry has no such."""

    entity: Entity
    action: Action
    call: ServiceCall
    scope: Scope
    registry: Registry | None
    service: Service | None
    operation: Operation | None
    entities: Entities
    first: First

    def found(self, code: str, message: str, position: Position, help_text: str = "") -> Finding:
        """Return a finding about this call."""
        service, operation = self.call.service.value, self.call.operation.value
        return helped(finding(code, masked(message), token(position), service=service, operation=operation), help_text)

    def callbacks(self) -> Iterator[tuple[str, Callback, Scope]]:
        """Yield outcome, callback and what its steps may refer to."""
        for outcome, callback in self.call.callbacks():
            yield outcome, callback, self.scope.after(self.operation, outcome, self.call.whole)


def views(entity: Entity, registry: Registry | None, entities: Entities) -> Iterator[CallView]:
    """Yield every call of an entity, in the file's order."""
    first = _first(entity)
    for action in entity.actions:
        scope = of_action(entity, action, entities)
        for call, known in _calls(action.steps, scope, registry):
            service = registry.service(call.service.value) if registry else None
            operation = service.operation(call.operation.value) if service else None
            yield CallView(entity, action, call, known, registry, service, operation, entities, first)


def _first(entity: Entity) -> First:
    found: dict[tuple[str, str], tuple[Action, Callback]] = {}
    for action, call in entity.calls():
        for outcome, callback in call.callbacks():
            found.setdefault((call.whole.lower(), outcome), (action, callback))
    return found


def _calls(steps: tuple[Step, ...], scope: Scope, registry: Registry | None) -> Iterator[tuple[ServiceCall, Scope]]:
    for step in steps:
        if isinstance(step, OtherStep):
            for block in step.blocks:
                yield from _calls(block.steps, scope, registry)
        elif isinstance(step, ServiceCall):
            yield step, scope
            service = registry.service(step.service.value) if registry else None
            operation = service.operation(step.operation.value) if service else None
            for outcome, callback in step.callbacks():
                yield from _calls(callback.steps, scope.after(operation, outcome, step.whole), registry)
