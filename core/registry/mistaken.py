"""A service or a file that is not what it was read as: said once, instead of once for each key that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .canonical import Named
from .codes import finding, helped
from .key_hints import meant, told_kind
from .model import Finding
from .nodes import Node, Pair, with_value
from .quick_shape import schema
from .shape import Subject, check

#: What only services have, at the top of a file that forgot `services:`.
_SERVICE_KEYS: Final = frozenset({"execution_type", "runner_config", "security_policy", "operations"})


def file_shape(root: Node) -> tuple[Finding, ...]:
    """Return what is wrong with a file as a whole; one finding alone where it is no registry."""
    if "services" in root.pairs:
        return check(_hollow(root), "document", Subject(""))
    if "entity" in root.pairs:
        message = "the file is a SpecQL entity, not a service registry"
        return (_instead(root.pairs["entity"], message, "check it with --entities, beside the registry that it calls"),)
    services = {key: pair for key, pair in root.pairs.items() if _SERVICE_KEYS & set(pair.node.pairs)}
    left = with_value(root, {key: pair for key, pair in root.pairs.items() if key not in services})
    first = next(iter(services), "")
    if not first or any(key in schema()["$defs"]["document"]["properties"] for key in services):
        return check(root, "document", Subject(""))
    message = f"the service `{first[:80]}` stands at the top of the file, where `services` is expected"
    found = _instead(services[first], message, "write `services:` above the services, and indent them below it")
    return (found, *(check(left, "document", Subject("")) if left.pairs else ()))


def _hollow(root: Node) -> Node:
    """The file with nothing in its services: a document's shape ends at their names, and they are most of it."""
    key, node = root.pairs["services"]
    nothing = Node(None, node.position)
    names: dict[str, Pair] = {name: Pair(pair.key, nothing) for name, pair in node.pairs.items()}
    inner = (nothing,) * len(node.items) or names
    return with_value(root, {**root.pairs, "services": Pair(key, with_value(node, inner) if inner else node)})


def _instead(pair: Pair, message: str, help_text: str) -> Finding:
    return helped(finding("SQJ101", message, pair.key), help_text)


def service_shape(written: Node, form: str, entry: Named) -> tuple[Finding, ...]:
    """Return what is wrong with a service; keys of the execution type that it forgot to state are one finding."""
    subject = Subject(entry.name, entry.name, entry.position)
    found = check(written, form, subject)
    stated = isinstance(written.value, Mapping) and "execution_type" in written.pairs
    kind = None if stated or not found else told_kind(written, schema()["$defs"])
    if kind is None:
        return found
    label = Node(str(kind), entry.position, text=str(kind), filled=str(kind))
    typed = with_value(written, {**written.pairs, "execution_type": Pair(entry.position, label)})
    left = check(typed, form, subject)
    if "execution_type" in meant(written, ("execution_type",)):
        return left  # it is stated, with a slip in the key
    first = min((each for each in found if each not in left), key=_place, default=None)
    return (
        left if first is None else (helped(first, f"state execution_type: {kind}; without it a service is http"), *left)
    )


def _place(found: Finding) -> tuple[int, int]:
    return found.position.line, found.position.column
