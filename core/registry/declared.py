"""All values that a file gives each key of runner_config and security_policy: what a row may repeat.

A row is compared with these and never executed from them, so text before variables are filled in counts too: today's
SpecQL compiles the file as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .canonical import Named, named
from .frozen import freeze
from .nodes import Node, data, unresolved
from .overlay import environments

Values = Mapping[str, tuple[Any, ...]]
_SECTIONS = {"runner_config": "runner_config", "security_policy": "security_policy", "security": "security_policy"}


def declared(roots: Iterable[Node], variants: Iterable[Mapping[str, Named]]) -> Callable[[str], tuple[Values, Values]]:
    """Return a function from a service's lower-case name to what it declares: runner_config, then security_policy."""
    found: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for entry in (*_written(roots), *(entry for services in variants for entry in services.values())):
        sections = found.setdefault(entry.name.lower(), {"runner_config": {}, "security_policy": {}})
        for key, section in _SECTIONS.items():
            _collect(entry.node.get(key), sections[section])
    return lambda name: (freeze(found[name]["runner_config"]), freeze(found[name]["security_policy"]))


def _written(roots: Iterable[Node]) -> Iterator[Named]:
    """Every service as it stands in the file, base and environments."""
    for root in dict.fromkeys(roots):  # one tree where no variable was filled in
        yield from named(root.get("services"))
        for environment in environments(root):
            yield from named(environment.node.get("services"))


def _collect(section: Node | None, into: dict[str, list[Any]]) -> None:
    for key, pair in (section.pairs if section else {}).items():
        values = into.setdefault(key, [])
        value = data(pair.node)
        if not any(unresolved(pair.node)) and not any(_same(value, known) for known in values):
            values.append(value)


def _same(value: Any, known: Any) -> bool:
    return type(value) is type(known) and bool(value == known)
