"""Entities to SQL: a function for each action, the callbacks of its calls, and all that was found on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..entities.model import Action, Entity
from ..registry.codes import finding
from ..registry.model import Finding, Registry, Severity
from ..registry.nodes import token
from . import columns
from .action_function import CompiledAction, compile_action
from .callback_functions import CompiledCallback, compile_callbacks
from .job_insert import CallServiceStepCompiler, CompiledStep
from .problems import NotCompiled
from .quoting import comment
from .tables import table
from .writes import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of the entities is compiled: actions by name (none means all), and whether their tables are made too."""

    actions: frozenset[str] = frozenset()
    tables: bool = False
    schema: str = columns.DEFAULT_SCHEMA  # of entities that name none


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledEntity:
    """One entity as SQL; "" when a finding is an error."""

    entity: Entity
    schema: str
    sql: str
    steps: tuple[CompiledStep, ...]
    findings: tuple[Finding, ...]


def compile_entities(
    entities: Sequence[Entity], registry: Registry | None, wanted: Wanted, found: Sequence[Finding] = ()
) -> tuple[CompiledEntity, ...]:
    """Return each entity as SQL. `found` are findings about the files: one with an error compiles to nothing."""
    tables = Tables({each.name.lower(): each for each in reversed(entities)}, wanted.schema)
    calls = CallServiceStepCompiler(registry)
    twice = list(_stated_twice(entities, wanted))
    return tuple(_Entity(each, tables, calls, wanted).compiled([*found, *twice]) for each in entities)


@dataclass(frozen=True, slots=True)
class _Entity:
    entity: Entity
    tables: Tables
    calls: CallServiceStepCompiler
    wanted: Wanted

    def compiled(self, found: Sequence[Finding]) -> CompiledEntity:
        actions = [self._action(each) for each in self.entity.actions if self._is_wanted(each.name)]
        callbacks = [each for each in compile_callbacks(self.entity, self.tables, self.calls) if self._serves(each)]
        made, problems = self._table()
        path = self.entity.position.path
        findings = [*problems, *_findings(actions, callbacks)]
        wrong = [each for each in (*findings, *found) if each.severity is Severity.ERROR and each.position.path == path]
        here = [*findings, *(each for each in found if each.code == "SQJ655" and each.position.path == path)]
        parts = [made, *(each.sql for each in actions), *(each.sql for each in callbacks)]
        return CompiledEntity(
            entity=self.entity,
            schema=self.entity.schema or self.tables.schema,
            sql="" if wrong or not any(parts) else "\n\n".join([self._head(), *filter(None, parts)]) + "\n",
            steps=() if wrong else tuple(sorted(_steps(actions, callbacks), key=lambda each: each.position.line)),
            findings=tuple(dict.fromkeys(here)),
        )

    def _head(self) -> str:
        name = f"{self.entity.schema or self.tables.schema}.{self.entity.name}"
        return comment(f"{name}: compiled by specql-jobs; change the entity, not this file")

    def _is_wanted(self, name: str) -> bool:
        return not self.wanted.actions or name in self.wanted.actions

    def _serves(self, callback: CompiledCallback) -> bool:
        return any(map(self._is_wanted, callback.actions))

    def _action(self, action: Action) -> CompiledAction:
        return compile_action(self.entity, action, self.tables, self.calls)

    def _table(self) -> tuple[str, list[Finding]]:
        try:
            return (table(self.entity, self.tables) if self.wanted.tables else ""), []
        except NotCompiled as problem:
            return "", [problem.finding]


def _steps(actions: Sequence[CompiledAction], callbacks: Sequence[CompiledCallback]) -> Iterator[CompiledStep]:
    for action in actions:
        yield from action.steps
    for callback in callbacks:
        yield from callback.steps


def _findings(actions: Sequence[CompiledAction], callbacks: Sequence[CompiledCallback]) -> Iterator[Finding]:
    for action in actions:
        yield from action.findings
    for callback in callbacks:
        yield from callback.findings


def _stated_twice(entities: Sequence[Entity], wanted: Wanted) -> Iterator[Finding]:
    """Two actions of one schema with one name would be one function: the second would take the first one's place."""
    first: dict[tuple[str, str], str] = {}
    for entity in entities:
        for action in entity.actions:
            key = (entity.schema or wanted.schema, action.name)
            if key in first:
                message = f"the function {'.'.join(key)[:120]} is already that of {first[key]}"
                yield finding("SQJ655", message, token(action.position))
            else:
                first[key] = f"{entity.name}, line {action.position.line}"
