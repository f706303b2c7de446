"""Lists of steps to the model. A `call_service` is found wherever it stands; other kinds of step keep their tree."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Final

from ..registry.model import Position
from ..registry.nodes import Node, data, is_mapping
from .call_step import Parts, parts_of, read_call
from .expression import Expression, read_sql
from .model import Block, Callback, OtherStep, Stated, Step, Validate, Verb
from .reading import Reading, shown, text_of
from .writes import read_write

CALL: Final = "call_service"
# fmt: off
KINDS: Final = (
    "validate", "if", "insert", "update", "delete", "select", "find", "call", "notify", "reject", "foreach", "switch",
    "while", "for_query", "return", "return_early", "return_table", "raise", "refresh_table_view", "raw_sql",
    "duplicate_check", CALL, "declare", "assign", "set", "cte", "recursive_cte", "aggregate", "subquery",
    "call_function", "exception_handling", "try", "json_build", "array_build", "upsert", "batch_operation",
    "window_function", "cursor", "dynamic_sql", "transaction_control", "query", "partial_update", "log", "emit",
    "publish", "transaction", "parallel", "loop", "for", "case", "continue", "break",
)
# fmt: on
#: Keys by which steps name a value for those that follow.
_NAMING: Final = frozenset(
    {"as", "into", "store", "store_result", "result", "returns", "name", "variable", "item", "var"}
)
_FORMS: Final = {
    Verb.INSERT: "write insert: Order, with values: {field: value} beside it",
    Verb.UPDATE: "write update: Order SET field = value, or update: {set: {field: value}}",
    Verb.DELETE: "write delete: Order WHERE condition",
}
_NEAR: Final = 0.75  # difflib's measure; below it a key is another word, not a slip


def read_steps(node: Node, reading: Reading, *, strict: bool = False) -> tuple[Step, ...]:
    """Return the steps of a list; `strict` reports what is no step of SpecQL, as callbacks demand."""
    found = (_step(item, reading, strict=strict) for item in node.items)
    return tuple(step for step in found if step is not None)


def _step(item: Node, reading: Reading, *, strict: bool) -> Step | None:
    kind = _kind(item)
    if not kind:
        _unknown(item, reading, strict=strict)
        return None
    position = item.pairs[kind].key
    if kind == CALL:
        return _call(item, reading)
    if kind == "validate":
        return _validate(item, position)
    if kind in tuple(Verb):
        return _write(Verb(kind), item, position, reading, strict=strict)
    return OtherStep(
        kind=kind,
        blocks=tuple(_blocks(item, reading, strict=strict)),
        names=tuple(_names(item)),
        node=item,
        position=position,
    )


def _kind(item: Node) -> str:
    """The key that says what a step does; a call wins, so that none is overlooked."""
    return CALL if CALL in item.pairs else next((key for key in item.pairs if key in KINDS), "")


def _unknown(item: Node, reading: Reading, *, strict: bool) -> None:
    reading.unread.append(Stated(next(iter(item.pairs), shown(item)), item.position))
    if not item.pairs:
        if strict:
            reading.wrong("SQJ605", f"a step is a mapping such as update: …, not {shown(item)}", item.position)
        return
    key, pair = next(iter(item.pairs.items()))
    near = difflib.get_close_matches(key.lower(), KINDS, n=1, cutoff=_NEAR)
    if strict or CALL in near:
        hint = f"did you mean `{near[0]}`?" if near else ""
        reading.wrong("SQJ606", f"SpecQL has no step `{key[:60]}`", pair.key, hint)


def _write(verb: Verb, item: Node, position: Position, reading: Reading, *, strict: bool) -> Step | None:
    step = read_write(verb, item, position)
    if step is None:
        reading.unread.append(Stated(str(verb), position))
    if step is None and strict:
        stated = item.pairs[verb].node
        reading.wrong("SQJ605", f"{verb} cannot be read from {shown(stated)}", stated.position, _FORMS[verb])
    return step


def _validate(item: Node, position: Position) -> Validate:
    stated = item.pairs["validate"].node
    listed = stated.get("conditions") or stated.get("condition") or stated
    error = text_of(item.get("error") or stated.get("error"))
    return Validate(conditions=conditions_of(listed), error=error, node=item, position=position)


def conditions_of(node: Node) -> tuple[Expression, ...]:
    """Return the conditions of a text, or of a list of texts."""
    return tuple(map(_condition, node.items or (node,)))


def _condition(node: Node) -> Expression:
    return read_sql(node, 0, len(node.text))


def _call(item: Node, reading: Reading) -> Step | None:
    reading.calls += 1
    number = reading.calls
    parts = parts_of(item, reading)
    if parts is None:
        return None
    success, failure = (_callback(parts, key, reading) for key in ("on_success", "on_failure"))
    return read_call(parts, number, success, failure, reading)


def _callback(parts: Parts, key: str, reading: Reading) -> Callback | None:
    pair = parts.pairs.get(key)
    if pair is None:
        return None
    if not isinstance(pair.node.value, tuple):
        hint = "put a dash before the step" if _kind(pair.node) else ""
        reading.wrong("SQJ605", f"{key} is a list of steps, not {shown(pair.node)}", pair.key, hint)
        return None
    steps = read_steps(pair.node, reading, strict=True)
    return Callback(steps, json.dumps(data(pair.node), sort_keys=True), pair.key)


# ---- steps inside other steps ----------------------------------------------------------------------------------------


def _blocks(node: Node, reading: Reading, *, strict: bool) -> Iterator[Block]:
    """The lists of steps below a step, under whatever key: then, else, do, cases with steps of their own."""
    for key, pair in node.pairs.items():
        below = pair.node
        if any(_kind(item) for item in below.items) or (is_mapping(below) and _kind(below) == CALL):
            steps = below if below.items else Node((below,), below.position)
            yield Block(key, read_steps(steps, reading, strict=strict))
            continue
        for item in below.items or ((below,) if below.pairs else ()):
            yield from _blocks(item, reading, strict=strict)


def _names(node: Node) -> Iterator[str]:
    """What a step calls the values that it finds; `foreach: line in $order.lines` calls each one `line`."""
    for key, pair in node.pairs.items():
        text = text_of(pair.node)
        if key in _NAMING and text.isidentifier():
            yield text
        if key in ("foreach", "for"):
            yield from (text.partition(" in ")[0].strip(), text.rpartition(" as ")[2].strip())
        if key == "declare":
            yield from pair.node.pairs
        if not isinstance(pair.node.value, str) and key not in ("then", "else", "do", "steps", "loop"):
            for item in pair.node.items or (pair.node,):
                yield from _names(item)
