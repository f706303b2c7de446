"""specql-jobs-registry(5): every key of a registry, made of the JSON Schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from ..catalogue import PROGRAM
from .page import Block, Page, Part

_PACKAGE = __name__.rpartition(".cli.")[0]
#: Definitions with keys of their own, in the order in which one writes them.
_SECTIONS = {
    "document": "THE FILE",
    "named_service": "A SERVICE",
    **{
        f"{kind}_{part}": f"{kind.upper()}: {title}"
        for kind in ("http", "shell", "docker", "serverless")
        for part, title in (
            ("config", "runner_config"),
            ("policy", "security_policy"),
            ("named_operation", "operations"),
        )
    },
    "http_auth": "AUTH_CONFIG",
    "retry_config": "RETRY_CONFIG",
    "resource_limits": "RESOURCE_LIMITS",
    "tenant_limits": "TENANT_LIMITS",
    "circuit_breaker": "CIRCUIT_BREAKER",
    "volume": "VOLUMES",
    "named_schedule": "SCHEDULES",
}
_ABOUT = (
    "A registry is one YAML file, or a folder of them. It says which services exist, how each is executed and what "
    "each may touch; what it does not allow is refused. ${NAME} and ${NAME:-default} are filled in from the "
    "environment. Unknown keys are errors."
)


def registry_page() -> Page:
    """Return specql-jobs-registry(5)."""
    schema = json.loads(files(f"{_PACKAGE}.schemas").joinpath("registry.schema.json").read_text("utf-8"))
    known: Mapping[str, Any] = schema["$defs"]
    parts = (
        Part("DESCRIPTION", (Block(_ABOUT),)),
        Part("EXAMPLE", (Block(_example(), asis=True),)),
        *(_part(title, known[name] | _top(name, schema), known) for name, title in _SECTIONS.items()),
        Part("SEE ALSO", (Block(f"{PROGRAM}(1), {PROGRAM}-validate(1), {PROGRAM}-explain(1), {PROGRAM}-policy(1)"),)),
    )
    return Page(f"{PROGRAM}-registry", 5, "the file of services that jobs may call", parts)


def _example() -> str:
    return """\
services:
  payments:
    type: payment
    category: financial
    execution_type: http
    runner_config:
      base_url: "https://api.example.com/v1"
      auth_type: bearer
      auth_config: {token_env_var: PAYMENTS_TOKEN}
    security_policy: {allowed_domains: [api.example.com]}
    operations:
      charge:
        input_schema: {amount: integer, note: string?}
        request: {method: POST, path: /charges, body: json}"""


def _top(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The file's own keys are described at the schema's root."""
    return {"properties": {**schema["$defs"][name]["properties"], **schema["properties"]}} if name == "document" else {}


def _part(title: str, found: Mapping[str, Any], known: Mapping[str, Any]) -> Part:
    about = [Block(found["description"])] if found.get("description") else []
    keys = (_key(name, value, found, known) for name, value in found["properties"].items())
    return Part(title, (*about, *keys))


def _key(name: str, value: Mapping[str, Any], around: Mapping[str, Any], known: Mapping[str, Any]) -> Block:
    whole = _resolved(value, known)
    words = [whole.get("description", ""), *_facts(value, whole, known)]
    must = " (required)" if name in around.get("required", ()) else ""
    return Block(" ".join(filter(None, words)) or "See the sections below.", term=f"{name}{must}")


def _resolved(value: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    target = known[value["$ref"].rpartition("/")[2]] if "$ref" in value else {}
    return {**target, **value}


def _facts(value: Mapping[str, Any], whole: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """What may be written, the default, and an example where it is short."""
    if words := _words(whole, known):
        yield f"One of {', '.join(words)}."
    if "default" in whole:
        yield f"Default: {json.dumps(whole['default'], ensure_ascii=False)}."
    shown = json.dumps((value.get("examples") or [None])[0], ensure_ascii=False)
    if not words and 0 < len(shown) <= 60 and shown != "null":
        yield f"Example: {shown}"


def _words(whole: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    choices = [whole, *(_resolved(each, known) for each in whole.get("anyOf", ()))]
    return [str(word) for each in choices for word in each.get("enum", ())]
