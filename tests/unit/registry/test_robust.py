"""Whatever stands anywhere in a registry, the answer is a registry or findings, never an exception."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from specql_jobs.core.errors import UsageError
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.model import Severity

FIXTURES = [
    yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "fixtures" / "registries").glob("*.yaml"))
]
# fmt: off
JUNK = st.sampled_from([
    None, True, 0, -1, 1.5, "", "x", "0.0001KB", "99999999999999TB", "${A}", "${", "{q}", [], {}, [1], [None], ["x"],
    {"a": None}, {"name": "x"}, [{"name": 1}], [{}], {"$ref": "#/nowhere"}, {"type": "object", "properties": 3},
    {"type": ["string", "x"]}, {"services": {}}, {"services": [1]}, "http", "docker", "/x", "https://[", "a\nb",
])
KEYS = st.sampled_from([
    "name", "security", "cpu", "memory", "environments", "production", "x-y", "services", "operations", "type",
    "properties", "request", "argv", "env", "working_directory", "execution_type", "input_schema", "runner_config",
])
# fmt: on


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from places(value, (*path, key))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A good registry in which one to three values are replaced by, or get a key with, something else."""
    document = copy.deepcopy(draw(st.sampled_from(FIXTURES)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(document))))
        node = document
        for step in path[:-1]:
            node = node[step]
        if not path:
            continue
        target = node[path[-1]]
        if isinstance(target, dict) and draw(st.booleans()):
            target[draw(KEYS)] = copy.deepcopy(draw(JUNK))
        else:
            node[path[-1]] = copy.deepcopy(draw(JUNK))
    return document


@settings(max_examples=400, deadline=None)
@given(spoilt(), st.sampled_from(["", "staging"]))
def test_a_spoilt_registry_has_findings_or_loads(document: Any, environment: str) -> None:
    """A registry is None exactly when there is an error, and every finding has a place in the file."""
    declared = document.get("environments")
    if not isinstance(declared, dict) or environment not in declared:
        environment = ""
    text = json.dumps(document, indent=1)
    try:
        loaded = load_text(text, "f.yaml", environment=environment, variables={})
    except UsageError:
        assert environment  # the junk stands where the environment stood
        return
    assert (loaded.registry is None) == any(found.severity is Severity.ERROR for found in loaded.findings)
    lines = text.split("\n")
    for found in loaded.findings:
        assert 1 <= found.position.line <= len(lines)
        assert 1 <= found.position.column <= len(lines[found.position.line - 1]) + 1
