"""Whatever a registry holds, reading it ends with findings, and every format can say them.

Short and the same in every run; `pytest --hypothesis-profile=long` looks for what nobody thought of.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mutations import mapping_form
from support.tree import ROOT

from specql_jobs.cli import findings_report
from specql_jobs.cli.output.console import Console
from specql_jobs.cli.rule_choice import chosen
from specql_jobs.core.errors import UsageError
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.load import Loaded, load, load_text
from specql_jobs.core.registry.model import Severity
from specql_jobs.core.registry.quick_shape import schema

GOOD: Final = [
    form(path.read_text("utf-8"))
    for path in sorted((ROOT / "tests" / "fixtures" / "registries").glob("*.yaml"))
    for form in ((str, mapping_form) if path.stem.startswith("every_key") else (str,))
]
LONG: Final = settings.get_profile("long")
BOUNDED: Final = LONG if settings.default is LONG else settings(max_examples=60, deadline=None, derandomize=True)
COMMENTS: Final = ("# specql-jobs: ignore[", "#specql-jobs:ignore[", "# specql-jobs:", "## specql-jobs: ignore")


@cache
def known_keys() -> tuple[str, ...]:
    """Every key that the schema knows anywhere."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        for key, below in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
            found.update(below if key == "properties" and isinstance(below, dict) else ())
            walk(below)

    walk(schema()["$defs"])
    return tuple(sorted(found))


# ---- what is made up -------------------------------------------------------------------------------------------------

#: Characters that mean something somewhere: to YAML, to templates, to variables, to a terminal.
CHARACTERS: Final = st.one_of(
    st.sampled_from("{}[]:,&*#?|-<>=!%@\"'`\\$/~ \t\n\r\0\x1b\ufeff\u2028\u202e.é𐀀"), st.characters()
)
WORDS: Final = st.one_of(
    st.text(CHARACTERS, max_size=12),
    st.sampled_from(
        ["http", "shell", "docker", "lambda", "string", "integer?", "object", "30s", "512MB", "{x}", "{", "*"]
    ),
    st.sampled_from(["/usr/bin/true", "https://a.example", "https://[", "${A}", "${A:-", "$${", "..", "x@sha256:"]),
)
LEAVES: Final = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), WORDS)
KEYS: Final = st.one_of(st.sampled_from(known_keys()), st.sampled_from(["$ref", "pattern", "required", "x-a"]), WORDS)
TREES: Final = st.recursive(
    LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(KEYS, below, max_size=5)),
    max_leaves=25,
)
VARIABLES: Final = st.dictionaries(st.sampled_from(["A", "B", "HOME"]), WORDS, max_size=2)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in below:
        yield (*path, key)
        yield from places(value, (*path, key))


@st.composite
def altered(draw: st.DrawFn) -> str:
    """A good registry in which up to three values, at any depth, are anything at all."""
    document = copy.deepcopy(yaml.safe_load(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(document)) or [()]))
        node = document
        for step in path[:-1]:
            node = node[step]
        if path:
            node[path[-1]] = draw(TREES)
    return json.dumps(document, indent=1, ensure_ascii=draw(st.booleans()))


@st.composite
def cut_and_pasted(draw: st.DrawFn) -> str:
    """A good registry whose lines were moved, indented or broken."""
    lines = draw(st.sampled_from(GOOD)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        line = lines[at]
        cut = draw(st.integers(0, len(line)))
        lines[to] = draw(st.sampled_from([line, f"  {line}", line.lstrip(), line[:cut] + draw(WORDS) + line[cut:], ""]))
    return "\n".join(lines)


@st.composite
def commented(draw: st.DrawFn) -> str:
    """A good registry with comments of ours, whole and broken, beside or between its lines."""
    lines = draw(st.sampled_from(GOOD)).splitlines()
    code = st.one_of(st.sampled_from(sorted(RULES)), WORDS)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        codes = ",".join(draw(st.lists(code, max_size=3)))
        comment = draw(st.sampled_from(COMMENTS)) + codes + draw(st.sampled_from(["]", "] why", "", "]]"]))
        comment = comment.replace("\n", " ")
        lines[at] = draw(st.sampled_from([f"{lines[at]} {comment}", f"{comment}\n{lines[at]}", comment]))
    return "\n".join(lines)


# ---- what must hold --------------------------------------------------------------------------------------------------


def hold(loaded: Loaded) -> None:
    """A registry is None exactly when there is an error; every finding is of a known rule, and inside its file."""
    assert (loaded.registry is None) == any(each.severity is Severity.ERROR for each in loaded.findings)
    for found in (*loaded.findings, *loaded.suppressed):
        assert found.code in RULES
        assert found.message
        text = loaded.sources.get(found.position.path)
        if text is not None:
            lines = text.split("\n")  # every line break is this one by now
            assert 1 <= found.position.line <= len(lines), found
            assert 1 <= found.position.column <= len(lines[found.position.line - 1]) + 1, found
    render(loaded)


def render(loaded: Loaded) -> None:
    """Every format says every finding, in a form that its readers can parse."""
    severities = [str(each.severity) for each in loaded.findings]
    words = {"errors": "error", "warnings": "warning", "infos": "info"}
    summary = {"files": 1, "services": len(loaded.defined), "operations": len(list(loaded.declared())), "baselined": 0}
    summary |= {name: severities.count(word) for name, word in words.items()}
    report = findings_report.Report(loaded, loaded.findings, summary)
    console = Console(command="validate", colour="never")
    said = {name: give(report, console) for name, give in findings_report._FORMATS.items()}
    number = len(loaded.findings)
    assert len(json.loads(said["json"])["data"]["findings"]) == number
    assert len(json.loads(said["sarif"])["runs"][0]["results"]) == number
    assert ET.fromstring(said["junit"]).get("name")
    assert all(line.startswith("::") for line in said["github"].split("\n") if line)
    assert said["text"].count("[SQJ") >= number
    for text in said.values():
        text.encode("utf-8", "backslashreplace")
        assert "\x1b" not in text


@BOUNDED
@given(
    st.one_of(
        st.binary(max_size=300), st.text(CHARACTERS, max_size=200).map(lambda text: text.encode("utf-8", "ignore"))
    )
)
def test_any_bytes_are_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """A file of anything is findings, never an exception."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    hold(load([path], variables={}))


@BOUNDED
@given(TREES, st.booleans(), VARIABLES)
def test_any_tree_below_services_is_read(tree: Any, listed: bool, variables: dict[str, str]) -> None:
    """Whatever stands below `services`, in either form, is findings or a registry."""
    hold(load_text(json.dumps({"services": [tree] if listed else tree}), "f.yaml", variables=variables))


@BOUNDED
@given(altered(), VARIABLES)
def test_any_value_anywhere_is_read(text: str, variables: dict[str, str]) -> None:
    """A good registry with anything in place of some values is findings or a registry."""
    hold(load_text(text, "f.yaml", variables=variables))


@BOUNDED
@given(cut_and_pasted())
def test_any_slip_of_an_editor_is_read(text: str) -> None:
    """Lines moved, indented or broken are findings or a registry."""
    hold(load_text(text, "f.yaml", variables={}))


@BOUNDED
@given(commented())
def test_any_comment_is_read(text: str) -> None:
    """Comments that suppress, and those that only look like it, never break the reading."""
    hold(load_text(text, "f.yaml", variables={}))


@BOUNDED
@given(st.sampled_from(GOOD), st.dictionaries(WORDS, TREES, max_size=3), st.one_of(WORDS, st.just("staging")))
def test_any_environment_is_read(text: str, overlays: dict[str, Any], name: str) -> None:
    """Whatever an environment changes is findings or a registry; one that is not there is a wrong call."""
    document = {**yaml.safe_load(text), "environments": overlays}
    refused = ""
    try:
        hold(load_text(json.dumps(document), "f.yaml", environment=name, variables={}))
    except UsageError as error:
        refused = error.code
    assert refused in ("", "E222")


@BOUNDED
@given(
    st.lists(st.sampled_from(["${", "}", ":-", "A", "$$", "$", "{", " ", "x", "-", "\n", "😀"]), max_size=12), VARIABLES
)
def test_any_variable_is_read(pieces: Sequence[str], variables: dict[str, str]) -> None:
    """Text with whole and broken references to variables is findings or a registry, quoted and unquoted."""
    written = "".join(pieces)
    document = {
        "services": {"a": {"runner_config": {"base_url": written}, "operations": {written: {"timeout": written}}}}
    }
    hold(load_text(json.dumps(document), "f.yaml", variables=variables))
    hold(load_text(f"services:\n  a:\n    description: {written}\n", "f.yaml", variables=variables))


@BOUNDED
@given(
    st.lists(WORDS, max_size=3), st.lists(st.one_of(WORDS, st.sampled_from(["SQJ", "sqj4", "SQJ402,SQJ5"])), max_size=3)
)
def test_any_choice_of_rules_is_taken_or_refused(select: list[str], ignore: list[str]) -> None:
    """--select and --ignore choose among the findings, or are refused as a wrong call with a hint."""
    findings = load_text("services: {a: {opertions: {}}}", variables={}).findings
    left: tuple[Any, ...] = ()
    refused = ("", "a hint")
    try:
        left = chosen(findings, select, ignore)
    except UsageError as error:
        refused = (error.code, error.hint)
    assert set(left) <= set(findings)
    assert refused[0] in ("", "E206")
    assert refused[1]
