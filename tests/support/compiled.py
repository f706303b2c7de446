"""Entities compiled and applied to a test's database, their actions called, and jobs ended as a worker ends them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from specql_jobs.core.entities.load import hold, load
from specql_jobs.core.registry.model import Finding, Registry
from specql_jobs.core.specql.compiler import CompiledEntity, Wanted, compile_entities
from specql_jobs.core.store import db

from .callbacks import Shop
from .tree import ROOT

FIXTURES = ROOT / "tests" / "fixtures" / "specql"


def compiled(
    *paths: Path, registry: Registry | None = None, tables: bool = True, schema: str = "public"
) -> tuple[CompiledEntity, ...]:
    """Return the entities of files as `compile --tables` makes them."""
    held = hold(load(paths), registry)
    return compile_entities(held.entities, registry, Wanted(tables=tables, schema=schema), held.findings)


def of_text(folder: Path, *texts: str, **orders: Any) -> tuple[CompiledEntity, ...]:
    """Return entities compiled from texts."""
    paths = [folder / f"entity_{number}.yaml" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return compiled(*paths, **orders)


def found(entities: Sequence[CompiledEntity]) -> list[tuple[str, int]]:
    """Return code and line of each finding of the compiler."""
    findings: list[Finding] = [each for entity in entities for each in entity.findings]
    return [(each.code, each.position.line) for each in findings]


class Compiled(Shop):
    """A queue whose jobs are made by compiled actions."""

    async def apply(self, *entities: CompiledEntity) -> None:
        """Run the SQL of entities that have no errors."""
        assert entities
        for each in entities:
            assert each.sql, each.findings
            await self.connection.execute(each.sql.encode())

    async def call(self, function: str, *values: Any, **named: Any) -> dict[str, Any]:
        """Call an action and return its answer."""
        parts = ["%s"] * len(values) + [f"{name} => %s" for name in named]
        (row,) = await self.rows(f"SELECT {function}({', '.join(parts)}) AS answer", *values, *named.values())
        answer: dict[str, Any] = row["answer"]
        return answer

    async def one(self, statement: str, *values: Any) -> Any:
        """Return the only value of the only row."""
        (row,) = await self.rows(statement, *values)
        return next(iter(row.values()))

    async def input_of(self, job: str | UUID) -> Any:
        """Return a job's input as it is read by whoever executes it."""
        return json.loads(await self.one("SELECT input_data::text FROM jobs.tb_job_run WHERE id = %s", job))


@asynccontextmanager
async def applied(dsn: str, *entities: CompiledEntity) -> AsyncIterator[Compiled]:
    """Open a migrated database with compiled entities in it."""
    async with db.open_database(dsn) as connection:
        it = Compiled(dsn, connection)
        await it.apply(*entities)
        yield it
