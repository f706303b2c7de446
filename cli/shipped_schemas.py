"""The JSON Schemas that this version brings: the registry's, for editors, and those of every `-o json` document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from ..core.errors import NotFound

_PACKAGE = __name__.rpartition(".cli.")[0]
_SUFFIX = ".schema.json"


@dataclass(frozen=True, slots=True)
class Shipped:
    """One schema: its name, what it is of, and its file."""

    name: str
    title: str
    file: Traversable

    def text(self) -> str:
        """Return the schema as it is in the package."""
        return self.file.read_text("utf-8")


def shipped() -> tuple[Shipped, ...]:
    """Return every schema: those of files that people write first, then those of documents, by name."""
    folder = files(f"{_PACKAGE}.schemas")
    return (*_inside(folder), *_inside(folder / "output"))


def named_schema(name: str) -> Shipped:
    """Return a schema by its name, or by what a document calls it (`specql-jobs.list/v1`); raise NotFound."""
    known = {each.name: each for each in shipped()}
    short = name.removeprefix("specql-jobs.").removesuffix("/v1").removesuffix(_SUFFIX)
    if short not in known:
        near = get_close_matches(short, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "specql-jobs schema list names them all"
        raise NotFound(f"there is no schema {name[:80]!r}", hint=hint, code="E312", name="unknown-schema")
    return known[short]


def _inside(folder: Traversable) -> Iterator[Shipped]:
    found = sorted((each for each in folder.iterdir() if each.name.endswith(_SUFFIX)), key=lambda each: each.name)
    for each in found:
        schema: dict[str, Any] = json.loads(each.read_text("utf-8"))
        yield Shipped(each.name.removesuffix(_SUFFIX), str(schema.get("title", "")), each)
