"""What an environment changes: services and operations meet by name, mappings merge deeply, the rest is replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from .canonical import Named
from .nodes import Node, Pair, with_value

#: Keys at the top of a file that are no environment, whatever they hold.
NOT_ENVIRONMENTS: Final = frozenset({"services", "environments", "version", "description", "$schema"})
#: Replaced whole: half of an old schema in a new one would be a third that nobody wrote.
_WHOLE: Final = frozenset({"input_schema", "output_schema"})


def environments(root: Node) -> Iterator[Named]:
    """Yield the environments that a file declares, under `environments:` and at its top."""
    below = root.get("environments")
    for name, pair in (below.pairs if below else {}).items():
        yield Named(name, pair.key, pair.node)
    for name, pair in root.pairs.items():
        if name not in NOT_ENVIRONMENTS and not name.startswith("x-") and pair.node.get("services") is not None:
            yield Named(name, pair.key, pair.node)


def merge_services(base: Mapping[str, Named], change: Mapping[str, Named]) -> dict[str, Named]:
    """Return the services with an environment's changes and additions; keys are lower-case names."""
    merged = dict(base)
    for key, entry in change.items():
        before = merged.get(key)
        merged[key] = replace(before, node=_merge_service(before.node, entry.node)) if before else entry
    return merged


def _merge_service(base: Node, change: Node) -> Node:
    merged = merge(base, change)
    before, after = base.get("operations"), change.get("operations")
    if before is None or after is None:
        return merged
    operations = dict(before.pairs)
    spelled = {name.lower(): name for name in operations}
    for name, pair in after.pairs.items():
        known = spelled.get(name.lower(), name)
        old = operations.get(known)
        operations[known] = Pair(old.key, merge(old.node, pair.node)) if old else pair
    below = Pair(merged.pairs["operations"].key, with_value(before, operations))
    return with_value(merged, {**merged.pairs, "operations": below})


def merge(base: Node, change: Node) -> Node:
    """Return `base` with `change` laid over it; every value keeps the position where it was written."""
    if not (isinstance(base.value, dict) and isinstance(change.value, dict)):
        return change
    pairs = dict(base.pairs)
    for key, pair in change.pairs.items():
        old = pairs.get(key)
        whole = old is None or key in _WHOLE
        pairs[key] = pair if whole or old is None else Pair(pair.key, merge(old.node, pair.node))
    return with_value(base, pairs)
