"""Thousands of registries with one mistake each: every mistake is found, in its line, in words that name it.

The mistakes are made by support/mutations.py from one registry of each execution type, in list and in mapping form.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from support.cli import specql_jobs
from support.mutations import KINDS, SEED, Mutation, Text, injected, mapping_form, mutations, read
from support.tree import ROOT

from specql_jobs.core.job import ExecutionType
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.load import Loaded, load, load_text
from specql_jobs.core.registry.model import Finding

FOLDER: Final = ROOT / "tests" / "fixtures" / "registries"
#: All of them take half a minute; each kind of mistake in each text gets its share.
EACH: Final = 8
INJECTED: Final = 30  # there are many kinds of bad values
FORMS: Final = {"list": lambda text: text, "map": mapping_form}

TEXTS: Final = {
    f"{kind}-{form}": read(f"{kind}-{form}", change((FOLDER / f"every_key_{kind}.yaml").read_text("utf-8")))
    for kind in ExecutionType
    for form, change in FORMS.items()
}
#: Where a finding stands elsewhere than the change, and why: the only reasons there are.
REASONS: Final = {
    "a key that is not there has no line: the finding is at the name of what lacks it",
    "the policy is not wrong by itself: the finding is at what it no longer allows",
    "YAML notices it at the next word, in the line below",
}


def chosen() -> list[Mutation]:
    """The same mistakes in every run: up to EACH of each kind in each text."""
    found: list[Mutation] = []
    for text in TEXTS.values():
        for kind in KINDS:
            every = list(kind(text, random.Random(f"{SEED} {text.name} {kind.__name__}")))
            share = INJECTED if kind is injected else EACH
            found += random.Random(SEED).sample(every, min(share, len(every)))
    return found


CHOSEN: Final = chosen()


def checked(content: bytes, folder: Path) -> Loaded:
    path = folder / "f.yaml"
    path.write_bytes(content)
    return load([path], variables={})


@cache
def before(name: str) -> frozenset[tuple[str, str]]:
    """What is found in a registry before a mistake is made."""
    loaded = load_text("\n".join(TEXTS[name].lines), variables={})
    return frozenset((each.code, each.message) for each in loaded.findings)


def new(found: Iterable[Finding], text: Text) -> list[Finding]:
    """What the registry without the mistake does not have."""
    return [each for each in found if (each.code, each.message) not in before(text.name)]


def origin(mutation: Mutation) -> Text:
    return TEXTS["-".join(mutation.id.split("-")[1:3])]


@pytest.mark.parametrize("mutation", CHOSEN, ids=lambda each: each.id)
def test_a_mistake_is_found_in_its_line(mutation: Mutation, tmp_path: Path) -> None:
    """Whatever is wrong, a finding stands at the very line and names what is wrong or how to mend it."""
    found = new(checked(mutation.content, tmp_path).findings, origin(mutation))
    here = [each for each in found if each.position.line in mutation.lines]
    assert here, found
    assert [each for each in here if mutation.word in f"{each.message} {each.help}"], here


@pytest.mark.parametrize("mutation", random.Random(SEED).sample(CHOSEN, 10), ids=lambda each: each.id)
def test_the_command_line_finds_it_too(mutation: Mutation, tmp_path: Path) -> None:
    """The command ends with 0 or 1 and lists the finding in its JSON document, never a crash."""
    path = tmp_path / "f.yaml"
    path.write_bytes(mutation.content)
    said = specql_jobs("validate", str(path), "-o", "json")
    assert said.code == (1 if said.data["summary"]["errors"] else 0)
    lines = [each["line"] for each in said.data["findings"]]
    assert set(lines) & set(mutation.lines)


@pytest.mark.parametrize("text", TEXTS.values(), ids=lambda each: each.name)
def test_the_registries_themselves_are_good(text: Text, tmp_path: Path) -> None:
    """Before a mistake is made there is nothing but notes, so that what is found comes from the mistake."""
    loaded = checked(text.with_line(0, text.lines[0]), tmp_path)
    assert loaded.registry is not None
    assert {str(each.severity) for each in loaded.findings} <= {"info"}


def test_there_are_many_mistakes_of_every_kind() -> None:
    """Hundreds are checked here, of every kind, from every text, and each has an id of its own."""
    kinds = Counter(each.id.partition("-")[0] for each in CHOSEN)
    every = list(mutations(list(TEXTS.values())))
    assert len(CHOSEN) >= 200
    assert len(every) > 3000
    assert set(kinds) == {each.id.partition("-")[0] for each in every}
    assert len({each.id for each in every}) == len(every)
    assert {each.content for each in every}.isdisjoint({text.with_line(0, text.lines[0]) for text in TEXTS.values()})


def test_findings_stand_elsewhere_for_few_reasons() -> None:
    """A finding that is not in the changed line has one of three reasons."""
    assert {each.why_elsewhere for each in mutations(list(TEXTS.values()))} <= {"", *REASONS}


def test_every_rule_that_a_mistake_can_break_is_broken(tmp_path: Path) -> None:
    """The mistakes reach at least thirty rules, so that they are not thirty ways to write one."""
    codes = {each.code for mutation in CHOSEN for each in checked(mutation.content, tmp_path).findings}
    assert len(codes & set(RULES)) >= 30, sorted(codes)
