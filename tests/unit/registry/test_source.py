"""YAML text to values with positions: what is read, what is refused, and where findings point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specql_jobs.core.registry.nodes import data, locate
from specql_jobs.core.registry.source import DEEPEST, MOST_NODES, read


def codes(text: str) -> list[str]:
    return [found.code for found in read(text, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        *[(text, text) for text in ("off", "no", "yes", "on", "0777", "0x1f", "0o7", "1:30", ".inf", ".nan", "1_000")],
        ("2024-01-01", "2024-01-01"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("9" * 30, "9" * 30),
        ("1e999", "1e999"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    """Only true and false are booleans, only decimal numbers are numbers, all else is text."""
    root, findings = read(f"key: {written}\n", "f.yaml")
    assert root is not None
    assert findings == ()
    read_value = data(root)["key"]
    assert (read_value, type(read_value)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "SQJ002", 3, 1),
        ("a:\n  1: x\n", "SQJ003", 2, 3),
        ("true: x\n", "SQJ003", 1, 1),
        ("a: !!python/object/apply:os.system [x]\n", "SQJ004", 1, 4),
        ("a: !!str 1\n", "SQJ004", 1, 4),
        ("a: [1, 2\n", "SQJ001", 1, 9),
        ("a: b: c\n", "SQJ001", 1, 5),
        ("a:\n\tb: c\n", "SQJ006", 2, 1),
        ("a: x\0y\n", "SQJ006", 1, 5),
        ("a: \x1b[2J\n", "SQJ006", 1, 4),
        ("a: 1\n---\nb: 2\n", "SQJ007", 2, 1),
        ("a: *nowhere\n", "SQJ010", 1, 4),
        ("a: &x [*x]\n", "SQJ010", 1, 8),
        ("", "SQJ106", 1, 1),
        ("# nothing\n", "SQJ106", 1, 1),
    ],
)
def test_what_is_wrong_is_a_finding_at_its_place(text: str, code: str, line: int, column: int) -> None:
    """Bad YAML never raises: it becomes one finding with the line and column of the token."""
    _, (found, *more) = read(text, "f.yaml")
    assert not more
    assert (found.code, found.position.line, found.position.column) == (code, line, column)


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    """Aliases are counted as if expanded: nine levels of ten are refused, though the text is tiny."""
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert codes("\n".join(["l0: &l0 [x]", *levels])) == ["SQJ005"]


def test_a_merge_bomb_is_refused_too() -> None:
    """`<<` counts what it brings in like any other alias."""
    levels = [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 20)}]}}" for n in range(1, 8)]
    assert codes("\n".join(["m0: &m0 {a: 1}", *levels])) == ["SQJ005"]


def test_nesting_and_counts_are_capped() -> None:
    """Deeper than the cap, or more values than the cap, ends the reading with one finding."""
    assert codes("[" * 5000) == ["SQJ005"]
    assert codes("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)) == []
    assert codes("a: [" + "1," * (MOST_NODES + 1) + "]") == ["SQJ005"]


def test_depth_counts_through_aliases() -> None:
    """A chain of aliases cannot nest deeper than plain lists may."""
    levels = [f"d{n}: &d{n} [*d{n - 1}]" for n in range(1, DEEPEST + 2)]
    assert codes("\n".join(["d0: &d0 [x]", *levels])) == ["SQJ005"]


def test_anchors_aliases_and_merge_keys_work() -> None:
    """An alias stands for its anchor's value; keys stated beside `<<` win over merged ones."""
    root, findings = read("d: &d {a: 1, b: 2}\ne: {<<: *d, b: 3}\nf: *d\n", "f.yaml")
    assert root is not None
    assert findings == ()
    assert data(root) == {"d": {"a": 1, "b": 2}, "e": {"a": 1, "b": 3}, "f": {"a": 1, "b": 2}}


def test_positions_are_those_of_keys_and_values() -> None:
    """Every key and value knows its line and columns, in characters and not bytes."""
    root, _ = read('é: "ö"   # note\nlist:\n  - one\n  - {k: [1, 2]}\n', "f.yaml")
    assert root is not None
    value, key = root.pairs["é"].node.position, root.pairs["é"].key
    assert (key.line, key.column, key.end_column) == (1, 1, 2)
    assert (value.line, value.column, value.end_column) == (1, 4, 7)
    second = locate(root, ["list", 1, "k", 1]).position
    assert (second.line, second.column, second.end_column) == (4, 13, 14)
    block = locate(root, ["list"]).position
    assert (block.line, block.column, block.end_line, block.end_column) == (3, 3, 4, 16)


PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)


@given(PLAIN)
def test_no_text_makes_it_raise(text: str) -> None:
    """Whatever the text, the answer is a tree or findings."""
    root, findings = read(text, "f.yaml")
    assert root is not None or findings


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#\n ,?<%@`", max_size=80))
def test_no_yaml_punctuation_makes_it_raise(text: str) -> None:
    """Whatever YAML's own signs are made to say, positions stay inside the text."""
    _, findings = read(text, "f.yaml")
    lines = text.split("\n")
    assert all(1 <= found.position.line <= len(lines) for found in findings)
