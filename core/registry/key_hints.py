"""What may have been meant by a key that is unknown where it stands."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ..job import ExecutionType
from .nodes import Node, children, is_mapping

_SECTIONS: Final = {"runner_config": "config", "security_policy": "policy"}
#: Keys that a help names; a longer list helps nobody.
_MOST_KEYS: Final = 24
CUTOFF: Final = 0.6  # difflib's measure of likeness; below it suggestions mislead


def nearest(key: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return up to three keys that were probably meant: those that begin with `key`, else the one most like it."""
    longer = [each for each in known if each.startswith(f"{key.lower()}_")]
    if longer:
        return tuple(longer[:3])
    return tuple(difflib.get_close_matches(key.lower(), known, n=1, cutoff=CUTOFF))


def owners(key: str, where: str, definitions: Mapping[str, Any]) -> str:
    """Return "; it belongs to http services" for a key that other execution types have in this section."""
    *_, above, last = ("", *where.split("."))
    section = "operation" if above == "operations" else _SECTIONS.get(last)
    kinds = [kind for kind in ExecutionType if section and key in definitions[f"{kind}_{section}"]["properties"]]
    if kinds:
        return f"; it belongs to {' and '.join(kinds)} services"
    homes = [home for home, names in _HOMES.items() if any(key in definitions[name]["properties"] for name in names)]
    return f"; it belongs under {' or '.join(homes)}" if homes else ""


#: Where the keys of a service live, and the definitions that list them.
_HOMES: Final = {
    "runner_config": tuple(f"{kind}_config" for kind in ExecutionType),
    "runner_config.retry_config": ("retry_config",),
    "security_policy": tuple(f"{kind}_policy" for kind in ExecutionType),
    "security_policy.resource_limits": ("resource_limits",),
    "an operation": tuple(f"{kind}_operation" for kind in ExecutionType),
}


def told_kind(node: Node, definitions: Mapping[str, Any]) -> ExecutionType | None:
    """Return the one execution type whose keys a service has; None where they do not tell.

    Keys that http services have tell nothing, and where there is one that only they have, nothing is told.
    """
    places = list(_placed(node))
    known = {
        kind: [key for section, key in places if key in _keys(kind, section, definitions)] for kind in ExecutionType
    }
    plain, every = known[ExecutionType.HTTP], [key for _, key in places]
    foreign = [key for key in every if key not in plain]
    fitting = [kind for kind in ExecutionType if foreign and set(foreign) & set(known[kind])]
    best = max(fitting, key=lambda kind: len(known[kind]), default=None)
    if best is None or set(plain) - set(known[best]):
        return None
    if any(kind is not best and len(known[kind]) == len(known[best]) for kind in fitting):
        return None
    return best


def _placed(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the keys of a service's sections and operations, each with the section of its definition."""
    for key, section in {**_SECTIONS, "security": "policy"}.items():
        below = node.get(key)
        yield from ((section, name) for name in (below.pairs if below else ()))
    for operation in children(node.get("operations") or node) if "operations" in node.pairs else ():
        yield from (("operation", name) for name in operation.pairs if name != "name")


def _keys(kind: ExecutionType, section: str, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = definitions[f"{kind}_{section}"]["properties"]
    return found


def meant(node: Node, known: Sequence[str]) -> frozenset[str]:
    """Return the known keys that unknown ones of a mapping are probably slips of: they are there, misspelt."""
    return frozenset(near for key in node.pairs if key not in known for near in nearest(key, known))


def unnamed(node: Node, known: Sequence[str]) -> str:
    """Return the key in whose place an item of a list wants `name: KEY`, or ""."""
    key = next(iter(node.pairs), "")
    if "name" in node.pairs or not key or key in known:
        return ""
    return key if is_mapping(node.pairs[key].node) or node.pairs[key].node.value is None else ""


def reference(key: str, known: Sequence[str]) -> str:
    """Return what helps where a credential was about to be written into the file, or ""."""
    if f"{key}_env_var" not in known:
        return ""
    return f"no credential stands in the file: put it into a variable, write {key}_env_var: ITS_NAME, and change it"


def known_keys(known: Sequence[str]) -> str:
    """Return the keys that are allowed, or "" where they are too many to read."""
    return f"allowed here: {', '.join(known)}" if 0 < len(known) <= _MOST_KEYS else ""
