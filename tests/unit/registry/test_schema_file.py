"""The shape that `validate` holds a registry to, a JSON Schema."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

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
    """The shape as a whole says no more than its definitions, which the loader takes one by one."""
    root, _ = read(path.read_text(), path.name)
    assert root is not None
    filled, _ = fill(root, {})
    assert [error.message for error in Draft202012Validator(schema()).iter_errors(data(filled))] == []


def test_every_policy_key_can_be_stated_and_is_read() -> None:
    """The schema's policy keys and the terms that code reads are the same keys."""
    definitions = schema()["$defs"]
    groups = {name: name for name in ("resource_limits", "tenant_limits", "circuit_breaker")}
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
