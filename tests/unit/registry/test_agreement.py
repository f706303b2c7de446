"""Editors and `validate` agree: the schema refuses a registry exactly when the rules find its structure wrong."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from jsonschema import Draft202012Validator
from support.mutations import KINDS, SEED, Mutation, mapping_form, read
from support.tree import ROOT

from specql_jobs.core.job import ExecutionType
from specql_jobs.core.registry import source
from specql_jobs.core.registry.codes import RULES
from specql_jobs.core.registry.load import load_text
from specql_jobs.core.registry.model import Finding, Severity
from specql_jobs.core.registry.nodes import data
from specql_jobs.core.registry.pages import pages

FOLDER: Final = ROOT / "tests" / "fixtures" / "registries"
#: Of each kind of mistake in each text; all of them take a minute.
EACH: Final = 12

#: Errors of the family 1xx that are no matter of structure, or of more than JSON Schema can say, and why.
BEYOND: Final = {
    "SQJ107": "names are compared without regard to case, and in a list by a key: JSON Schema knows neither",
    "SQJ108": "it takes two files",
    "SQJ111": "what stands in a schema is for the meta-schema that it names, or for the shorthand",
    "SQJ114": "it compares names in one keyword with keys in another",
    "SQJ115": "it compares two numbers",
    "SQJ120": "a cron expression is no regular language worth reading: the library's own words are better",
    "SQJ121": "which zones there are is the time zone database's",
    "SQJ122": "it takes a calendar",
    "SQJ123": "it holds one value against another",
}
#: The same of single findings: part of the message, and why JSON Schema cannot say it.
BEYOND_FINDINGS: Final = {
    "the file defines no service": "services may come from any environment, whose names are the author's own",
    "wanted at most 31536000 seconds, got the text": "it is a sum over a text with a unit",
    "wanted at most 1125899906842624 bytes, got the text": "the same",
    "wanted at most 1073741824 mebibytes, got the text": "the same",
    "too small": "the same",
}


@cache
def editor() -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "schemas" / "registry.schema.json").read_text("utf-8")))


def structural(found: Finding) -> bool:
    """Whether a finding is one that an editor should have by the schema."""
    stated = found.severity is Severity.ERROR and found.code.startswith("SQJ1") and found.code not in BEYOND
    return stated and not any(words in found.message for words in BEYOND_FINDINGS)


def disagreement(text: str, variables: dict[str, str]) -> str:
    """What one side says of a text and the other does not; "" when they agree, or when it is no YAML."""
    root, _ = source.read(text.removeprefix("\ufeff"), "f.yaml")
    if root is None:
        return ""
    found = [each for each in load_text(text, "f.yaml", variables=variables).findings if structural(each)]
    marked = [error.message for error in editor().iter_errors(data(root))]
    return "" if bool(found) == bool(marked) else f"validate: {found}\neditor: {marked}\n{text}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_they_agree_on_every_fixture(path: Path) -> None:
    """A registry that loads has no mark in an editor."""
    assert disagreement(path.read_text("utf-8"), {}) == ""


@pytest.mark.parametrize("code", [code for code in pages() if code in RULES])
def test_they_agree_on_every_page(code: str) -> None:
    """What `explain` shows as bad and as good is so in an editor too, as far as structure goes."""
    each = pages()[code]
    assert [disagreement(text, dict(each.variables)) for text in (each.bad, each.good)] == ["", ""]


def some(every: list[Mutation], chance: random.Random) -> list[Mutation]:
    return chance.sample(every, min(EACH, len(every)))


@pytest.mark.parametrize("form", ["list", "map"])
@pytest.mark.parametrize("kind", list(ExecutionType))
def test_they_agree_on_spoilt_registries(kind: ExecutionType, form: str) -> None:
    """Keys dropped, renamed, misplaced and doubled, values retyped and injected: both sides see it or neither."""
    written = (FOLDER / f"every_key_{kind}.yaml").read_text("utf-8")
    text = read(f"{kind}-{form}", mapping_form(written) if form == "map" else written)
    chance = random.Random(f"{SEED} {kind} {form}")
    contents = [mutation.content for mistake in KINDS for mutation in some(list(mistake(text, chance)), chance)]
    assert len(contents) > 50
    apart = [disagreement(each.decode("utf-8", "replace"), {}) for each in contents]
    assert [each for each in apart if each] == []


def test_each_exception_is_one() -> None:
    """The table lists nothing that the schema says after all: each of its rules has an example that an editor takes."""
    for code in BEYOND:
        bad = pages()[code].bad
        root, _ = source.read(bad, "f.yaml")
        assert root is not None
        assert editor().is_valid(data(root)), code
