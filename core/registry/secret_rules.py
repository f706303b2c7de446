"""Domain rules about credentials in a registry. No message repeats one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ..job import ExecutionType
from .http_rules import admits_plain_http, host_of
from .model import Finding
from .nodes import Node
from .secret_shapes import is_secret_name, looks_secret
from .view import View

_LEAST: Final = 6  # characters; shorter values are switches and numbers
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)")
#: Where a value goes out as it is, so that a name such as API_TOKEN says what the value is.
_SENT: Final = frozenset({"environment", "headers", "query"})
_NOT_VALUES: Final = frozenset({"input_schema", "output_schema", "description"})
_REFERENCE: Final = re.compile(r"_(?:env_var|file)$")

#: Operation, key, whether its name says what it holds, value.
_Value = tuple[str, str, bool, Node]


def secrets_in_clear(view: View) -> Iterator[Finding]:
    """Credentials written into the file, and variables of such names filled into what plans show."""
    for operation, key, sent, node in _values(view):
        telling = sent and is_secret_name(key)
        names = _VARIABLE.findall(node.text) if "${" in node.text else ()
        name = next((each for each in names if telling or is_secret_name(each)), "")
        if name and not _REFERENCE.search(key):
            message = f"{view.name}: the value of {name} becomes part of {key}, which plans and logs show"
            yield view.found("SQJ408", message, node.position, operation)
        elif looks_secret(node.text) or (sent and _named_secret(key, node.text)):
            message = f"{view.name}: the value of {key} looks like a credential"
            named = f"{key} wants the variable's name; keep the credential in that variable, and change it"
            help_text = named if key.endswith("_env_var") else ""
            yield view.found("SQJ407", message, node.position, operation, help_text=help_text)


def credential_over_http(view: View) -> Iterator[Finding]:
    """A credential that is sent without TLS to another machine."""
    url = str(view.config("base_url") or "")
    kind = view.config("auth_type")
    if view.kind is not ExecutionType.HTTP or kind in (None, "none") or urlsplit(url).scheme != "http":
        return
    if not admits_plain_http(view.policy):
        return  # nothing is sent, and that is a finding of its own
    if host_of(url) not in ("localhost", "127.0.0.1", "::1"):
        message = f"{view.name} sends its {kind} credential to {host_of(url)} over plain http"
        yield view.found("SQJ418", message, view.at("runner_config", "base_url"))


def _named_secret(key: str, text: str) -> bool:
    literal = "${" not in text and "{" not in text
    return literal and len(text) >= _LEAST and is_secret_name(key)


def _values(view: View) -> Iterator[_Value]:
    config = view.node.get("runner_config")
    yield from _texts(config, "", "runner_config", sent=False) if config else ()
    for operation in view.operations:
        for key, pair in operation.node.pairs.items():
            if key not in _NOT_VALUES:
                yield from _texts(pair.node, operation.name, key, sent=False)


def _texts(node: Node, operation: str, key: str, *, sent: bool) -> Iterator[_Value]:
    if isinstance(node.value, str):  # nearly all that comes
        if node.text:
            yield operation, key, sent, node
        return
    for name, pair in node.pairs.items():
        yield from _texts(pair.node, operation, name, sent=key in _SENT)
    for item in node.items:
        yield from _texts(item, operation, key, sent=sent)
