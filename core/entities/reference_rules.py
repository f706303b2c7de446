"""Rules about `$variable.field`: in a call's input, and in what its callbacks do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ..registry.model import Finding
from ..registry.nodes import Node, texts
from .expression import Expression, Items, Literal, Record, Reference, references, references_in
from .hints import hint, near
from .model import OtherStep, Step, Validate, Write
from .scope import Scope
from .view import CallView

#: What other template languages write for a reference: {{ order.total }}, ${order.total}, {order.total}, order.total.
_FOREIGN: Final = re.compile(r"\s*(?:\$?\{\{?\s*)?([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)+)(?:\s*\}\}?)?\s*")


def sent(view: CallView) -> Iterator[Finding]:
    """References in what a call is given."""
    call = view.call
    for value in (call.input, call.correlation, call.idempotency_key):
        if value is not None:
            yield from _checked(view, references(value), view.scope)
            yield from _mistaken(view, value, view.scope)


def in_callbacks(view: CallView) -> Iterator[Finding]:
    """References in the steps of callbacks. Calls there are views of their own."""
    for _, callback, scope in view.callbacks():
        for step in _flat(callback.steps):
            yield from _checked(view, _references(step), scope)
            for assignment in step.values if isinstance(step, Write) else ():
                yield from _mistaken(view, assignment.value, scope)


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step, OtherStep):
            for block in step.blocks:
                yield from _flat(block.steps)


def _references(step: Step) -> Iterator[Reference]:
    match step:
        case Write():
            for assignment in step.values:
                yield from references(assignment.value)
            if step.where is not None:
                yield from references(step.where)
        case Validate():
            for condition in step.conditions:
                yield from references(condition)
        case OtherStep():
            inside = {id(each.node) for block in step.blocks for each in block.steps}
            for node in _own_texts(step.node, inside):
                yield from references_in(node)


def _own_texts(node: Node, inside: set[int]) -> Iterator[Node]:
    """The texts of a step without those of the steps inside it."""
    if id(node) in inside:
        return
    if not node.pairs and not node.items:
        yield from texts(node)
    for below in node.items or (pair.node for pair in node.pairs.values()):
        yield from _own_texts(below, inside)


# ---- one reference ---------------------------------------------------------------------------------------------------


def _checked(view: CallView, found: Iterator[Reference], scope: Scope) -> Iterator[Finding]:
    for reference in found:
        if scope.is_missing(reference):
            yield _no_variable(view, reference, scope)
        else:
            yield from _no_field(view, reference, scope)


def _no_variable(view: CallView, reference: Reference, scope: Scope) -> Finding:
    place = scope.elsewhere.get(reference.variable)
    if place:
        message = f"${reference.variable} is known in {place} alone"
        return view.found(
            "SQJ622", message, reference.position, f"move the step to {place}, or refer to what is known here"
        )
    meant = near(reference.variable, scope.variables)
    named = ", ".join(f"${name}" for name in ("entity", "input", *(["response"] if scope.find("response") else [])))
    help_text = f"known here are {named}, and what a step calls `as: NAME`"
    if meant:
        help_text = f"did you mean ${meant[0]}?"
    return view.found("SQJ622", f"nothing is called ${reference.variable} here", reference.position, help_text)


def _no_field(view: CallView, reference: Reference, scope: Scope) -> Iterator[Finding]:
    missing = scope.missing_field(reference)
    if missing is None:
        return
    name, variable, kind = missing
    known = list(kind.fields or {})
    help_text = hint(name, known, "it has", "" if known else "it has no fields")
    answer = variable.what.startswith("the output_schema")
    message = f"{variable.what} declares no `{name}`" if answer else f"{variable.what} has no field `{name}`"
    yield view.found("SQJ623" if answer else "SQJ621", f"{reference}: {message}", reference.position, help_text)


# ---- texts that look like references ---------------------------------------------------------------------------------


def _mistaken(view: CallView, value: Expression, scope: Scope) -> Iterator[Finding]:
    """Texts that are sent as they stand, and that were surely meant to be filled in."""
    match value:
        case Record():
            for entry in value.entries.values():
                yield from _mistaken(view, entry.value, scope)
        case Items():
            for item in value.values:
                yield from _mistaken(view, item, scope)
        case Literal(value=str() as text):
            meant = _meant(text, value, scope)
            if meant:
                message = f"the text {text[:60]!r} is sent as it stands: {meant} is not filled in"
                yield view.found("SQJ624", message, value.position, _remedy(text, meant))


def _meant(text: str, value: Literal, scope: Scope) -> str:
    foreign = _FOREIGN.fullmatch(text)
    if foreign:
        found = [Reference(foreign[1], tuple(foreign[2].split(".")[1:]), value.position)]
    else:
        found = list(references_in(Node(text, value.position, text=text), prose=True))
    for each in found:
        variable = scope.find(each.variable)
        if each.path and variable is not None and _has(variable.type.fields, each.path[0]):
            return str(each)
    return ""


def _has(fields: object, name: str) -> bool:
    return isinstance(fields, dict) and name in fields


def _remedy(text: str, meant: str) -> str:
    if _FOREIGN.fullmatch(text):
        return f"write {meant}"
    before, _, after = text.partition(meant)
    parts = [f"'{before}'" if before else "", meant, f"'{after}'" if after else ""]
    return f'write an expression: "{" || ".join(part for part in parts if part)}"'
