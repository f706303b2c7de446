"""Whatever stands anywhere in an entity, the answer is a value and findings with places, never an exception."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from specql_jobs.core.entities import sql_text
from specql_jobs.core.entities.load import hold, load
from specql_jobs.core.registry.load import require

FOLDER = Path(__file__).parents[2] / "fixtures" / "entities"
FIXTURES = [yaml.safe_load((FOLDER / name).read_text()) for name in ("invoice.yaml", "document.yaml")]
REGISTRY = require([FOLDER / "services.yaml"], variables={})
# fmt: off
JUNK = st.sampled_from([
    None, True, 0, -1, 1.5, 10**18, "", "x", "$", "$a", "$a.b", "$invoice.x", "SET", "Invoice SET", "Invoice SET a =",
    "a WHERE", "'", "now(", "enum(", "list(text)", [], {}, [1], [None], [[]], [{}], {"a": None}, {"call_service": None},
    [{"call_service": {}}], {"call_service": "x.y", "on_success": [{"update": 1}]}, "a\nb", "${A}", {"set": 1},
])
KEYS = st.sampled_from([
    "call_service", "service", "operation", "input", "on_success", "on_failure", "timeout", "update", "set", "fields",
    "actions", "steps", "as", "then", "foreach", "values", "where", "name", "entity", "type", "enum", "method",
])
# fmt: on


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield from places(value, (*path, key))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A good entity in which one to three values are replaced by, or get a key with, something else."""
    document = copy.deepcopy(draw(st.sampled_from(FIXTURES)))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from([each for each in places(document) if each]))
        node = document
        for step in above:
            node = node[step]
        if isinstance(node[last], dict) and draw(st.booleans()):
            node[last][draw(KEYS)] = copy.deepcopy(draw(JUNK))
        else:
            node[last] = copy.deepcopy(draw(JUNK))
    return document


@settings(max_examples=300, deadline=None)
@given(spoilt())
def test_a_spoilt_entity_has_findings_with_places(document: Any) -> None:
    """Every finding points into the file."""
    text = json.dumps(document, indent=1, default=str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entity.yaml"
        path.write_text(text)
        loaded = hold(load([path]), REGISTRY)
    lines = text.split("\n")
    for found in loaded.findings:
        assert 1 <= found.position.line <= len(lines)
        assert 1 <= found.position.column <= len(lines[found.position.line - 1]) + 1
        assert found.message


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="$a.b'\"()[],=|:+ WHERE SET\n1é", max_size=60))
def test_no_text_breaks_the_reader_of_sql(text: str) -> None:
    """Any text is an expression or is none, and its parts are parts of it."""
    assert not sql_text.is_formula(text) or {"$", "("} & set(text)
    for each in sql_text.assignments(text, 0, len(text)) or ():
        assert 0 <= each.field[0] < each.field[1] <= each.value[0] < each.value[1] <= len(text)
