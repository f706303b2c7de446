"""SpecQL entities as immutable values: fields, actions and their steps, each with its place in the file.

`call_service` and the steps that write are read in full, in every form that SpecQL knows; other steps keep their tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from ..registry.model import Position
from ..registry.nodes import Node
from .expression import Expression, Record
from .field_types import FieldType

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Stated(Generic[Value]):
    """A value that the file states, and where."""

    value: Value
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of an entity, or of an action's input."""

    name: str
    type: FieldType
    required: bool
    position: Position
    default: Expression | None = None


# ---- steps -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate:
    """A step that ends the action unless its conditions hold."""

    conditions: tuple[Expression, ...]
    error: str
    node: Node
    position: Position


class Verb(StrEnum):
    """What a step does to rows."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A field that gets a value; `position` is the field's name."""

    field: str
    value: Expression
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A step that inserts, updates or deletes rows of an entity; "" is the one that the action belongs to."""

    verb: Verb
    entity: str
    values: tuple[Assignment, ...]
    where: Expression | None
    alias: str  # `as`: what later steps call the row
    node: Node
    position: Position


@dataclass(frozen=True, slots=True)
class Callback:
    """What is done with a job's result. `stated` is the callback as text, to compare callbacks by."""

    steps: tuple[Step, ...]
    stated: str
    position: Position  # of the key


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """A `call_service` step: one job, inserted in the action's own transaction."""

    service: Stated[str]
    operation: Stated[str]
    input: Record | Expression | None
    input_at: Position  # of the key `input`, or of the operation where there is none
    on_success: Callback | None = None
    on_failure: Callback | None = None
    waits: bool = False  # `async: false`: the action answers with what the job answered
    timeout: Stated[int] | None = None  # whole seconds, as the row has them
    max_retries: Stated[int] | None = None  # max_attempts is one more
    priority: Stated[int] | None = None
    correlation: Expression | None = None  # correlation_field
    idempotency_key: Expression | None = None
    alias: str = ""  # `as`: what later steps call the answer
    number: int = 1  # among the action's calls, callbacks included, from 1
    node: Node
    position: Position  # of the key `call_service`

    @property
    def whole(self) -> str:
        """The call's target as people write it."""
        return f"{self.service.value}.{self.operation.value}"

    def callbacks(self) -> Iterator[tuple[str, Callback]]:
        """Yield the callbacks that are stated, each with its outcome's word."""
        for outcome, callback in (("success", self.on_success), ("failure", self.on_failure)):
            if callback is not None:
                yield outcome, callback


@dataclass(frozen=True, slots=True)
class Block:
    """Steps inside another one: `then`, `else`, `do`, the steps of a case."""

    label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStep:
    """Any other step of SpecQL, as written, with the steps inside it and the names that it gives to values."""

    kind: str
    blocks: tuple[Block, ...]
    names: tuple[str, ...]
    node: Node
    position: Position


Step = Validate | Write | ServiceCall | OtherStep


# ---- what holds them -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action: what it is given, and its steps. `input` is None when the file does not say what there is.

    `unread` are items of its lists of steps that are no step that is known here, and `other_keys` keys of the action
    that mean nothing here: SpecQL may know them.
    """

    name: str
    input: Mapping[str, Field] | None
    steps: tuple[Step, ...]
    position: Position
    preconditions: Validate | None = None
    unread: tuple[Stated[str], ...] = ()
    other_keys: tuple[Stated[str], ...] = ()

    def calls(self) -> Iterator[ServiceCall]:
        """Yield every call_service step, those inside other steps and callbacks too, in the file's order."""
        return (step for step in every_step(self.steps) if isinstance(step, ServiceCall))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity of one file. `whole` says that its fields stand here, all of them: no pattern adds any."""

    name: str
    schema: str  # "" when the file states none
    fields: Mapping[str, Field]
    whole: bool
    actions: tuple[Action, ...]
    position: Position

    def calls(self) -> Iterator[tuple[Action, ServiceCall]]:
        """Yield every call_service step with its action."""
        return ((action, call) for action in self.actions for call in action.calls())


def every_step(steps: tuple[Step, ...]) -> Iterator[Step]:
    """Yield steps and all that stands inside them."""
    for step in steps:
        yield step
        if isinstance(step, OtherStep):
            for block in step.blocks:
                yield from every_step(block.steps)
        elif isinstance(step, ServiceCall):
            for _, callback in step.callbacks():
                yield from every_step(callback.steps)
