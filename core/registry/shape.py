"""A tree against `schemas/registry.shape.json`: each error of the JSON Schema library becomes one finding.

The schema is written so that errors stay flat: `if`/`then` on the execution type, no `oneOf`. Its `x-wanted` is what a
message says was wanted, `x-code` the finding's code where it is not the keyword's usual one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from .codes import finding, helped
from .key_hints import known_keys, meant, nearest, owners, reference, unnamed
from .model import Finding, Position
from .nodes import Node, data, locate, token
from .quick_shape import is_above, passes, schema
from .secret_shapes import masked

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_TYPE_WORDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
#: What a keyword wants, in words; the others say it by x-wanted or by their type.
_PHRASES: Final = {
    "enum": "{}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minItems": "at least one entry",
    "minProperties": "at least one entry",
    "minLength": "text that is not empty",
    "maxItems": "at most {} entries",
    "maxLength": "at most {} characters",
}


#: How the kinds of value that people confuse are written.
_FORMS: Final = {
    "array": "write a list: [first, second], or one `- item` a line",
    "object": "write a mapping: {key: value}, or one `key: value` a line",
    "integer": "write a whole number without quotes",
    "boolean": "write true or false without quotes",
}

_EMPTY: Final = "write a value after the colon, or remove the key; a text that begins with # needs quotes"

#: Code, message, place, and a help of its own or "".
_Explained = tuple[str, str, Position, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is being checked, for the findings' own words."""

    what: str
    service: str = ""
    position: Position | None = None  # where a missing key is reported: the name


def check(node: Node, definition: str, subject: Subject) -> tuple[Finding, ...]:
    """Return what is wrong with `node` as one of the schema's definitions: document, service, named_service, …"""
    value = data(node)
    if passes(definition)(value):
        return ()
    errors = _validator(definition).iter_errors(value)
    found = (item for error in errors for item in _findings(error, node, subject))
    return tuple(dict.fromkeys(found))


def fits(node: Node, definition: str) -> bool:
    """Whether nothing at all is wrong, values of unknown variables included."""
    return passes(definition)(data(node))


@lru_cache(maxsize=8)
def _validator(definition: str) -> Validator:
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - 90 ms that --help must not pay

    extend: Any = validators.extend
    strict = extend(Draft202012Validator, {"pattern": _pattern, "maximum": _maximum})
    root = {"$schema": schema()["$schema"], "$defs": schema()["$defs"], "$ref": f"#/$defs/{definition}"}
    made: Validator = strict(root)
    return made


def _pattern(_validator: Any, pattern: str, instance: object, _schema: Any) -> Iterator[ValidationError]:
    """The pattern keyword with an end that is the end: Python's `$` would let a trailing line break pass."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - see _validator

    strict = re.sub(r"\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(strict, instance):
        yield ValidationError("pattern")


def _maximum(_validator: Any, maximum: float, instance: object, rules: Any) -> Iterator[ValidationError]:
    """The maximum keyword, for sizes and durations written as text too: 999999d is as long as the number."""
    from jsonschema.exceptions import ValidationError  # noqa: PLC0415 - see _validator

    if is_above(maximum, instance, rules):
        yield ValidationError("maximum")


# ---- one error, one finding ----------------------------------------------------------------------------------------


def _findings(error: ValidationError, root: Node, subject: Subject) -> Iterator[Finding]:
    path = list(error.absolute_path)
    node = locate(root, path)
    if node.unresolved:
        return  # its variable is a finding already, or unknown in this environment
    operation = _operation(path, root)
    for code, message, position, help_text in _explained(error, node, path, root, subject):
        found = finding(code, message, position, service=subject.service, operation=operation)
        yield helped(found, help_text)


def _explained(
    error: ValidationError, node: Node, path: list[Any], root: Node, subject: Subject
) -> Iterator[_Explained]:
    where = _where(path, root, subject)
    keyword: Any = error.validator
    match keyword:
        case "additionalProperties":
            yield from _unknown_keys(error, node, where)
        case "required":
            yield from _missing_keys(error, node, path, root, subject)
        case None:  # the schema `false`: a key at the top of the file that means nothing
            above = locate(root, path[:-1])
            known = [key for key in schema()["$defs"]["document"]["properties"] if not key.startswith("$")]
            message, help_text = _unknown(str(path[-1]), subject.what or "the file", known)
            yield "SQJ101", message, above.pairs[str(path[-1])].key, help_text
        case _ if "propertyNames" in error.absolute_schema_path:
            key = str(error.instance)
            wanted = error.schema.get("x-wanted", "another name") if isinstance(error.schema, dict) else "another name"
            yield "SQJ104", f"{where}: the key {key[:80]!r} should be {wanted}", _key(node, key), ""
        case _:
            yield _bad_value(error, node, where)


def _unknown_keys(error: ValidationError, node: Node, where: str) -> Iterator[_Explained]:
    assert isinstance(error.schema, dict)
    known = error.schema.get("properties", {})
    label = unnamed(node, known) if "name" in known else ""  # what lacks it is a finding already
    for key in node.pairs:
        if key not in known and key != label:
            message, help_text = _unknown(key, where, list(known))
            yield "SQJ101", message, _key(node, key), help_text


def _unknown(key: str, where: str, known: list[str]) -> tuple[str, str]:
    """The message, and what helps: the key that was probably meant, else all that are known here."""
    elsewhere = owners(key, where, schema()["$defs"])
    near = () if elsewhere else nearest(key, known)
    hint = f"; did you mean {' or '.join(f'`{each}`' for each in near)}?" if near else ""
    help_text = reference(key, known) or (known_keys(known) if not near else "")
    return f"{where}: unknown key `{key[:80]}`{elsewhere or hint}", help_text


def _missing_keys(
    error: ValidationError, node: Node, path: list[Any], root: Node, subject: Subject
) -> Iterator[_Explained]:
    where = _where(path, root, subject)
    position = token(_owner(path, root) or (None if path else subject.position) or node.position)
    assert isinstance(error.validator_value, list)
    assert isinstance(error.schema, dict)
    known = list(error.schema.get("properties", {}))
    misspelt = meant(node, known) if known else frozenset()
    label = unnamed(node, known) if "name" in known else ""
    for key in error.validator_value:
        if key == "name" and label:
            help_text = f"write - name: {label[:80]} with its keys below, or take the dashes away"
            yield "SQJ103", f"{where}: the key `name` is missing", node.pairs[label].key, help_text
        elif key not in node.pairs and key not in misspelt:
            yield "SQJ103", f"{where}: the key `{key}` is missing", position, ""


def _owner(path: list[Any], root: Node) -> Position | None:
    """The key under which a mapping stands; None for the root and for items of a list."""
    if not path or isinstance(path[-1], int):
        return None
    pair = locate(root, path[:-1]).pairs.get(str(path[-1]))
    return pair.key if pair else None


def _key(node: Node, key: str) -> Position:
    pair = node.pairs.get(key)
    return pair.key if pair else node.position


def _bad_value(error: ValidationError, node: Node, where: str) -> _Explained:
    rules = error.schema if isinstance(error.schema, dict) else {}
    got = shown(node)
    usual = "SQJ102" if error.validator == "type" else "SQJ104"
    unit = str(rules.get("x-code", usual)) if error.validator in ("type", "pattern") else usual
    code = "SQJ102" if unit == "SQJ105" and not isinstance(node.value, str) else unit
    form = str(rules.get("x-form") or _FORMS.get(str(error.validator_value), ""))
    form = _EMPTY if node.value is None and not node.text else form
    help_text = form if error.validator == "type" else ""
    if error.validator == "maximum" and "x-unit" in rules and not isinstance(node.value, str):
        help_text = f"a number alone counts {rules['x-unit']}s; write its unit, as in 30s or 512MB"
    return code, f"{where}: wanted {_wanted(error, rules)}, got {got}", token(node.position), help_text


def _wanted(error: ValidationError, rules: dict[str, Any]) -> str:
    value: Any = error.validator_value
    phrase = _PHRASES.get(str(error.validator))
    if phrase:
        unit = f" {rules['x-unit']}s" if "x-unit" in rules else ""
        return phrase.format(_either(value) if isinstance(value, list) else f"{value}{unit}")
    types = value if isinstance(value, list) else [value]
    return str(rules.get("x-wanted") or " or ".join(_TYPE_WORDS.get(str(item), str(item)) for item in types))


def _either(values: list[Any]) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} or {last}" if most else last


def shown(node: Node) -> str:
    """Return a value as a message may show it: as written, at most 80 characters, never a variable's value."""
    if isinstance(node.value, tuple):
        return "a list" if node.value else "an empty list"
    if isinstance(node.value, dict):
        only = next(iter(node.pairs.items())) if len(node.pairs) == 1 else None
        if only and only[1].node.value is None:
            return f'a mapping; a placeholder needs quotes: "{{{only[0]}}}"'
        return "a mapping" if node.pairs else "an empty mapping"
    if node.value is None and not node.text:
        return "nothing"
    text = masked(node.text[:1000])
    text = text if len(text) <= 80 else text[:79] + "…"
    quoted = ", which is quoted and so stays text" if node.filled != node.text and not node.plain else ""
    return f"the text {text!r}{quoted}" if isinstance(node.value, str) else text


def _where(path: list[Any], root: Node, subject: Subject) -> str:
    """The field in words: `stripe.operations.charge.timeout` is how people would say it."""
    operation = _operation(path, root)
    spoken = ["operations", operation, *path[2:]] if operation else path
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in spoken)
    return f"{subject.what}{steps}".lstrip(".") or "the file"


def _operation(path: list[Any], root: Node) -> str:
    if len(path) < 2 or path[0] != "operations":
        return ""
    if isinstance(path[1], str):
        return path[1]
    label = locate(root, path[:2]).get("name")
    return label.value if label and isinstance(label.value, str) else ""
