"""One file's tree to an entity. A tree without the key `entity` is something else, and no mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ..registry.canonical import Named, named
from ..registry.nodes import Node, is_mapping
from ..registry.scalar_rules import ambiguous
from .expression import Expression, Formula, Literal, read, read_sql
from .field_types import UNKNOWN, is_required, of_name, of_text
from .hints import near
from .model import Action, Entity, Field, Stated, Validate
from .reading import Reading, shown, text_of
from .sql_text import is_formula
from .steps import conditions_of, read_steps

#: With one of these, fields may come from elsewhere.
_MORE_FIELDS: Final = (
    "patterns",
    "pattern",
    "extends",
    "inherits",
    "includes",
    "mixins",
    "template",
    "computed_columns",
)
_STEPS: Final = ("steps", "actions")
_GIVEN: Final = ("input", "parameters", "params")
#: What an action may say of itself that changes nothing of what it does.
_TOLD: Final = ("name", "description", "comment", "output", "returns", "preconditions")


def is_entity(root: Node | None) -> bool:
    """Whether a file's tree claims to be an entity."""
    return root is not None and "entity" in root.pairs


def read_entity(root: Node, reading: Reading) -> Entity | None:
    """Return the entity of a tree; None, with findings, when it has no name."""
    pair = root.pairs["entity"]
    head = pair.node
    label = head.get("name") if is_mapping(head) else head
    name = text_of(label)
    if label is None or not name:
        hint = "write entity: NAME, or entity: {name: NAME, schema: …}"
        reading.wrong("SQJ601", f"an entity has a name, and this is {shown(head)}", pair.key, hint)
        return None
    _misspelt(root, head, reading)
    fields = head.get("fields") or root.get("fields")
    actions = head.get("actions") or root.get("actions")
    schema = text_of(head.get("schema") or root.get("schema"))
    more = any(key in each.pairs for key in _MORE_FIELDS for each in (root, head))
    return Entity(
        name=name,
        schema=schema,
        fields=_fields(fields, "fields", reading) or MappingProxyType({}),
        whole=fields is not None and bool(fields.pairs or fields.items) and not more,
        actions=_actions(actions, reading),
        position=label.position,
    )


def _misspelt(root: Node, head: Node, reading: Reading) -> None:
    """What is nearly `fields` or `actions`, where there is none: SpecQL passes over it, and so over every call."""
    for wanted in ("fields", "actions"):
        for node in () if wanted in root.pairs or wanted in head.pairs else (root, head):
            for key, pair in node.pairs.items():
                if wanted in near(key, ("fields", "actions")) and (pair.node.pairs or pair.node.items):
                    reading.wrong("SQJ601", f"an entity has no key `{key[:60]}`", pair.key, f"did you mean `{wanted}`?")


def _fields(node: Node | None, what: str, reading: Reading) -> Mapping[str, Field] | None:
    """The fields of a mapping or a list; None when nothing is stated."""
    if node is None:
        return None
    if not node.pairs and not node.items and node.value not in ((), {}, None):
        reading.wrong("SQJ601", f"{what} is a mapping of names to types, not {shown(node)}", node.position)
        return None
    return MappingProxyType({entry.name: _field(entry) for entry in named(node)})


def _field(entry: Named) -> Field:
    node = entry.node
    if not node.pairs:
        text = text_of(node)
        kind = of_text(text) if text else UNKNOWN
        return Field(
            name=entry.name,
            type=kind,
            required=is_required(text),
            position=entry.position,
            default=_short_default(node, text),
        )
    text = text_of(node.get("type"))
    listed = (node.get("validation") or node).get("enum") or node.get("values")
    values = tuple(item.value for item in (listed.items if listed else ()) if isinstance(item.value, str))
    wanted, nullable = node.get("required"), node.get("nullable")
    default = node.get("default")
    required = bool((wanted and wanted.value is True) or (nullable and nullable.value is False))
    return Field(
        name=entry.name,
        type=of_name(text, values) if text else UNKNOWN,
        required=required or is_required(text),
        position=entry.position,
        default=read(default) if default is not None else None,
    )


def _short_default(node: Node, text: str) -> Expression | None:
    """`enum(open, paid) = open`: an SQL expression, or a word that stands for itself."""
    before, mark, after = text.partition(" = ")
    if not mark:
        return None
    start = len(before) + len(mark) + len(after) - len(after.lstrip())
    value = read_sql(node, start, len(text.rstrip()))
    return value if not isinstance(value, Formula) or is_formula(value.text) else Literal(value.text, value.position)


def _actions(node: Node | None, reading: Reading) -> tuple[Action, ...]:
    if node is None or node.value is None:
        return ()
    if not node.pairs and not node.items:
        if node.value not in ((), {}):
            reading.wrong("SQJ601", f"actions is a list or a mapping of actions, not {shown(node)}", node.position)
        return ()
    for item in node.items:
        if not text_of(item.get("name")):
            reading.wrong("SQJ601", "an action of the list has no name", item.position, "add name: NAME to the action")
    return tuple(_action(entry, reading) for entry in named(node))


def _action(entry: Named, reading: Reading) -> Action:
    reading.calls, reading.unread = 0, []
    stated = next((entry.node.pairs[key] for key in _STEPS if key in entry.node.pairs), None)
    if stated is not None and not isinstance(stated.node.value, tuple) and stated.node.value is not None:
        message = f"the steps of {entry.name[:60]} are a list, not {shown(stated.node)}"
        reading.wrong("SQJ601", message, stated.key, "put a dash before each step")
    if stated is None and not entry.node.pairs and not entry.node.items and entry.node.value is not None:
        reading.wrong(
            "SQJ601", f"the action {entry.name[:60]} is a mapping with steps, not {shown(entry.node)}", entry.position
        )
    given = next((entry.node.pairs[key].node for key in _GIVEN if key in entry.node.pairs), None)
    steps = read_steps(stated.node, reading) if stated else ()
    action = Action(
        name=entry.name,
        input=_fields(given, f"the input of {entry.name[:60]}", reading),
        steps=steps,
        position=entry.position,
        preconditions=_preconditions(entry.node),
        unread=tuple(reading.unread),
        other_keys=tuple(_other_keys(entry.node)),
    )
    for call in action.calls():
        reading.findings += ambiguous(call.node)
    return action


def _other_keys(node: Node) -> Iterator[Stated[str]]:
    read_ = {*_TOLD, *_GIVEN, *_STEPS}
    return (Stated(key, pair.key) for key, pair in node.pairs.items() if key not in read_)


def _preconditions(node: Node) -> Validate | None:
    pair = node.pairs.get("preconditions")
    if pair is None or pair.node.value is None:
        return None
    return Validate(conditions=conditions_of(pair.node), error="", node=pair.node, position=pair.key)
