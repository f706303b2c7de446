"""A job's input as people type it: --input JSON, @FILE or -, then --set on top."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.errors import InvalidInput, UsageError
from .options import JobInput

#: What a worker would refuse anyway (1 MiB), with room for white space.
LARGEST_FILE = 16 * 1024 * 1024  # bytes

#: Fields that a hint names.
MOST_FIELDS = 12


def read_input(given: JobInput, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input object; raise UsageError where it cannot be read, InvalidInput where it is not an object.

    A field that `schema` declares as a string takes the text of --set as it is: --set zip=01234 stays 01234.
    """
    from ..core.registry.schemas import parse_input  # noqa: PLC0415 - jsonschema, only when a job is really made

    data = parse_input(_text(given.input)) if given.input else {}
    if not isinstance(data, dict):
        raise InvalidInput("the input is not a JSON object", hint="""write --input '{"amount": 1200}'""")
    return assigned(data, given.set, schema)


def assigned(data: dict[str, Any], assignments: list[str] | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the input with each --set put on top; raise UsageError for one that is not K=V."""
    for assignment in assignments or ():
        _assign(data, assignment, schema)
    return data


def _text(given: str) -> str:
    if given == "-":
        return _bounded(sys.stdin.buffer.read(LARGEST_FILE + 1), "stdin")
    if given.startswith("@"):
        return read_text(Path(given[1:]))
    return given


def read_text(path: Path) -> str:
    """Return a file's text; raise UsageError when it cannot be read, is not UTF-8 or is larger than any input."""
    try:
        with path.open("rb") as file:
            return _bounded(file.read(LARGEST_FILE + 1), str(path))
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise UsageError(f"{path} cannot be read: {reason}", hint="check the path and its permissions") from None


def _bounded(content: bytes, name: str) -> str:
    if len(content) > LARGEST_FILE:
        raise UsageError(f"{name} is larger than {LARGEST_FILE} bytes", hint="pass a reference to the document instead")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text", hint="save it as UTF-8") from None


def fields_hint(schema: Mapping[str, Any]) -> str:
    """Return which fields an operation takes, with their types; "" where its schema does not say it plainly."""
    fields, required = schema.get("properties"), schema.get("required", ())
    if not isinstance(fields, Mapping) or not fields:
        return ""
    optional = {name: "" if name in required else "?" for name in fields}
    shown = [f"{name}: {_type_of((name,), schema) or 'any'}{optional[name]}" for name in fields][:MOST_FIELDS]
    return f"the input is {{{', '.join(shown)}{', …' if len(fields) > MOST_FIELDS else ''}}}; ? marks optional fields"


def _assign(data: dict[str, Any], assignment: str, schema: Mapping[str, Any]) -> None:
    path, equals, value = assignment.partition("=")
    *parents, last = path.split(".")
    if not equals or not all((*parents, last)):
        raise UsageError(f"--set {assignment[:80]!r} is not K=V", hint="write --set customer.id=42")
    place = data
    for name in parents:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            raise UsageError(
                f"--set {path}: {name} is not an object", hint=f"give {name} as a whole: --set {name}='{{…}}'"
            )
    place[last] = _value(value, text=_type_of((*parents, last), schema) == "string")


def _type_of(path: tuple[str, ...], schema: Mapping[str, Any]) -> Any:
    """The declared type of a field, where the schema states it plainly."""
    for name in path:
        schema = schema.get("properties", {}).get(name, {})
    return schema.get("type") if isinstance(schema, Mapping) else None


def _value(written: str, *, text: bool) -> Any:
    try:
        value = json.loads(written, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return written
    return written if text and not isinstance(value, str) else value


def _refuse(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON
