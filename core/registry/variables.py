"""`${NAME}` and `${NAME:-default}` in a registry's values, filled from a mapping that the caller hands in.

A value filled in is never read as YAML again: it can change a scalar, not the structure. Unquoted scalars get the type
that the filled text reads as. Messages and `Node.text` keep the text as written, never the variable's value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import is_
from typing import Final

from .codes import finding, helped
from .model import Finding
from .nodes import Node, Pair, part, with_value
from .scalars import resolve

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{")


_FIELD: Final = "set the variable, or write {{{0}}} without $ where a field of the input is meant"


class _Filler:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.findings: list[Finding] = []

    def fill(self, node: Node) -> Node:
        """Return the tree with its variables filled in: the very node where there was none to fill."""
        if isinstance(node.value, dict):
            return self._mapping(node, node.value)
        if isinstance(node.value, tuple):
            items = tuple(map(self.fill, node.value))
            return node if all(map(is_, items, node.value)) else with_value(node, items)
        return self._scalar(node) if "${" in node.text else node

    def _mapping(self, node: Node, pairs: dict[str, Pair]) -> Node:
        changed = {}
        for key, (at, below) in pairs.items():
            filled = self.fill(below)
            if filled is not below:
                changed[key] = Pair(at, filled)
        return with_value(node, {**pairs, **changed}) if changed else node

    def _scalar(self, node: Node) -> Node:
        before = len(self.findings)
        filled = _REFERENCE.sub(lambda match: self._piece(match, node), node.text)
        value = resolve(filled) if node.plain else filled
        return node._replace(value=value, filled=filled, unresolved=len(self.findings) > before)

    def _piece(self, match: re.Match[str], node: Node) -> str:
        name, default = match[1], match[2]
        if match[0] == "$${":
            return "${"
        if name is None:
            self.findings.append(finding("SQJ009", "`${` does not begin a variable here", part(node, *match.span())))
            return match[0]
        # As in a shell, `:-` takes the default for an empty variable too.
        value = self._variables.get(name, "") or default
        if value is None and name not in self._variables:
            found = finding("SQJ008", f"the variable {name} is not set", part(node, *match.span()))
            # Variables of hosts are upper case; what is not may be a field of the input.
            self.findings.append(found if name.isupper() else helped(found, _FIELD.format(name)))
        return value or ""


def fill(node: Node, variables: Mapping[str, str]) -> tuple[Node, tuple[Finding, ...]]:
    """Return the tree with its variables filled in, and a finding for each that is unset or malformed."""
    filler = _Filler(variables)
    return filler.fill(node), tuple(filler.findings)
