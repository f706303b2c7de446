"""The JSON Schema that editors and `validate` share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from specql_jobs.core.contract import ResourceRequirements
from specql_jobs.core.policy import Policy
from specql_jobs.core.policy_terms import TERMS
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.nodes import data
from specql_jobs.core.registry.quick_shape import schema
from specql_jobs.core.registry.source import read
from specql_jobs.core.registry.variables import fill

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "registries").glob("*.yaml"))


def test_it_is_a_valid_schema_of_its_draft() -> None:
    """Editors refuse a schema that is not valid itself."""
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_the_whole_schema_accepts_what_the_loader_accepts(path: Path) -> None:
    """An editor, which uses the schema as a whole, marks no error in a registry that loads."""
    root, _ = read(path.read_text(), path.name)
    assert root is not None
    filled, _ = fill(root, {})
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(data(filled))] == []


def properties(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for name, below in node.get("properties", {}).items():
            if isinstance(below, dict):
                yield f"{path}.{name}", below
        for key, below in node.items():
            yield from properties(below, f"{path}.{key}")
    elif isinstance(node, list):
        for below in node:
            yield from properties(below, path)


def test_every_key_is_described() -> None:
    """Whoever hovers over a key in an editor is told what it does."""
    definitions = schema()["$defs"]

    def described(rule: dict[str, Any]) -> bool:
        reference = rule.get("$ref", "").rpartition("/")[2]
        return "description" in rule or (bool(reference) and described(definitions[reference]))

    switches = ("http_service", "shell_service", "docker_service", "serverless_service", ".is_")
    silent = [
        path
        for path, rule in properties(schema())
        if not described(rule) and path != ".services" and not any(each in path for each in switches)
    ]
    assert silent == []


def test_every_policy_key_can_be_stated_and_is_read() -> None:
    """The schema's policy keys and the terms that code reads are the same keys."""
    definitions = schema()["$defs"]
    groups = {"resource_limits": "resource_limits", "circuit_breaker": "circuit_breaker"}
    stated: set[str] = set()
    for name in ("http", "shell", "docker", "serverless"):
        for key, rule in definitions[f"{name}_policy"]["properties"].items():
            inner = definitions[groups[key]] if key in groups else rule
            below = inner.get("properties")
            stated |= {f"{key}.{each}" for each in below} if below else {key}
    assert stated - {"working_directory"} == set(TERMS)


def test_every_field_of_policy_and_resources_has_a_key() -> None:
    """No limit exists that a registry could not state."""
    reached = {field for field, _ in TERMS.values()}
    wanted = {item.name for item in fields(Policy)} - {"resources"}
    assert reached == wanted | {f"resources.{item.name}" for item in fields(ResourceRequirements)}


def test_codes_are_stable_words() -> None:
    """Every rule has a code of its family's form, a name of its own and something to do about it."""
    assert all(code.startswith("SQJ") and len(code) == 6 and rule.help for code, rule in RULES.items())
    names = [rule.name for rule in RULES.values()]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name for name in names)
