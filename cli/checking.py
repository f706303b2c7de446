"""One check of registries, step by step: what is found in them, and then in what they are held against.

The steps share a `Check`, to which each adds its findings and its numbers. None prints an answer or ends the command.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from . import entity_calls
from .check_options import Checking, Comparing
from .context import environment_name, load_ceiling, policy_path, registry_paths, remember_registry
from .output.console import Console

if TYPE_CHECKING:
    from ..core.narrow import Ceiling
    from ..core.online.check import Skipped
    from ..core.registry.load import Declared, Loaded
    from ..core.registry.model import Finding
    from ..core.settings import Settings

#: What stdin may hold: the loader's own cap is lower, and it says so as a finding.
LARGEST_STDIN = 16 * 1024 * 1024  # bytes


@dataclass(slots=True)
class Check:
    """The registries, and what is found so far."""

    settings: Settings
    loaded: Loaded
    ceiling: Ceiling | None
    findings: list[Finding]
    numbers: dict[str, int] = field(default_factory=dict)  # of the summary, besides those that it always has
    skipped: tuple[Skipped, ...] = ()
    calls: tuple[tuple[str, Declared], ...] = ()  # call_service steps of entities, each with its action


def check(console: Console, checking: Checking, comparing: Comparing, settings: Settings) -> Check:
    """Return what is found in the registries and, where asked for, since a commit, in entities and out there."""
    path = policy_path(checking.policy, settings)
    ceiling = load_ceiling(path) if path else None
    loaded = _load(checking, settings) if checking.watch else _load_for_good(checking, settings)
    found = Check(settings, loaded, ceiling, [*loaded.findings, *_wider(loaded, ceiling)])
    if comparing.diff_base is not None:
        _since(console, comparing.diff_base, checking, found)
    if comparing.entities:
        _entities(console, comparing.entities, found)
    _online(console, checking, found)
    return found


def _load_for_good(checking: Checking, settings: Settings) -> Loaded:
    """What is loaded lives as long as the process: the collector need not go over it, not even the first time."""
    gc.disable()
    try:
        return _load(checking, settings)
    finally:
        gc.freeze()
        gc.enable()


def _load(checking: Checking, settings: Settings) -> Loaded:
    from ..core.registry.load import load, load_text  # noqa: PLC0415 - yaml and jsonschema

    environment = environment_name(checking.env, settings)
    if checking.paths and "-" in checking.paths:
        if len(checking.paths) > 1:
            raise UsageError("- and paths together", hint="check stdin alone, or name files")
        return load_text(read_stdin(), "<stdin>", environment=environment, variables=settings.variables)
    paths = registry_paths(checking.paths, settings)
    loaded = load(paths, environment=environment, variables=settings.variables)
    remember_registry(loaded, paths, settings)
    return loaded


def read_stdin() -> str:
    """Return stdin as text, bounded; raise UsageError when it is too long or not UTF-8."""
    content = sys.stdin.buffer.read(LARGEST_STDIN + 1)
    if len(content) > LARGEST_STDIN:
        raise UsageError(f"stdin holds more than {LARGEST_STDIN} bytes", hint="split the registry into several files")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"stdin is not UTF-8 text (byte {error.start})") from None


def _wider(loaded: Loaded, ceiling: Ceiling | None) -> Iterable[Finding]:
    """A ceiling narrows silently at run time; here the author learns of it. Only this makes the registry's services."""
    if ceiling is None or loaded.registry is None:
        return ()
    from ..core.registry.ceiling import wider  # noqa: PLC0415 - yaml

    return tuple(wider(loaded.registry, ceiling))


def _since(console: Console, ref: str, checking: Checking, found: Check) -> None:
    """Leave of the findings those of the change since a commit, and add what it breaks."""
    from . import since  # noqa: PLC0415 - starts git; only this flag needs it

    if checking.paths and "-" in checking.paths:
        raise UsageError("stdin has no past to compare with", hint=f"name the file: validate FILE --diff-base {ref}")
    paths, environment = registry_paths(checking.paths, found.settings), environment_name(checking.env, found.settings)
    now = since.Checked(paths, found.loaded, found.findings, environment, found.settings.variables)
    judged = since.judge(console, ref, now, lambda past: _wider(past, found.ceiling))
    found.findings = judged.findings
    found.numbers |= judged.numbers


def _entities(console: Console, paths: list[str], found: Check) -> None:
    entities = entity_calls.read(console, paths, found.loaded)
    found.findings += entities.findings
    found.loaded = entity_calls.beside(found.loaded, entities)
    found.numbers |= entity_calls.counts(entities)
    found.calls = tuple(entities.calls())


def _online(console: Console, checking: Checking, found: Check) -> None:
    """Add what is not there, and what could not be asked; nothing is asked without the flag."""
    if not checking.online:
        console.detail("offline: not asked whether hosts resolve, and secrets, images and functions exist (--online)")
        return
    from .online import look, read_kinds  # noqa: PLC0415 - asyncio and httpx

    seen = look(found.loaded, read_kinds(checking.online), found.settings.variables, console.secrets)
    found.findings += seen.findings
    found.skipped = seen.skipped


async def against_queue(console: Console, found: Check) -> None:
    """Add what the registry would no longer execute of the jobs in the queue."""
    from .queue_check import check_queue  # noqa: PLC0415 - only this flag needs the queue

    queued = await check_queue(console, found.settings, found.loaded, found.ceiling)
    found.findings += queued.findings
    accepted = found.numbers.get("accepted", 0) + queued.accepted
    found.numbers |= {"queued_jobs": queued.jobs, "accepted": accepted}
