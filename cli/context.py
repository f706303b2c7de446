"""The wiring of a command: settings, database, registry, ceiling. Everything heavy is imported when it is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import dsn as address
from ..core.errors import UsageError
from ..core.settings import Settings, load_settings
from .options import Sources, Target
from .output.console import Console

if TYPE_CHECKING:
    from ..core.job import ExecutionType
    from ..core.narrow import Ceiling
    from ..core.registry.load import Loaded
    from ..core.registry.model import Registry
    from ..core.store.db import Connection

#: Where a registry is looked for when nothing names one.
DEFAULT_REGISTRIES = ("services.yaml", "services.yml", "registry.yaml", "registry.yml", "services")


def settings_for(console: Console, target: Target | None = None) -> Settings:
    """Return the effective settings; a DSN's password is masked in all that is said from now on."""
    settings = load_settings(dsn=target.dsn if target else None, profile=target.profile if target else "")
    if settings.dsn is not None:
        for password in address.passwords(settings.dsn.text):
            console.secrets.protect(password)
    if settings.dsn is not None and settings.dsn.origin == "--dsn" and address.passwords(settings.dsn.text):
        console.warn("other users of this host can see the password in --dsn with ps; set SPECQL_JOBS_DSN instead")
    return settings


def runner_settings(settings: Settings) -> dict[ExecutionType, dict[str, Any]]:
    """Return what the runners are made with: constructor arguments by execution type."""
    from ..core.job import ExecutionType  # noqa: PLC0415 - only commands that execute need it

    return {ExecutionType.DOCKER: {"url": settings.docker_host}}


def target_dsn(console: Console, settings: Settings) -> str:
    """Return the configured DSN, told to whoever asked with -v; raise ConfigError when there is none."""
    dsn = settings.require_dsn()
    console.detail(f"target: {address.describe(dsn)} (from {settings.dsn.origin if settings.dsn else ''})")
    return dsn


@asynccontextmanager
async def database(console: Console, settings: Settings, *, create: bool = False) -> AsyncIterator[Connection]:
    """Yield a connection to the configured database; raise ConfigError when none is configured.

    `create` lets a new embedded database be made; whoever only reads must not make one of a mistyped path.
    """
    from ..core.store.db import open_database  # noqa: PLC0415 - psycopg costs 170 ms

    async with open_database(
        target_dsn(console, settings), f"specql-jobs {console.command}", create=create
    ) as connection:
        yield connection


def registry_paths(given: list[str] | None, settings: Settings) -> list[Path]:
    """Return the registry's paths: those given, the configured one, or the default names in the current folder."""
    if given:
        if any(not path.strip() for path in given):
            raise UsageError("a registry path is empty", hint="leave it out, or name a file")
        return [Path(path) for path in given]
    if settings.registry is not None:
        return [_from_here(Path(settings.registry.text))]
    found = [Path(name) for name in DEFAULT_REGISTRIES if Path(name).exists()]
    if not found:
        raise UsageError(
            "there is no registry to read",
            code="E203",
            name="registry-missing",
            hint="name its file (validate FILE, elsewhere --registry FILE), "
            f"or put one of {', '.join(DEFAULT_REGISTRIES)} into this folder",
        )
    return found[:1]


def _from_here(path: Path) -> Path:
    """A configured path as people write it: relative where it is below the current folder."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def environment_name(sources_env: str, settings: Settings) -> str:
    """Return the overlay's name: --env, or the configured one."""
    return sources_env or (settings.environment.text if settings.environment else "")


def load_registry(sources: Sources, settings: Settings) -> Registry:
    """Return the registry; raise RegistryError when it has an error finding."""
    return read_registry(sources, settings)[0]


def read_registry(sources: Sources, settings: Settings) -> tuple[Registry, Loaded]:
    """Return the registry with the places of its values; raise RegistryError when it has an error finding."""
    from ..core.registry.load import load, usable  # noqa: PLC0415 - yaml and jsonschema

    paths = registry_paths(sources.registry, settings)
    loaded = load(paths, environment=environment_name(sources.env, settings), variables=settings.variables)
    return usable(loaded), loaded


def policy_path(flag: str, settings: Settings) -> Path | None:
    """Return the host ceiling's file, if one is named."""
    text = flag or (settings.policy.text if settings.policy else "")
    return Path(text) if text else None


def load_ceiling(path: Path) -> Ceiling:
    """Return the host ceiling; raise ConfigError when the file is wrong."""
    from ..core.registry.ceiling import load_ceiling as load  # noqa: PLC0415 - yaml

    return load(path)
