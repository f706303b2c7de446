"""What SpecQL makes of an entity's fields: the table's name, each column's name and its PostgreSQL type."""

from __future__ import annotations

from typing import Final

from ..entities.field_types import FieldType
from ..entities.model import Entity, Field
from .quoting import qualified

#: The schema of an entity that names none, as in SpecQL.
DEFAULT_SCHEMA: Final = "public"

# fmt: off
_TYPES: Final = {
    **dict.fromkeys(("integer", "int", "int4", "serial"), "integer"),
    **dict.fromkeys(("int8", "bigint", "bigserial"), "bigint"),
    "smallint": "smallint",
    **dict.fromkeys(("number", "numeric", "decimal", "percentage", "latitude", "longitude", "exchangerate"), "numeric"),
    "money": "numeric(19,4)",
    **dict.fromkeys(("float", "double", "double precision"), "double precision"),
    "real": "real",
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    "uuid": "uuid",
    "date": "date",
    "time": "time",
    **dict.fromkeys(("datetime", "timestamp", "timestamptz"), "timestamptz"),
    **dict.fromkeys(("interval", "duration"), "interval"),
    "inet": "inet",
    **dict.fromkeys(("list", "array", "object", "json", "jsonb"), "jsonb"),
    "ref": "integer",
}
# fmt: on
#: Columns that every table of SpecQL has, with what they are made with.
GENERATED: Final = {
    "id": FieldType("uuid", frozenset({"string"})),
    "created_at": FieldType("timestamptz", frozenset({"string"})),
    "created_by": FieldType("uuid", frozenset({"string"})),
    "updated_at": FieldType("timestamptz", frozenset({"string"})),
    "updated_by": FieldType("uuid", frozenset({"string"})),
    "deleted_at": FieldType("timestamptz", frozenset({"string"})),
    "deleted_by": FieldType("uuid", frozenset({"string"})),
}


def type_of(kind: FieldType) -> str:
    """Return the PostgreSQL type of a field; "" where the file states no type, or one that is not known."""
    found = _TYPES.get(kind.name)
    if found is None:
        found = "text" if kind.json == {"string"} or kind.values else ""
    return f"{_TYPES.get(kind.name, 'text')}[]" if _is_many(kind) else found


def _is_many(kind: FieldType) -> bool:
    """Whether a type is written `text[]`; `list(text)` is a JSON array."""
    return kind.json == {"array"} and _TYPES.get(kind.name) != "jsonb"


def is_text(kind: FieldType) -> bool:
    """Whether `+` joins values of a type."""
    return type_of(kind) == "text"


def is_moment(kind: FieldType) -> bool:
    """Whether the difference of two values of a type is an interval."""
    return type_of(kind) == "timestamptz"


def table_of(entity: Entity, schema: str) -> str:
    """Return the table of an entity, quoted; `schema` is for an entity that names none."""
    return qualified(entity.schema or schema, f"tb_{entity.name.lower()}")


def column_of(field: Field) -> str:
    """Return the name of a field's column: a reference to another entity is a foreign key."""
    return f"fk_{field.name}" if field.type.name == "ref" else field.name


def find_field(entity: Entity, name: str) -> Field | None:
    """Return a field by its name, in any case when none has that very one."""
    fields = entity.fields
    return fields.get(name) or next((each for key, each in fields.items() if key.lower() == name.lower()), None)


def find_column(entity: Entity, name: str) -> tuple[str, FieldType] | None:
    """Return column and type of what an entity's row has by that name; None when it is known to have no such."""
    field = find_field(entity, name)
    if field is not None:
        return column_of(field), field.type
    word = name.lower()
    if word in GENERATED:
        return word, GENERATED[word]
    if word == f"pk_{entity.name.lower()}" or word.startswith("fk_") or not entity.whole:
        return name, FieldType("")
    return None
