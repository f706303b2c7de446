"""`schema`: the JSON Schemas of the registry and of every JSON document, offline."""

from __future__ import annotations

import json
from typing import Annotated

from typer import Argument

from ..leaf import Listed, command, group
from ..output.console import Console

app = group("JSON Schemas for editors and scripts.")


@app.callback()
def schema() -> None:
    """JSON Schemas for editors and scripts: list, and show one."""


@command(app, "schema list", "schema list -o json", name="list", formats=Listed)
def list_schemas(console: Console) -> None:
    """List the schemas that this version brings: of the registry, and of what each command answers with -o json."""
    from ..output.listed import Table, answer_list  # noqa: PLC0415 - only commands with lists
    from ..shipped_schemas import shipped  # noqa: PLC0415 - importlib.resources

    found = [{"name": each.name, "title": each.title} for each in shipped()]
    rows = [(each["name"], each["title"]) for each in found]
    answer_list(console, "schemas", found, Table(("SCHEMA", "TITLE"), rows))


@command(
    app,
    "schema show registry > registry.schema.json",
    "schema show list",
    "schema show specql-jobs.validate/v1",
    name="show",
)
def show(
    console: Console,
    name: Annotated[str, Argument(metavar="NAME", help="registry, a command, or a document's own `schema`")],
) -> None:
    """Print a schema as it is. Exit 3 for an unknown name.

    After an upgrade, `schema show registry` brings the file that an editor reads beside services.yaml up to date.
    """
    from ..shipped_schemas import named_schema  # noqa: PLC0415 - importlib.resources

    found = named_schema(name)
    console.answer({"name": found.name, "schema": json.loads(found.text())}, lambda: found.text().rstrip("\n"))
