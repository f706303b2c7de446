"""Changes between two versions of a registry as findings, each at the most useful place of the new version.

That is the key that changed; where it is gone, the nearest thing around it that is still there; for a service that is
gone, the `services:` of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ..policy_terms import TERMS
from .canonical import Named
from .codes import finding
from .diff import Change, compare
from .load import Loaded
from .model import Finding, Position, Severity
from .nodes import Node, find_pair
from .secret_shapes import masked

#: Longer values say less than their first words.
_SHOWN: Final = 160
_SERVICES: Final = re.compile(r"^services[ \t]*:", re.MULTILINE)
_SCHEMAS: Final = ("input_schema", "output_schema")


def compare_loaded(old: Loaded, new: Loaded, ref: str) -> tuple[tuple[Change, ...], tuple[Finding, ...]]:
    """Return the changes from `old`, which is the registry at `ref`; or none, and a finding that says why not."""
    if old.registry is not None and new.registry is not None:
        return compare(old.registry, new.registry), ()
    message = f"the registry has errors, so it was not compared with {ref}"
    if new.registry is not None:
        first = next(each for each in old.findings if each.severity is Severity.ERROR)
        place = f"{first.position.path}:{first.position.line}"
        message = f"the registry at {ref} has errors, so nothing was compared ({place}: {first.code} {first.message})"
    return (), (finding("SQJ726", message, services_at(new, "")),)


def change_findings(changes: Iterable[Change], old: Loaded, new: Loaded) -> Iterator[Finding]:
    """Yield a finding for each change from `old` to `new`."""
    for each in changes:
        name = ".".join(part for part in (each.service, each.operation) if part)
        subject = f"{name} {each.field}" if each.field else name
        said = _written(each, old, new) if each.kind == "target-changed" else _values(each)
        message = f"{subject}: {each.message}{said}"
        yield finding(each.code, message, _place(each, old, new), service=each.service, operation=each.operation)


def services_at(loaded: Loaded, path: str) -> Position:
    """Return where a file's `services:` stands, or its beginning; of a file that is gone, the first one's."""
    path = path if path in loaded.sources else next(iter(loaded.sources), path)
    text = loaded.sources.get(path, "")
    match = _SERVICES.search(text)
    line = text.count("\n", 0, match.start()) + 1 if match else 1
    return Position(path, line, 1, line, len("services") + 1 if match else 2)


# ---- where -----------------------------------------------------------------------------------------------------------


def _place(change: Change, old: Loaded, new: Loaded) -> Position:
    entry = new.defined.get(change.service.lower())
    if entry is None:
        before = old.defined.get(change.service.lower())
        return services_at(new, before.position.path if before else "")
    paths = list(_paths(change))
    found = [_nearest(entry, path) for path in paths]
    return max(found, key=lambda each: each[0])[1]


def _paths(change: Change) -> Iterator[tuple[str, ...]]:
    """Where the changed key may stand; a term of the policy has several spellings."""
    if change.kind == "operation-removed":
        yield ()
    elif change.operation:
        yield ("operations", change.operation, *_steps(change.field))
    elif change.field.startswith("security_policy."):
        name, _ = TERMS[change.field.removeprefix("security_policy.")]
        yield from (("security_policy", *key.split(".")) for key, (field, _) in TERMS.items() if field == name)
    else:
        yield tuple(_steps(change.field))


def _steps(field: str) -> list[str]:
    return [step for step in field.replace("[]", ".[]").split(".") if step]


def _nearest(entry: Named, path: tuple[str, ...]) -> tuple[int, Position]:
    """How many steps of the path exist, and where the last of them stands."""
    node, at, depth, in_schema = entry.node, entry.position, 0, False
    for step in path:
        below = _below(node, step, in_schema=in_schema)
        if below is None:
            break
        (at, node), depth, in_schema = below, depth + 1, in_schema or step in _SCHEMAS
    return depth, at


def _below(node: Node, step: str, *, in_schema: bool) -> tuple[Position, Node] | None:
    """One step down; in a full schema a field stands under `properties`, what a list holds under `items`."""
    if step == "[]":
        return (node.items[0].position, node.items[0]) if node.items else node.pairs.get("items")
    fields = node.get("properties") if in_schema else None
    inner = fields.pairs.get(step) if fields else None
    return inner or node.pairs.get(step) or next((pair for key, pair in node.pairs.items() if _is(key, step)), None)


def _is(key: str, step: str) -> bool:
    return key.lower() == step.lower()


# ---- what ------------------------------------------------------------------------------------------------------------


def _written(change: Change, old: Loaded, new: Loaded) -> str:
    """A target as both files have it: what a variable holds is not shown."""
    path = change.field.split(".")
    entries = (loaded.defined.get(change.service.lower()) for loaded in (old, new))
    pairs = [find_pair(entry.node, path) if entry else None for entry in entries]
    words = [pair.node.text if pair else "not stated" for pair in pairs]
    return f" (was {_shown(words[0])}, is {_shown(words[1])})" if all(words) else ""


_IN_SECONDS: Final = ("timeout", "deadline", "max_execution_time", "recovery_timeout")


def _values(change: Change) -> str:
    """What it was and what it is, where the message does not say so already."""
    before, after = change.before, change.after
    if isinstance(before, str) or isinstance(after, str) or (before is None and after is None):
        return f" (was {before}, is {after})" if change.field.startswith("security_policy") else ""
    if isinstance(before, list | tuple) or isinstance(after, list | tuple):
        return _entries(list(before or ()), list(after or ()))
    unit = " s" if change.field.rpartition(".")[2] in _IN_SECONDS else ""
    return f" (was {_shown(before)}{unit if before is not None else ''}, is {_shown(after)}{unit})"


def _entries(before: list[Any], after: list[Any]) -> str:
    gone, came = ([each for each in one if each not in other] for one, other in ((before, after), (after, before)))
    words = [f"{word} {', '.join(map(_shown, items))}" for word, items in (("without", gone), ("with", came)) if items]
    return f" ({_cut('; '.join(words))})" if words else ""


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "not stated", True: "true", False: "false"}[value]
    return _cut(masked(f"{value:g}" if isinstance(value, float) else str(value)))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
