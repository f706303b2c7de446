"""Domain rules about what an operation refers to: input fields, an answer, a way to be run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from ..job import ExecutionType
from ..template import PLACEHOLDER, placeholders
from .build import MAPPING_KEYS
from .canonical import Named
from .key_hints import nearest
from .model import Finding, Position
from .nodes import Node, part, texts
from .schema_rules import declared_fields, expanded
from .view import View

#: The runner sends nothing with these unless the request says so.
BODILESS: Final = frozenset({"GET", "HEAD", "DELETE"})
_WHOLE_INPUT: Final = frozenset({"json", "form", "multipart", "raw"})


@cache
def fillable(template: Node | None) -> tuple[Node, ...]:
    """Return a template's texts in which a placeholder may stand, or what is meant as one; cached as `expanded` is."""
    below = texts(template) if template is not None else ()
    return tuple(node for node in below if "{" in str(node.value) or str(node.value).startswith("$"))


def undeclared(view: View) -> Iterator[Finding]:
    """A placeholder of a field that no input has."""
    key = MAPPING_KEYS[view.kind]
    for operation in view.operations:
        template = operation.node.get(key)
        fields = declared_fields(operation.node.get("input_schema"))
        if template is None or fields is None:
            continue
        for node in fillable(template):
            for path in placeholders(node.value):
                if path.split(".")[0] not in fields:
                    message = f"{view.name}.{operation.name}.{key}: {{{path}}} is no field of input_schema"
                    yield view.found(
                        "SQJ201", message, _placeholder(node, path), operation.name, help_text=_near(path, fields)
                    )


def _placeholder(node: Node, path: str) -> Position:
    start = node.text.find(f"{{{path}}}")
    return node.position if start < 0 else part(node, start, start + len(path) + 2)


def _near(path: str, fields: frozenset[str]) -> str:
    near = nearest(path.split(".", maxsplit=1)[0], sorted(fields))
    return f"did you mean {' or '.join(f'{{{each}}}' for each in near)}? If not, declare the field" if near else ""


#: A brace that begins a word, or ends the text, and yet is no placeholder; `{"a": 1}` and `{}` are somebody's JSON.
_STRAY: Final = re.compile(
    r"\{\{|\}\}|" + PLACEHOLDER.pattern + r"|(?P<stray>\{(?:[ \t]*[A-Za-z0-9_.$-][^{}\"']*\}?|[ \t]*$))"
)


def stray_braces(view: View) -> Iterator[Finding]:
    """A brace that was probably meant to begin a placeholder: it is sent as it stands."""
    key = MAPPING_KEYS[view.kind]
    for operation in view.operations:
        for node in fillable(operation.node.get(key)):
            found = next((match["stray"] for match in _STRAY.finditer(str(node.value)) if match["stray"]), None)
            if found is not None:
                message = f"{view.name}.{operation.name}.{key}: {found[:80]!r} is no placeholder and is sent as it is"
                yield view.found("SQJ207", message, node.position, operation.name)


#: A field as templates and shells elsewhere write it. With spaces around it is text of another language, as in GraphQL.
_ELSEWHERE: Final = re.compile(r"\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}|^\$([A-Za-z_][A-Za-z0-9_]*)$")


def written_elsewhere(view: View) -> Iterator[Finding]:
    """A field of the input in the form of another language: `{{name}}` or `$name` is sent as it stands."""
    key = MAPPING_KEYS[view.kind]
    for operation in view.operations:
        fields = declared_fields(operation.node.get("input_schema")) or frozenset()
        for node in fillable(operation.node.get(key)):
            text = str(node.value)
            match = None if re.search(r"\s", text) else _ELSEWHERE.search(text)
            name = (match[1] or match[2]) if match else ""
            if match and name in fields:
                message = f"{view.name}.{operation.name}.{key}: {match[0]!r} is no placeholder, and not filled in"
                at, help_text = part(node, *match.span()), f"write {{{name}}} for the input field"
                yield view.found("SQJ207", message, at, operation.name, help_text=help_text)


def unused(view: View) -> Iterator[Finding]:
    """An input field that is asked for and then sent nowhere. Processes and containers get the input on stdin too."""
    for operation in view.operations:
        template = _whole_template(view, operation)
        stated = operation.node.get("input_schema")
        fields = declared_fields(stated)
        if template is None or stated is None or not fields:
            continue
        used = {path.split(".")[0] for node in fillable(template) for path in placeholders(node.value)}
        for name in sorted(fields - used):
            message = f"{view.name}.{operation.name}: the input field `{name}` is used nowhere"
            yield view.found("SQJ202", message, _field(stated, name), operation.name)


def _whole_template(view: View, operation: Named) -> Node | None:
    """What an operation sends, when that is all that it sends; None when the whole input goes out."""
    if view.kind is ExecutionType.SERVERLESS:
        return operation.node.get("payload")
    request = operation.node.get("request") if view.kind is ExecutionType.HTTP else None
    if request is None or view.config("base_url") is None:
        return None
    body = request.get("body")
    sends_all = body.value in _WHOLE_INPUT if body and isinstance(body.value, str) else method(request) not in BODILESS
    return None if sends_all and (body is None or isinstance(body.value, str)) else request


def method(request: Node | None) -> str:
    """Return the HTTP method of a request, POST where none is stated."""
    stated = request.get("method") if request else None
    return str(stated.value).upper() if stated else "POST"


def _field(stated: Node, name: str) -> Position:
    properties = stated.get("properties") or stated
    pair = properties.pairs.get(name) or stated.pairs.get(name) or stated.pairs.get(f"{name}?")
    return pair.key if pair else stated.position


def optional(view: View) -> Iterator[Finding]:
    """A placeholder that must be filled, of a field that a job may leave out."""
    for operation in view.operations:
        stated = operation.node.get("input_schema")
        fields = declared_fields(stated)
        if stated is None or not fields:
            continue
        required = frozenset(expanded(stated).schema.get("required", ()))
        for node in _must_be_filled(view, operation):
            missing = [path for path in placeholders(node.value) if path in fields - required]
            for path in missing:
                message = f"{view.name}.{operation.name}: a job without the optional field `{path}` is refused"
                yield view.found("SQJ206", message, node.position, operation.name)


def _must_be_filled(view: View, operation: Named) -> Iterator[Node]:
    """Arguments and the path; queries, headers and bodies leave out what the input lacks."""
    template = operation.node.get(MAPPING_KEYS[view.kind])
    if view.kind is ExecutionType.HTTP and template is not None:
        template = template.get("path")
    if template is not None and view.kind is not ExecutionType.SERVERLESS:
        yield from fillable(template)


def answer(view: View) -> Iterator[Finding]:
    """An output_schema that nothing will ever be held against."""
    event = view.kind is ExecutionType.SERVERLESS and view.config("invocation_type") == "Event"
    event = event and view.config("result_queue") is None
    for operation in view.operations:
        stated = operation.node.pairs.get("output_schema")
        head = view.kind is ExecutionType.HTTP and method(operation.node.get("request")) == "HEAD"
        if stated is not None and (event or head):
            why = "invocation_type Event" if event else "a HEAD request"
            message = f"{view.name}.{operation.name}: {why} gives no answer to hold against output_schema"
            yield view.found("SQJ203", message, stated.key, operation.name)


def way_to_run(view: View) -> Iterator[Finding]:
    """A shell operation that says neither what to start nor that its jobs do; an http one that so says no address."""
    for operation in view.operations:
        schema = operation.node.get("input_schema")
        if view.kind is ExecutionType.SHELL and operation.node.get("argv") is None and _lacks(schema, "command"):
            message = f"{view.name}.{operation.name} has no argv, and its input no field `command`: nothing to start"
            yield view.found("SQJ204", message, operation.position, operation.name)
        elif view.kind is ExecutionType.HTTP and view.config("base_url") is None and _cannot_have(schema, "endpoint"):
            what = f"the input of {operation.name} no field `endpoint`"
            fix = "add runner_config.base_url; until then each of its jobs fails"
            message = f"{view.name} has no base_url, and {what}: nowhere to call"
            yield view.found("SQJ204", message, operation.position, operation.name, help_text=fix)


def _lacks(schema: Node | None, field: str) -> bool:
    """Whether a schema is stated and does not declare a field."""
    fields = declared_fields(schema)
    return schema is not None and fields is not None and field not in fields


def _cannot_have(schema: Node | None, field: str) -> bool:
    """Whether it refuses that field, too."""
    closed = schema is not None and expanded(schema).schema.get("additionalProperties") is False
    return closed and _lacks(schema, field)
