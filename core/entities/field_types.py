"""Types of SpecQL fields, and which JSON their values are when a job's input is built from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_NOTHING: Final = frozenset[str]()

# fmt: off
_STRINGS: Final = (
    "text", "string", "varchar", "char", "uuid", "date", "time", "datetime", "timestamp", "timestamptz", "duration",
    "interval", "email", "url", "phonenumber", "slug", "markdown", "html", "ipaddress", "macaddress", "inet", "image",
    "file", "color", "languagecode", "localecode", "timezone", "currencycode", "countrycode", "mimetype",
    "semanticversion", "stocksymbol", "isin", "cusip", "sedol", "lei", "mic", "exchangecode", "trackingnumber",
    "containernumber", "licenseplate", "vin", "flightnumber", "portcode", "postalcode", "airportcode", "domainname",
    "apikey", "hashsha256", "iban", "swiftcode", "enum",
)
_NUMBERS: Final = (
    "number", "numeric", "decimal", "float", "double", "double precision", "real", "money", "percentage", "latitude",
    "longitude", "exchangerate",
)
# fmt: on
_KINDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(_STRINGS, "string"),
    **dict.fromkeys(_NUMBERS, "number"),
    **dict.fromkeys(("integer", "int", "int4", "int8", "bigint", "smallint", "serial", "bigserial"), "integer"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("list", "array"), "array"),
    "object": "object",
}
_FORM: Final = re.compile(r"(?P<name>[A-Za-z_][\w ]*?)\s*(?:\((?P<inside>[^()]*)\))?\s*(?P<many>\[\])?[!?]?")
_COMPOSED: Final = ("$ref", "allOf", "anyOf", "oneOf", "if", "$dynamicRef")


@dataclass(frozen=True, slots=True)
class FieldType:
    """A type by its name; `json` is empty and `fields` None where it cannot be known what values hold."""

    name: str
    json: frozenset[str] = _NOTHING
    values: tuple[str, ...] = ()  # of an enum
    fields: Mapping[str, FieldType] | None = None  # of an object


UNKNOWN: Final = FieldType("")


def of_text(text: str) -> FieldType:
    """Return the type that SpecQL's short form means: `money!`, `enum(a, b) = a`, `list(text)`, `ref(Customer)`."""
    match = _FORM.fullmatch(text.partition(" = ")[0].strip())
    if match is None:
        return UNKNOWN
    name = match["name"].lower()
    if match["many"]:
        return FieldType(name, frozenset({"array"}))
    values = tuple(word.strip().strip("'\"") for word in (match["inside"] or "").split(",")) if name == "enum" else ()
    return FieldType(name, _json(name), tuple(filter(None, values)))


def is_required(text: str) -> bool:
    """Whether the short form says that a value must be there."""
    return text.partition(" = ")[0].strip().endswith("!")


def of_name(name: str, values: tuple[str, ...] = ()) -> FieldType:
    """Return the type of the long form, whose enum values stand apart."""
    known = of_text(name)
    return FieldType(known.name, known.json, values or known.values)


def of_schema(schema: Any) -> FieldType:
    """Return what a JSON Schema says of values, as far as it can be told without evaluating it."""
    if not isinstance(schema, Mapping) or any(key in schema for key in _COMPOSED):
        return UNKNOWN
    stated = schema.get("type", ())
    kinds = frozenset((stated,) if isinstance(stated, str) else stated)
    listed = schema.get("enum", ())
    values = tuple(listed) if all(isinstance(each, str) for each in listed) else ()
    properties = schema.get("properties")
    below = {name: of_schema(each) for name, each in properties.items()} if isinstance(properties, Mapping) else None
    return FieldType(" or ".join(sorted(kinds)), kinds or _NOTHING, values, below)


def _json(name: str) -> frozenset[str]:
    kind = _KINDS.get(name)
    return frozenset({kind}) if kind else _NOTHING
