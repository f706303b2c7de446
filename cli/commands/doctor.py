"""`doctor`: what this host can really do and enforce, with the fix for what it cannot."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from ...core import dsn as address
from ...core.errors import RunnerUnavailable, SpecqlJobsError
from ...core.job import ExecutionType
from ..context import database, environment_name, registry_paths, runner_settings, settings_for
from ..exits import Exit, Finished
from ..leaf import command, group
from ..options import Sources, Target
from ..output.console import Console

if TYPE_CHECKING:
    from ...core.contract import Check
    from ...core.settings import Settings
    from ...runners import RunnerRegistry

app = group("What this host can really enforce.")

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 140000
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


@command(app, "doctor", "doctor --dsn postgresql://jobs@db-1/app", "doctor -o json")
async def doctor(console: Console, target: Target, sources: Sources) -> None:
    """Check database, schema, registry and each runner on this host. Exit 1 when any check fails."""
    settings = settings_for(console, target)
    host = [_python(), _tls(), *await _database(console, settings), _registry(sources, settings)]
    checks = [*host, *await _runners(settings)]
    console.answer({"checks": [asdict(check) for check in checks]}, lambda: _text(console, checks))
    raise Finished(Exit.NEGATIVE if any(check.status == "fail" for check in checks) else Exit.OK)


def _check(name: str, status: str, detail: str, fix: str = "") -> Check:
    from ...core.contract import Check  # noqa: PLC0415 - asyncio, 55 ms

    return Check(name, status, detail, fix)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return _check("python", "fail", version, "install Python 3.11 or later")
    return _check("python", "ok", version)


def _tls() -> Check:
    import ssl  # noqa: PLC0415 - only doctor looks at it

    if not ssl.HAS_TLSv1_3:
        return _check("tls", "warn", f"{ssl.OPENSSL_VERSION} has no TLS 1.3", "install a current OpenSSL")
    return _check("tls", "ok", ssl.OPENSSL_VERSION)


async def _database(console: Console, settings: Settings) -> list[Check]:
    if settings.dsn is None:
        return [_check("database", "skip", "no DSN is configured", "--dsn DSN, or set SPECQL_JOBS_DSN")]
    try:
        async with database(console, settings) as connection:
            from ...core.store.migrate import status  # noqa: PLC0415 - psycopg is there by now

            number = connection.info.server_version
            now = await status(connection)
    except SpecqlJobsError as error:
        message = console.secrets.redact(address.scrub(error.message))
        return [_check("database", "fail", message, error.hint)]
    place = f"PostgreSQL {number // 10000}.{number % 10000} at {address.describe(settings.dsn.text)}"
    old = number < OLDEST_POSTGRES
    server = _check("database", "fail" if old else "ok", place, "PostgreSQL 14 or later is needed" if old else "")
    if now.blocked:
        return [server, _check("schema", "fail", "migrated by a newer specql-jobs", "upgrade specql-jobs on this host")]
    if now.pending:
        return [server, _check("schema", "fail", f"pending: {', '.join(now.pending)}", "specql-jobs db migrate")]
    return [server, _check("schema", "ok", f"version {now.version}")]


def _registry(sources: Sources, settings: Settings) -> Check:
    from ...core.registry.load import load  # noqa: PLC0415 - yaml and jsonschema

    try:
        paths = registry_paths(sources.registry, settings)
        environment = environment_name(sources.env, settings)
        found = load(paths, environment=environment, variables=settings.variables)
    except SpecqlJobsError as error:
        status = "fail" if sources.registry else "skip"
        return _check("registry", status, error.message, error.hint)
    names = ", ".join(map(str, paths))
    if found.registry is None:
        return _check("registry", "fail", f"{names} has errors", f"specql-jobs validate {paths[0]}")
    return _check("registry", "ok", f"{names}: {len(found.registry.services)} services")


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
        return [_check(kind, "skip", error.message, f"nothing to do, unless a registry has {kind} services")]


def _text(console: Console, checks: list[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        word = console.painted(f"{check.status:<4}", COLOURS[check.status])
        lines.append(f"{word}  {check.name:<{width}}  {check.detail}")
        if check.fix and check.status != "ok":
            lines.append(f"{'':<4}  {'':<{width}}  -> {check.fix}")
    return "\n".join(lines)
