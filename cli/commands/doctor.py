"""`doctor`: what this host can really do and enforce, with the fix for what it cannot."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...core.errors import RunnerUnavailable, SpecqlJobsError
from ...core.job import ExecutionType
from .. import database_checks
from ..context import environment_name, registry_paths, runner_settings, settings_for
from ..database_checks import make_check
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Sources, Target
from ..output.console import Console
from ..output.text import amount

if TYPE_CHECKING:
    from ...core.contract import Check
    from ...core.settings import Settings
    from ...runners import RunnerRegistry

app = group("What this host can really enforce.")

OLDEST_PYTHON = (3, 11)
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


@command(app, "doctor", "doctor --dsn postgresql://jobs@db-1/app", "doctor -o json")
async def doctor(console: Console, target: Target, sources: Sources) -> None:
    """Check database, schema, rights, clocks, workers, registry and each runner on this host. Exit 1 when any fails.

    Each line that is not ok is followed by what to type. What cannot be asked is skipped, and said.
    """
    settings = settings_for(console, target)
    registry, types = _registry(sources, settings)
    asked = await database_checks.run(console, settings, types)
    checks = [_python(), _tls(), *asked, registry, *await _runners(settings)]
    console.answer({"checks": [asdict(check) for check in checks]}, lambda: _text(console, checks))
    raise Finished(Exit.NEGATIVE if any(check.status == "fail" for check in checks) else Exit.OK)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return make_check("python", "fail", version, "install Python 3.11 or later")
    return make_check("python", "ok", version)


def _tls() -> Check:
    import ssl  # noqa: PLC0415 - only doctor looks at it

    if not ssl.HAS_TLSv1_3:
        return make_check("tls", "warn", f"{ssl.OPENSSL_VERSION} has no TLS 1.3", "install a current OpenSSL")
    return make_check("tls", "ok", ssl.OPENSSL_VERSION)


def _registry(sources: Sources, settings: Settings) -> tuple[Check, dict[str, int]]:
    """The registry's line, and how many services of which type it has."""
    from ...core.registry.load import load  # noqa: PLC0415 - yaml and jsonschema

    try:
        paths = registry_paths(sources.registry, settings)
        environment = environment_name(sources.env, settings)
        found = load(paths, environment=environment, variables=settings.variables)
    except SpecqlJobsError as error:
        status = "fail" if sources.registry else "skip"
        return make_check("registry", status, error.message, error.hint), {}
    names = ", ".join(map(str, paths))
    if found.registry is None:
        return make_check("registry", "fail", f"{names} has errors", f"specql-jobs validate {paths[0]}"), {}
    types = Counter(str(service.execution_type) for service in found.registry.services.values())
    return make_check("registry", "ok", f"{names}: {amount(len(found.registry.services), 'service')}"), dict(types)


async def _runners(settings: Settings) -> list[Check]:
    from ...runners import RunnerRegistry  # noqa: PLC0415 - the runners' libraries

    runners = RunnerRegistry(settings=runner_settings(settings), chosen=settings.runners)
    try:
        return [check for kind in ExecutionType for check in await _runner(runners, kind)]
    finally:
        await runners.aclose()


async def _runner(runners: RunnerRegistry, kind: ExecutionType) -> list[Check]:
    """A type that has no runner here is no failure: a registry may never use it."""
    try:
        return await runners.runner(kind).check()
    except RunnerUnavailable as error:
        return [make_check(kind, "skip", error.message, f"nothing to do, unless a registry has {kind} services")]


def _text(console: Console, checks: list[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        word = console.painted(f"{check.status:<4}", COLOURS[check.status])
        lines.append(f"{word}  {check.name:<{width}}  {check.detail}")
        if check.fix and check.status != "ok":
            lines += [f"{'':<4}  {'':<{width}}  -> {line.strip()}" for line in check.fix.splitlines()]
    return "\n".join(lines)
