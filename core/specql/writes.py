"""Steps that insert, update or delete rows, as SQL statements; `None` values and reserved words included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..entities.field_types import UNKNOWN
from ..entities.model import Assignment, Entity, Verb, Write
from ..entities.scope import spellings
from . import columns, values
from .place import Place
from .problems import no_row, no_value
from .quoting import identifier, is_name


@dataclass(frozen=True, slots=True)
class Tables:
    """The entities whose files were read, by name in lower case, and the schema of those that name none."""

    entities: Mapping[str, Entity]
    schema: str = columns.DEFAULT_SCHEMA

    def of(self, entity: Entity) -> str:
        """Return an entity's table, quoted."""
        return columns.table_of(entity, self.schema)

    def require(self, entity: Entity) -> None:
        """Raise NotCompiled for an entity whose table has no name that PostgreSQL keeps whole."""
        for name in (f"tb_{entity.name}", entity.schema or self.schema):
            if not is_name(name):
                raise no_value(f"{name[:80]!r} cannot be the name of a table or schema", entity.position)

    def written(self, step: Write, own: Entity) -> Entity:
        """Return the entity that a step writes; raise NotCompiled when its file was not read."""
        name = step.entity.rpartition(".")[2]
        if not name or name in spellings(own.name) or name.lower() == own.name.lower():
            return own
        found = self.entities.get(name.lower())
        if found is None:
            message = f"the table of {name[:80]} is not known: its entity was not read"
            raise no_row(message, step.position, "name its file too: compile ORDER.yaml CUSTOMER.yaml")
        return found


def statement(step: Write, place: Place, tables: Tables) -> str:
    """Return an update or delete as SQL, without the semicolon; raise NotCompiled where its rows are not known."""
    entity = tables.written(step, place.entity)
    inside = place.writing(entity, "t")
    where = _where(step, entity, inside)
    if step.verb is Verb.DELETE:
        return f"DELETE FROM {tables.of(entity)} AS t WHERE {where}"
    if not step.values:
        raise no_row("the update sets nothing", step.position, "write update: {set: {field: value}}")
    cells = dict(_cells(step.values, entity, inside))
    sets = ",\n  ".join(f"{name} = {value}" for name, value in cells.items())
    return f"UPDATE {tables.of(entity)} AS t SET\n  {sets}\nWHERE {where}"


def _where(step: Write, entity: Entity, place: Place) -> str:
    if step.where is not None:
        return f"({values.condition(step.where, place)})"
    if entity is not place.entity:
        message = f"{step.verb} says of no row of {entity.name}, and would be of all"
        raise no_row(message, step.position, "add WHERE, with a condition")
    return f"t.id = {own_id(place)}"


def own_id(place: Place) -> str:
    """Return SQL of the id of the entity's row that an action or a job is about."""
    return "_job.entity_pk::uuid" if place.outcome else f"{place.row}.id"


def inserted(step: Write, entity: Entity, place: Place) -> dict[str, str]:
    """Return column and value of each value that an insert states."""
    return dict(_cells(step.values, entity, place))


def _cells(stated: tuple[Assignment, ...], entity: Entity, place: Place) -> Iterator[tuple[str, str]]:
    for each in stated:
        name = each.field.strip('"')
        found = columns.find_column(entity, name)
        if not is_name(name):
            raise no_value(f"{name[:80]!r} cannot be the name of a column", each.position)
        column, kind = found if found is not None else (name, UNKNOWN)
        yield identifier(column), values.assigned(each.value, kind, place)
