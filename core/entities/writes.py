"""Steps that write rows, in SpecQL's forms.

- insert: Order(status = 'open', total = $input.total)
- update: Order SET status = 'paid' WHERE id = $job.entity_pk
- update: {entity: Order, set: {status: paid}}
- update: Order
  set: {status: paid}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ..registry.model import Position
from ..registry.nodes import Node, Pair, is_mapping
from . import sql_text
from .expression import Expression, read, read_sql, within
from .model import Assignment, Verb, Write
from .reading import text_of

#: Where the values of a row may stand.
_VALUES: Final = ("set", "values", "fields")
_NAMED: Final = frozenset({*_VALUES, "entity", "table", "where", "as", "into"})
_ENTITY: Final = re.compile(r"\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*")


class _Said(NamedTuple):
    """What a step's text or mapping says, before what stands beside it is looked at."""

    entity: str
    values: tuple[Assignment, ...]
    where: Expression | None


def read_write(verb: Verb, step: Node, position: Position) -> Write | None:
    """Return the step, or None when its text is no form of that verb."""
    stated = step.pairs[verb].node
    beside = {key: pair for key, pair in step.pairs.items() if key != verb}
    if is_mapping(stated):
        rest = {key: pair for key, pair in stated.pairs.items() if key not in _NAMED}
        entity = text_of(stated.get("entity") or stated.get("table"))
        said: _Said | None = _Said(entity, _values(stated.pairs, rest), _limit(stated))
    else:
        said = _of_text(verb, stated, beside) if isinstance(stated.value, str) else None
    if said is None:
        return None
    alias = text_of(step.get("as") or stated.get("as") or step.get("into"))
    limit = said.where or _limit(step)
    return Write(
        verb=verb, entity=said.entity, values=said.values, where=limit, alias=alias, node=step, position=position
    )


def _of_text(verb: Verb, stated: Node, beside: Mapping[str, Pair]) -> _Said | None:
    text = stated.text
    match = _ENTITY.match(text)
    if match is None:
        return None
    rest = match.end()
    where = sql_text.keyword(text, "where", rest)
    sets = sql_text.keyword(text, "set", rest)
    until = where[0] if where else len(text)
    values: tuple[Assignment, ...] | None = _values(beside, {})
    if sets is not None and sets[0] == rest and verb is not Verb.DELETE:
        values = _assignments(stated, sets[1], until)
    elif text[rest:until].startswith("(") and text[rest:until].rstrip().endswith(")"):
        values = _assignments(stated, rest + 1, text.rindex(")", 0, until)) or values
    elif text[rest:until].strip() and not text[rest:].startswith(("{", "(")):
        return None  # only a row in brackets may follow the entity's name otherwise
    limit = read_sql(stated, _after_space(text, where[1]), len(text.rstrip())) if where else None
    return None if values is None else _Said(match[1], values, limit)


def _after_space(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


def _limit(node: Node) -> Expression | None:
    stated = node.get("where")
    if stated is None:
        return None
    return read_sql(stated, 0, len(stated.text)) if stated.text else read(stated)


def _assignments(node: Node, start: int, end: int) -> tuple[Assignment, ...] | None:
    found = sql_text.assignments(node.text, start, end)
    if found is None:
        return None
    return tuple(
        Assignment(node.text[slice(*each.field)], read_sql(node, *each.value), within(node, *each.field))
        for each in found
    )


def _values(inside: Mapping[str, Pair], otherwise: Mapping[str, Pair]) -> tuple[Assignment, ...]:
    pairs = next((inside[key].node.pairs for key in _VALUES if key in inside and inside[key].node.pairs), otherwise)
    return tuple(Assignment(name, read(pair.node), pair.key) for name, pair in pairs.items())
