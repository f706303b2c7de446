"""`schemas/ceiling.schema.json`, by which editors complete and check a host ceiling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from specql_jobs.core.errors import ConfigError
from specql_jobs.core.registry.ceiling import load_ceiling

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[3] / "schemas" / "ceiling.schema.json").read_text("utf-8"))
TYPES = ("http", "shell", "docker", "serverless")
KEYS = {key: rules for key, rules in SCHEMA["properties"].items() if key not in TYPES}


def taken(document: Any, folder: Path) -> bool:
    """Whether the loader takes a ceiling."""
    (folder / "ceiling.yaml").write_text(yaml.safe_dump(document))
    try:
        load_ceiling(folder / "ceiling.yaml")
    except ConfigError:
        return False
    return True


def stated() -> Iterator[Any]:
    """Every key with its examples, at the top and below each type."""
    for key, rules in KEYS.items():
        for example in rules["examples"]:
            yield pytest.param({key: example}, id=f"{key}={example}"[:60])
            for kind in TYPES:
                yield pytest.param({kind: {key: example}}, id=f"{kind}.{key}={example}"[:60])


@pytest.mark.parametrize("document", list(stated()))
def test_every_key_is_taken_by_editor_and_loader(document: Any, tmp_path: Path) -> None:
    """What the schema shows as an example, the loader takes, for all services and below each execution type."""
    assert Draft202012Validator(SCHEMA).is_valid(document)
    assert taken(document, tmp_path)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"max_execution_tyme": "10m"},
        {"max_execution_time": "soon"},
        {"max_execution_time": "${LIMIT}"},
        {"resource_limits": {"memory": "lots"}},
        {"resource_limits": {"memoy": "1GiB"}},
        {"shell": {"allowed_commands": "/usr/bin/convert"}},
        {"shell": {"sandbox": "perhaps"}},
        {"lambda": {"allowed_regions": ["eu-west-1"]}},
        {"services": {}},
    ],
    ids=str,
)
def test_editor_and_loader_refuse_the_same(document: Any, tmp_path: Path) -> None:
    """An unknown key, a value of no use and a variable, which nobody fills in, are refused by both."""
    assert not Draft202012Validator(SCHEMA).is_valid(document)
    assert not taken(document, tmp_path)
