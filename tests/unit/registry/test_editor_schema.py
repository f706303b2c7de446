"""`schemas/registry.schema.json`, by which editors complete, explain and check a registry as it is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.tree import ROOT

from specql_jobs.core.job import ExecutionType
from specql_jobs.core.policy_terms import TERMS

SCHEMA: dict[str, Any] = json.loads((ROOT / "schemas" / "registry.schema.json").read_text("utf-8"))
WHOLE = Draft202012Validator(SCHEMA)
#: What only another regular expression engine than an editor's knows.
NOT_ECMA = re.compile(r"\\[AZzQ]|\(\?[PaiLmsux#]|\(\?<[=!]|\[\[:")

Rules = dict[str, Any]


def properties(node: Any, path: str = "") -> Iterator[tuple[str, Rules]]:
    """Every property of every schema in a schema, examples and other data left out."""
    if isinstance(node, list):
        for below in node:
            yield from properties(below, path)
    if not isinstance(node, dict):
        return
    for name, rules in node.get("properties", {}).items():
        yield f"{path}.{name}", rules
    for key, below in node.items():
        if key not in ("examples", "default", "enum", "required"):
            yield from properties(below, f"{path}.{key}")


def patterns(node: Any) -> Iterator[str]:
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("pattern"), str):
        yield node["pattern"]
    for each in below:
        yield from patterns(each)


EVERY = list(properties(SCHEMA))


def test_it_is_a_valid_schema_that_needs_no_network() -> None:
    """Editors refuse a schema that is not valid, and offline nothing outside it can be fetched."""
    Draft202012Validator.check_schema(SCHEMA)
    references = re.findall(r'"\$ref": "([^"]+)"', json.dumps(SCHEMA))
    assert {each for each in references if not each.startswith("#/$defs/")} == set()
    assert len(EVERY) > 250


def test_every_key_is_described_in_one_sentence() -> None:
    """Whoever hovers over a key is told what it does, in one sentence."""
    silent = [path for path, rules in EVERY if not re.fullmatch(r"[^\s].*\.", rules.get("description", ""))]
    assert silent == []
    assert [path for path, rules in EVERY if re.search(r"\w\. [A-Z]", rules["description"])] == []


def test_every_key_has_an_example_that_fits() -> None:
    """What an editor offers is right: each key has an example, and all its examples and its default are valid."""
    assert [path for path, rules in EVERY if not rules.get("examples")] == []
    wrong = [
        (path, example)
        for path, rules in EVERY
        for example in (*rules["examples"], *([rules["default"]] if "default" in rules else []))
        if not WHOLE.evolve(schema={"$defs": SCHEMA["$defs"], **rules}).is_valid(example)
    ]
    assert wrong == []


@pytest.mark.parametrize("kind", list(ExecutionType))
def test_examples_of_the_services_make_a_registry(kind: ExecutionType) -> None:
    """The examples of a type's four sections, put together as an author would, are a valid service."""
    sections = SCHEMA["$defs"][f"{kind}_service"]["properties"]
    service = {key: rules["examples"][0] for key, rules in sections.items() if key != "security"}
    document = {"services": {"made_of_examples": {"execution_type": str(kind), **service}}}
    assert [error.message for error in WHOLE.iter_errors(document)] == []


def test_other_spellings_say_what_they_are() -> None:
    """A key that is another word for one is not taken for a second switch."""
    spellings = {"security", "cpu", "memory", "disk", "max_processes", "initial_delay", "max_delay", "env"}
    told = {path.rpartition(".")[2] for path, rules in EVERY if rules["description"].startswith("Another ")}
    assert spellings <= told


def test_patterns_are_in_the_dialect_of_editors() -> None:
    """JSON Schema's patterns are ECMAScript's: an editor chokes on what only Python knows."""
    assert [pattern for pattern in patterns(SCHEMA) if NOT_ECMA.search(pattern)] == []


def test_a_variable_fits_wherever_a_value_does() -> None:
    """`${NAME}` is no mistake in an editor, where nobody knows what it stands for; the text beside it still is."""
    text = '{"services": {"pay": {"runner_config": {"timeout": "${T:-30}", "verify": "${V}", "auth_type": "${A}"}, '
    text += '"security_policy": {"max_concurrency": "${N}"}, "operations": {"go": {"max_retries": "${R}"}}}}}'
    assert [error.message for error in WHOLE.iter_errors(json.loads(text))] == []
    assert not WHOLE.is_valid(json.loads(text.replace("${N}", "ten")))
    assert not WHOLE.is_valid(json.loads(text.replace('"pay"', '"${PAY}"')))


def test_limits_of_the_policy_can_be_completed() -> None:
    """Every term that a policy may state is offered by the editor for some execution type."""
    offered = {path.rpartition(".")[2] for path, _ in EVERY}
    assert {key.rpartition(".")[2] for key in TERMS} <= offered
