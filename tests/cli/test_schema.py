"""`schema`: the JSON Schemas that this version brings, offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.cli import specql_jobs
from support.tree import ROOT


def test_show_prints_the_file_that_init_writes(tmp_path: Path) -> None:
    """What `schema show registry` prints brings the file of an older `init` up to date, to the byte."""
    specql_jobs("init", ".", folder=tmp_path)
    said = specql_jobs("schema", "show", "registry", folder=tmp_path)
    assert said.code == 0
    assert said.out == (tmp_path / "registry.schema.json").read_text("utf-8")
    first = (tmp_path / "services.yaml").read_text("utf-8").splitlines()[0]
    assert (tmp_path / first.partition("$schema=")[2]).is_file()


@pytest.mark.parametrize("name", ["validate", "specql-jobs.validate/v1", "validate/v1"])
def test_a_document_finds_its_schema_by_its_own_word(name: str) -> None:
    """The `schema` of a JSON document names what to ask for."""
    said = specql_jobs("schema", "show", name)
    assert json.loads(said.out)["$id"] == "specql-jobs.validate/v1"


def test_list_has_every_schema() -> None:
    """The list has the schemas of what people write first, then one for each document, all with a title."""
    found = specql_jobs("schema", "list", "-o", "json").data["schemas"]
    files = {path.name.removesuffix(".schema.json") for path in (ROOT / "schemas" / "output").iterdir()}
    assert [each["name"] for each in found[:2]] == ["ceiling", "registry"]
    assert {each["name"] for each in found} >= files
    assert specql_jobs("schema", "list", "-q").out.split() == [each["name"] for each in found]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """Exit 3, and what was probably meant."""
    said = specql_jobs("schema", "show", "registri", "-o", "json")
    assert said.code == 3
    assert (said.error["code"], said.error["hint"]) == ("E312", "did you mean registry?")


def test_show_as_json_is_one_document() -> None:
    """With -o json the schema stands in the envelope, as any answer does."""
    data = specql_jobs("schema", "show", "registry", "-o", "json").data
    assert data["name"] == "registry"
    assert data["schema"]["title"] == "specql-jobs service registry"
