"""The registry's schema for editors, made from the shape that `validate` holds a registry to: `make gen`.

Three things differ. `validate` fills variables in before it looks, and an editor sees `${TIMEOUT:-30}` where a number
is wanted: wherever a value is more than any text, a text with a variable in it is accepted too. An editor shows what
stands beside a key alone: each property gets the description and the examples of the definition that it refers to. And
of two spellings of one key only one may be stated, which `validate` finds when it brings all to one spelling.
"""

from __future__ import annotations

import json
from typing import Any

#: What an editor shows of a key, in the order in which it is read.
NOTES = ("title", "description", "default", "examples", "deprecated")
SCALARS = frozenset({"string", "number", "integer", "boolean"})
#: With none of these a text may be anything, and so a variable.
NARROWING = frozenset({"pattern", "enum", "const"})
#: Two spellings of one key, wherever both are known.
SPELLINGS = (
    ("security", "security_policy"),
    ("cpu", "cpu_cores"),
    ("memory", "memory_mb"),
    ("disk", "disk_mb"),
    ("max_processes", "pids"),
    ("initial_delay", "base_seconds"),
    ("max_delay", "max_seconds"),
    ("env", "environment"),
    ("working_dir", "working_directory"),
)
WIDEST = 120  # characters of a line
VARIABLE = {
    "description": "A variable: ${NAME}, or ${NAME:-default}; it is filled in when the registry is read.",
    "type": "string",
    "pattern": "\\$\\{",
}


def editor_schema(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the schema for editors that belongs to a shape."""
    known = shape["$defs"]
    definitions = {name: _opened(rules, known, inside=name.startswith("is_")) for name, rules in known.items()}
    document = {key: _opened(value, known) for key, value in shape.items() if key != "$defs"}
    return {**document, "$defs": {"variable": VARIABLE, **definitions}}


def ceiling_schema(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a host ceiling: every key of a policy, for all services or below an execution type.

    No variable is filled into that file. Any key may stand below any type, as `load_ceiling` takes it.
    """
    known = shape["$defs"]
    policies = [known[f"{kind}_policy"]["properties"] for kind in KINDS]
    keys = {key: rules for policy in policies for key, rules in policy.items() if key not in NO_LIMITS}
    limits = {"type": "object", "additionalProperties": False, "properties": keys}
    below = {kind: {"description": f"For {kind} services alone.", **limits} for kind in KINDS}
    definitions = {name: known[name] for name in _referred(limits, known)}
    document = {**limits, "minProperties": 1, "properties": {**keys, **below}}
    head = {"$schema": shape["$schema"], "title": "specql-jobs host ceiling", "description": _CEILING}
    return {**head, **_opened(document, known, inside=True), "$defs": _opened_each(definitions, known)}


#: What a registry may write under its policy and a ceiling may not: it configures one service.
NO_LIMITS = frozenset({"working_directory"})
KINDS = ("http", "shell", "docker", "serverless")
_CEILING = "Policy keys that no registry on this host exceeds; the stricter of both holds."


def _referred(rules: Any, known: dict[str, Any]) -> list[str]:
    """The definitions that a schema refers to, those that they refer to included, in the order of the shape."""
    found: set[str] = set()
    waiting = [rules]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, dict):
            waiting += each.values()
            name = str(each.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(known[name])
    return [name for name in known if name in found]


def _opened_each(definitions: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {name: _opened(rules, known, inside=True) for name, rules in definitions.items()}


def _opened(rules: Any, known: dict[str, Any], *, inside: bool = False) -> Any:
    """A schema that variables fit into; nothing `inside` a switch on the execution type, which only asks."""
    if isinstance(rules, list):
        return [_opened(each, known, inside=inside) for each in rules]
    if not isinstance(rules, dict):
        return rules
    stated = {key: value for key, value in rules.items() if not key.startswith("x-")}  # for our own messages
    opened = {key: _keyword(key, value, known, inside=inside) for key, value in stated.items()}
    opened |= _one_spelling(opened)
    return opened if inside or not _is_narrow(opened) else _or_variable(opened)


def _keyword(key: str, value: Any, known: dict[str, Any], *, inside: bool) -> Any:
    if key in (*NOTES, "enum", "required", "type"):
        return value
    if key == "propertyNames":  # keys are not filled in
        below = known[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
        return _opened(below, known, inside=True)
    if key == "properties":
        return {name: _noted(_opened(below, known, inside=inside), known) for name, below in value.items()}
    if key in ("patternProperties", "$defs"):
        return {name: _opened(below, known, inside=inside) for name, below in value.items()}
    return _opened(value, known, inside=inside)


def _one_spelling(rules: dict[str, Any]) -> dict[str, Any]:
    """What refuses a mapping with two spellings of one key; nothing where there are none."""
    known = rules.get("properties", {})
    both = [{"required": [one, other]} for one, other in SPELLINGS if one in known and other in known]
    if not both or "type" not in rules:
        return {}
    return {"not": both[0] if len(both) == 1 else {"anyOf": both}}


def _is_narrow(rules: dict[str, Any]) -> bool:
    """Whether a scalar is wanted that a text with a variable in it may not be."""
    stated = rules.get("type", "string" if "enum" in rules else ())
    kinds = {stated} if isinstance(stated, str) else set(stated)
    any_text = "string" in kinds and not rules.keys() & NARROWING
    return bool(kinds & SCALARS) and not any_text


def _or_variable(rules: dict[str, Any]) -> dict[str, Any]:
    notes = {key: rules[key] for key in NOTES if key in rules}
    wanted = {key: value for key, value in rules.items() if key not in notes}
    return {**notes, "anyOf": [wanted, {"$ref": "#/$defs/variable"}]}


def _noted(rules: Any, known: dict[str, Any]) -> Any:
    """A property with all notes beside it: its own, then those of what it refers to."""
    if not isinstance(rules, dict):
        return rules
    below = known.get(rules.get("$ref", "").rpartition("/")[2], {})
    notes = {key: value for key in NOTES if (value := rules.get(key, below.get(key))) is not None}
    return {**notes, **{key: value for key, value in rules.items() if key not in notes}}


def as_text(value: Any, indent: int = 0, key: str = "") -> str:
    """Return JSON of two spaces' indentation, with examples on one line where they fit."""
    plain = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (key == "examples" and len(plain) + indent < WIDEST):
        return plain
    inner = " " * (indent + 2)
    if isinstance(value, list):
        items = [as_text(each, indent + 2) for each in value]
        return "[\n" + ",\n".join(inner + each for each in items) + f"\n{' ' * indent}]"
    pairs = [
        f"{json.dumps(name, ensure_ascii=False)}: {as_text(each, indent + 2, name)}" for name, each in value.items()
    ]
    return "{\n" + ",\n".join(inner + each for each in pairs) + f"\n{' ' * indent}}}"
