"""Registry files to an immutable Registry and findings.

Bad content never raises: it becomes findings with their places, all of them in one run. Only what stands outside the
files (a path, an environment's name) raises UsageError.
"""

from __future__ import annotations

import difflib
import gc
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from ..errors import RegistryError, UsageError
from .assemble import Assembled, assemble, has_errors
from .build import policy_terms
from .canonical import Named, named
from .codes import finding
from .files import read_bytes, registry_files
from .model import Finding, Position, Registry, Service
from .nodes import Node
from .reference_rules import fillable
from .schema_rules import declared_fields, expanded
from .source import LARGEST_FILE, read
from .suppressions import suppress

_NO_SOURCES: Final[Mapping[str, str]] = MappingProxyType({})
_NOTHING_DEFINED: Final[Mapping[str, Named]] = MappingProxyType({})
_LINE_BREAK: Final = re.compile(r"\r\n?")
_BOM: Final = b"\xef\xbb\xbf"


class Declared(NamedTuple):
    """An operation that stands in a file, whether or not it can be used."""

    service: str
    operation: str
    position: Position


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of reading a registry."""

    make: Callable[[], Registry | None]
    findings: tuple[Finding, ...]
    sources: Mapping[str, str] = field(default_factory=lambda: _NO_SOURCES)  # path -> text, for excerpts
    files: int = 0
    suppressed: tuple[Finding, ...] = ()  # what comments in the files hide
    #: Every service in its canonical form by lower-case name, with the place of each value; there even with errors.
    defined: Mapping[str, Named] = field(default_factory=lambda: _NOTHING_DEFINED)
    environments: tuple[str, ...] = ()  # that the files declare

    @property
    def registry(self) -> Registry | None:
        """The registry, made when it is first asked for; None when any finding is an error."""
        return self.make()

    def declared(self) -> Iterator[Declared]:
        """Yield every operation that the files define, in their order."""
        for service in self.defined.values():
            for entry in named(service.node.get("operations")):
                yield Declared(service.name, entry.name, entry.position)


def load(paths: Sequence[Path], *, environment: str = "", variables: Mapping[str, str]) -> Loaded:
    """Return the registry in `paths` (files, or folders of *.yaml and *.yml) with all that was found in it.

    Raise UsageError for a path that cannot be read and for an environment that no file declares.
    """
    files = [(str(path), read_bytes(path)) for path in registry_files(paths)]
    return _load(files, environment, variables)


def load_text(text: str, name: str = "<stdin>", *, environment: str = "", variables: Mapping[str, str]) -> Loaded:
    """Return the registry in a text; `name` stands for its path in findings. Raise UsageError as `load` does."""
    return _load([(name, text.encode("utf-8", "surrogatepass"))], environment, variables)


def load_contents(files: Sequence[tuple[str, bytes]], *, environment: str = "", variables: Mapping[str, str]) -> Loaded:
    """Return the registry in files that were read already, each with its path. Raise UsageError as `load` does."""
    return _load(list(files), environment, variables)


def require(paths: Sequence[Path], *, environment: str = "", variables: Mapping[str, str]) -> Registry:
    """Return the registry in `paths`; raise RegistryError, with all findings, when it has errors."""
    return usable(load(paths, environment=environment, variables=variables))


def usable(loaded: Loaded) -> Registry:
    """Return what was loaded as a registry; raise RegistryError, with all findings, when it has errors."""
    if loaded.registry is not None:
        return loaded.registry
    errors = [found for found in loaded.findings if has_errors([found])]
    at, more = errors[0].position, f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    raise RegistryError(
        f"{at.path}:{at.line}:{at.column}: {errors[0].code} {errors[0].message}{more}",
        findings=loaded.findings,
        hint="run specql-jobs validate to see every finding",
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Nothing that is made of a file is cyclic; the collector, which looks for cycles, would take a third of the time.

    The pause is bounded as the files are: LARGEST_FILE, MOST_NODES. What was remembered of their nodes is forgotten.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for remembered in (expanded, declared_fields, fillable, policy_terms):
            remembered.cache_clear()
        if was_on:
            gc.enable()


@_collector_paused()
def _load(files: list[tuple[str, bytes]], environment: str, variables: Mapping[str, str]) -> Loaded:
    findings: list[Finding] = []
    sources: dict[str, str] = {}
    parts: list[Assembled] = []
    for name, raw in files:
        root = read_tree(name, raw, sources, findings)
        if root is not None:
            parts.append(assemble(root, environment, variables))
    environments = tuple(dict.fromkeys(name for part in parts for name in part.environments))
    if len(parts) == len(files):
        _require_environment(environment, environments)
    findings.extend(found for part in parts for found in part.findings)
    findings.extend(_defined_twice(parts))
    findings, hidden = suppress(findings, sources, whole=not environment)
    findings.sort(key=lambda found: (found.position.path, found.position.line, found.position.column, found.code))
    make = _nothing if has_errors(findings) else cache(partial(_registry, files, environment, tuple(parts)))
    defined = {key: entry for part in parts for key, entry in part.defined.items()}
    return Loaded(
        make,
        tuple(findings),
        MappingProxyType(sources),
        len(files),
        suppressed=hidden,
        defined=MappingProxyType(defined),
        environments=environments,
    )


def read_tree(name: str, raw: bytes, sources: dict[str, str], findings: list[Finding]) -> Node | None:
    """The tree of one file; None, and a finding, when it has none. A tree with findings is checked further."""
    start = Position(name, 1, 1, 1, 2)
    if len(raw) > LARGEST_FILE:
        findings.append(finding("SQJ005", f"the file is larger than {LARGEST_FILE // 1024} KiB", start))
        return None
    if raw.startswith(_BOM):
        findings.append(finding("SQJ011", "the file begins with a byte-order mark", start))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.append(finding("SQJ006", "the file is not UTF-8 text", _at_byte(name, raw, error.start)))
        return None
    text = _LINE_BREAK.sub("\n", text)  # YAML ends a line at a lone CR too: what follows counts lines as it does
    sources[name] = text
    root, found = read(text, name)
    findings.extend(found)
    return root


def _at_byte(name: str, raw: bytes, offset: int) -> Position:
    before = raw[:offset].decode("utf-8", "replace")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return Position(name, line, column, line, column + 1)


def _require_environment(environment: str, known: Sequence[str]) -> None:
    if not environment or environment in known:
        return
    near = difflib.get_close_matches(environment, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "add it under `environments:`, or leave --env away"
    listed = f"it declares {', '.join(known)}" if known else "it declares none"
    raise UsageError(
        f"the registry has no environment {environment[:80]!r}: {listed}",
        hint=hint,
        code="E222",
        name="environment-unknown",
    )


def _defined_twice(parts: Iterable[Assembled]) -> list[Finding]:
    first: dict[str, Position] = {}
    doubles = []
    for part in parts:
        for key, entry in part.defined.items():
            at = first.setdefault(key, entry.position)
            if at is not entry.position:
                message = f"the service {entry.name!r} is defined already in {at.path}, line {at.line}"
                doubles.append(finding("SQJ108", message, entry.position, service=entry.name))
    return doubles


def _nothing() -> None:
    """No registry: there are errors."""


@_collector_paused()
def _registry(files: list[tuple[str, bytes]], environment: str, parts: Iterable[Assembled]) -> Registry:
    services: dict[str, Service] = {}
    for part in parts:
        services.update(part.services())
    return Registry(
        services=MappingProxyType(services),
        digest=_digest((raw for _, raw in files), environment),
        paths=tuple(name for name, _ in files),
        environment=environment,
    )


def _digest(contents: Iterable[bytes], environment: str) -> str:
    """sha256 over the environment's name and each file's length and bytes: no two lists of files read the same."""
    state = hashlib.sha256(environment.encode() + b"\0")
    for raw in contents:
        state.update(b"%d\0" % len(raw))
        state.update(raw)
    return state.hexdigest()
