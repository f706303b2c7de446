"""JSON Schema to TypeScript: what a type can say is said, what it cannot is `unknown`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .typescript_text import comment, key, literal, pascal

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_UNKNOWN = "unknown"


@dataclass(slots=True)
class SchemaTypes:
    """One schema's type, and the types that its references lead to; `taken` are names that are given already."""

    root: Mapping[str, Any] | bool
    name: str
    taken: set[str]
    _named: dict[str, str] = field(default_factory=dict)  # pointer -> type's name

    def declarations(self, note: str = "") -> str:
        """Return the declarations: the schema's own first, then one for each reference."""
        described = self.root.get("description", note) if isinstance(self.root, Mapping) else note
        parts = [f"{comment(str(described))}export type {self.name} = {self.type_of(self.root, '', '#')};\n"]
        done: set[str] = set()
        while waiting := [pointer for pointer in self._named if pointer not in done]:
            for pointer in waiting:
                done.add(pointer)
                below = self._at(pointer)
                described = below.get("description", "") if isinstance(below, Mapping) else ""
                body = self.type_of(below, "", pointer)
                parts.append(f"{comment(str(described))}export type {self._named[pointer]} = {body};\n")
        return "\n".join(parts)

    def type_of(self, schema: Any, indent: str, owner: str = "") -> str:
        """Return a schema's type. `owner`: the reference whose declaration this stands at the top of."""
        if not isinstance(schema, Mapping):
            return "never" if schema is False else _UNKNOWN
        parts = [self._own(schema, indent, owner), *self._composed(schema, indent, owner)]
        said = [part for part in dict.fromkeys(parts) if part != _UNKNOWN]
        if not said:
            return _UNKNOWN
        return said[0] if len(said) == 1 else " & ".join(_grouped(part) for part in said)

    def _own(self, schema: Mapping[str, Any], indent: str, owner: str) -> str:
        if isinstance(schema.get("$ref"), str):
            return self._reference(schema["$ref"], owner)
        if "const" in schema:
            return literal(schema["const"])
        if isinstance(schema.get("enum"), list):
            return _joined(literal(value) for value in schema["enum"])
        return _joined(self._of_type(name, schema, indent) for name in _types(schema))

    def _composed(self, schema: Mapping[str, Any], indent: str, owner: str) -> Iterator[str]:
        for each in _listed(schema, "allOf"):
            yield self.type_of(each, indent, owner)
        for word in ("anyOf", "oneOf"):
            if choices := _listed(schema, word):
                yield _joined(self.type_of(each, indent, owner) for each in choices)

    def _of_type(self, name: str, schema: Mapping[str, Any], indent: str) -> str:
        if name == "object":
            return self._object(schema, indent)
        return self._array(schema, indent) if name == "array" else _PLAIN.get(name, _UNKNOWN)

    # ---- objects and arrays ------------------------------------------------------------------------------------------

    def _object(self, schema: Mapping[str, Any], indent: str) -> str:
        properties = _mapping(schema, "properties")
        required = [name for name in schema.get("required", ()) if isinstance(name, str)]
        known = {**properties, **{name: True for name in required if name not in properties}}
        others = self._others(schema, indent)
        if not known:
            return _record(others or _UNKNOWN)
        inner = indent + "  "
        members = [self._member(name, below, inner, optional=name not in required) for name, below in known.items()]
        if others not in ("", "never"):
            members.append(f"{inner}[key: string]: {_UNKNOWN};\n")
        return "{\n" + "".join(members) + indent + "}"

    def _others(self, schema: Mapping[str, Any], indent: str) -> str:
        """The type of properties that have no name of their own: `never` if there are none, empty if unsaid."""
        if _mapping(schema, "patternProperties"):
            return _UNKNOWN
        stated = schema.get("additionalProperties")
        return "" if stated is None else self.type_of(stated, indent)

    def _member(self, name: str, schema: Any, indent: str, *, optional: bool) -> str:
        note = comment(str(schema.get("description", "")), indent) if isinstance(schema, Mapping) else ""
        return f"{note}{indent}{key(name)}{'?' if optional else ''}: {self.type_of(schema, indent)};\n"

    def _array(self, schema: Mapping[str, Any], indent: str) -> str:
        items = schema.get("items", True)
        first = _listed(schema, "prefixItems") or (items if isinstance(items, list) else [])
        rest = schema.get("additionalItems", True) if isinstance(items, list) else items
        every = self.type_of(rest, indent)
        if not first:
            return f"Array<{every}>"
        least = schema.get("minItems", 0)
        elements = [
            self.type_of(each, indent) if index < least else f"({self.type_of(each, indent)})?"
            for index, each in enumerate(first)
        ]
        more = [] if every == "never" else [f"...({every})[]"]
        return f"[{', '.join([*elements, *more])}]"

    # ---- references --------------------------------------------------------------------------------------------------

    def _reference(self, pointer: str, owner: str) -> str:
        if pointer == "#":
            return self.name if not owner or not self._returns(pointer, owner) else _UNKNOWN
        if self._at(pointer) is None or (owner and self._returns(pointer, owner)):
            return _UNKNOWN
        if pointer not in self._named:
            self._named[pointer] = unique(self.name + pascal(pointer.rpartition("/")[2]), self.taken)
        return self._named[pointer]

    def _returns(self, pointer: str, owner: str) -> bool:
        """Whether a type would be defined as itself: a way back with no object or array on it."""
        seen, ahead = set[str](), [pointer]
        while ahead:
            here = ahead.pop()
            if here == owner:
                return True
            if here not in seen:
                seen.add(here)
                ahead.extend(_immediate(self.root if here == "#" else self._at(here)))
        return False

    def _at(self, pointer: str) -> Any:
        """What a pointer leads to; None for nothing, and for what is no pointer into this schema."""
        place: Any = self.root if pointer.startswith("#/") else None
        for step in pointer.removeprefix("#/").split("/"):
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
        return place


def _record(every: str) -> str:
    """An object of any keys. `Record<string, T>` and `...Array<T>` may not hold the type that they are part of."""
    return f"Record<string, {every}>" if every in (_UNKNOWN, "never") else f"{{ [key: string]: {every} }}"


def unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number where it is taken, and take it."""
    wanted = name if name[:1].isalpha() else f"Type{name}"
    found, count = wanted, 1
    while found in taken:
        count += 1
        found = f"{wanted}{count}"
    taken.add(found)
    return found


def _immediate(schema: Any) -> Iterator[str]:
    """References that stand for the schema itself, or for one of its choices."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for word in ("allOf", "anyOf", "oneOf"):
        for each in _listed(schema, word):
            yield from _immediate(each)


def _types(schema: Mapping[str, Any]) -> list[str]:
    stated = schema.get("type")
    if stated is None:
        implied = {"object": ("properties", "required", "additionalProperties"), "array": ("items", "prefixItems")}
        return [name for name, words in implied.items() if any(word in schema for word in words)][:1]
    return [str(each) for each in stated] if isinstance(stated, list) else [str(stated)]


def _joined(parts: Iterator[str]) -> str:
    found = list(dict.fromkeys(parts))
    return (
        _UNKNOWN
        if not found or _UNKNOWN in found
        else " | ".join(_grouped(part) if len(found) > 1 else part for part in found)
    )


def _grouped(part: str) -> str:
    return f"({part})" if " & " in part or " | " in part else part


def _listed(schema: Mapping[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return found if isinstance(found, list) else []


def _mapping(schema: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    found = schema.get(word)
    return found if isinstance(found, Mapping) else {}
