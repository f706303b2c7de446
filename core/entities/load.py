"""Entity files to entities, and their calls held against a registry: findings with their places, all in one run.

Bad content never raises. A path that cannot be read raises UsageError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ..registry.codes import finding, helped
from ..registry.files import read_bytes
from ..registry.load import Declared, read_tree
from ..registry.model import Finding, Position, Registry
from ..registry.nodes import Node
from ..registry.suppressions import suppress
from . import callback_rules, input_rules, reference_rules, target_rules
from .files import EntityFile, entity_files
from .hints import near
from .model import Entity
from .read import is_entity, read_entity
from .reading import Reading
from .view import CallView, views

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
#: What an entity's file holds, even when it is not YAML that can be read.
_CLAIM: Final = re.compile(r"^entity[ \t]*:", re.MULTILINE)

RULES: Final[tuple[Callable[[CallView], Iterator[Finding]], ...]] = (
    target_rules.service,
    target_rules.operation,
    input_rules.given,
    input_rules.credentials,
    reference_rules.sent,
    reference_rules.in_callbacks,
    target_rules.timeout,
    target_rules.retries,
    callback_rules.written,
    callback_rules.function_names,
    callback_rules.same_function,
)


@dataclass(frozen=True, slots=True)
class Entities:
    """What the files hold. `skipped` names files of folders that are no entities; `files` counts the others."""

    entities: tuple[Entity, ...]
    findings: tuple[Finding, ...]
    sources: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # path -> text, for excerpts
    files: int = 0
    skipped: tuple[str, ...] = ()
    suppressed: tuple[Finding, ...] = ()

    def calls(self) -> Iterator[tuple[str, Declared]]:
        """Yield every call_service step with its action's name, in the files' order."""
        for entity in self.entities:
            for action, call in entity.calls():
                yield action.name, Declared(call.service.value, call.operation.value, call.node.position)


def load(paths: Sequence[Path]) -> Entities:
    """Return the entities in `paths` (files, or folders with all that is below them), not held against any registry."""
    reading, sources, skipped, found = Reading(), dict[str, str](), list[str](), list[Entity]()
    for file in entity_files(paths):
        entity, claims = _read(file, reading, sources)
        found += [entity] if entity else []
        skipped += [] if claims else [str(file.path)]
    return Entities(
        entities=tuple(found),
        findings=_ordered(reading.findings),
        sources=MappingProxyType({path: text for path, text in sources.items() if path not in skipped}),
        files=len(sources) - len(set(skipped) & sources.keys()),
        skipped=tuple(skipped),
    )


def hold(loaded: Entities, registry: Registry | None) -> Entities:
    """Return the entities with all that is found in them. Without a registry, what they call is not judged."""
    by_name = {entity.name.lower(): entity for entity in reversed(loaded.entities)}
    judged = (
        found
        for entity in loaded.entities
        for view in views(entity, registry, by_name)
        for rule in RULES
        for found in rule(view)
    )
    findings = _ordered([*loaded.findings, *judged])
    whole = registry is not None and not registry.environment
    left, hidden = suppress(findings, loaded.sources, whole=whole)
    return Entities(loaded.entities, _ordered(left), loaded.sources, loaded.files, loaded.skipped, suppressed=hidden)


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    unique = dict.fromkeys(findings)
    return tuple(
        sorted(unique, key=lambda each: (each.position.path, each.position.line, each.position.column, each.code))
    )


def _read(file: EntityFile, reading: Reading, sources: dict[str, str]) -> tuple[Entity | None, bool]:
    """The entity of a file, and whether the file claims to be one. What a folder holds besides is left alone."""
    path = str(file.path)
    problems: list[Finding] = []
    root = read_tree(path, read_bytes(file.path, "the entity file"), sources, problems)
    if root is None and (file.named or _CLAIM.search(sources.get(path, ""))):
        reading.findings += [each for each in problems if each.code != "SQJ106"]
        if any(each.code == "SQJ106" for each in problems):
            reading.findings.append(_no_entity(path, None))
        return None, True
    if root is None or not is_entity(root):
        if file.named:
            reading.findings.append(_no_entity(path, root))
        return None, file.named
    reading.findings += problems
    return read_entity(root, reading), True


def _no_entity(path: str, root: Node | None) -> Finding:
    if root is not None and "services" in root.pairs:
        message = "the file is a service registry, not a SpecQL entity"
        help_text = "name it without --entities: specql-jobs validate REGISTRY --entities ENTITY"
        return helped(finding("SQJ601", message, root.pairs["services"].key), help_text)
    message = "the file is no entity: it has no key `entity`"
    for key, pair in root.pairs.items() if root is not None else ():
        if near(key, ("entity",)):
            return helped(finding("SQJ601", message, pair.key), f"did you mean `entity` where `{key[:60]}` stands?")
    return finding("SQJ601", message, Position(path, 1, 1, 1, 2))
