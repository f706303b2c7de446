"""Every setting as it holds for a command called here and now, each with the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core import dsn as address
from ..core.config_file import Source, Value, conninfo
from ..core.errors import UsageError
from ..core.settings import Settings, cache_folder, state_folder
from .context import registry_paths
from .options import Sources


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting: `value` is "" where nothing sets it, and never a secret."""

    key: str
    value: str
    origin: Source
    where: str  # the flag, variable or file, in words
    line: int  # of the file; 0 where there is none


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile that could be named, and where it stands."""

    name: str
    database: str
    protected: bool
    path: str
    line: int


def effective(settings: Settings, sources: Sources) -> list[Effective]:
    """Return every setting in the order in which they are told; raise ConfigError for a DSN that cannot be used."""
    return [*_database(settings), *_files(settings, sources), *_tables(settings), *_person_and_host(settings)]


def profiles(settings: Settings) -> list[Profile]:
    """Return every profile of the files, the nearest file's first where two have the same name."""
    found: dict[str, Profile] = {}
    for file in settings.files:
        for name, content in file.content.get("profiles", {}).items():
            shown = address.describe(conninfo(content))
            line = file.line(f"profiles.{name}")
            found.setdefault(name, Profile(name, shown, bool(content.get("protected")), str(file.path), line))
    return list(found.values())


def _of(key: str, found: Value | None, text: str | None = None) -> Effective:
    """What was found under a key, or that nothing was; `text` instead of a value that may not be shown."""
    if found is None:
        return Effective(key, text or "", Source.DEFAULT, "", 0)
    return Effective(key, found.text if text is None else text, found.source, found.origin, found.line)


# ---- the database ----------------------------------------------------------------------------------------------------


def _database(settings: Settings) -> Iterator[Effective]:
    named = settings.dsn
    yield _of("database", named, address.describe(named.text) if named else "")
    if named is not None and not address.is_embedded(named.text):
        from ..core.store import libpq  # noqa: PLC0415 - psycopg costs 170 ms

        for name, found in libpq.complete(named, settings.variables).items():
            yield _of(f"database.{name}", found, "set" if name == "password" else None)
    chosen = named if settings.profile else None
    yield _of("profile", chosen, settings.profile)
    yield _of("protected", chosen, "true" if settings.protected else "false")


# ---- the rest --------------------------------------------------------------------------------------------------------


def _files(settings: Settings, sources: Sources) -> Iterator[Effective]:
    yield _registry(settings, sources)
    yield _of("environment", _flag("--env", sources.env) or settings.environment)
    yield _of("policy", _flag("--policy", sources.policy) or settings.policy)


def _registry(settings: Settings, sources: Sources) -> Effective:
    stated = _flag("--registry", " ".join(sources.registry or ())) or settings.registry
    if stated is not None:
        return _of("registry", stated)
    try:
        return _of("registry", Value(str(registry_paths(None, settings)[0]), "the usual name", source=Source.DEFAULT))
    except UsageError:  # nothing is here: that is the answer
        return _of("registry", None)


def _flag(name: str, text: str) -> Value | None:
    return Value(text, name, source=Source.FLAG) if text else None


def _tables(settings: Settings) -> Iterator[Effective]:
    """The tables of the files, of which the nearest file's holds as a whole."""
    stated = Value("", "SPECQL_JOBS_RUNNERS", source=Source.ENVIRONMENT)
    by_variable = bool(settings.variables.get("SPECQL_JOBS_RUNNERS"))
    for kind, name in settings.runners.items():
        place = stated if by_variable else _in_file(settings, "runners", kind)
        yield _of(f"runners.{kind}", place, name)
    for key, value in settings.retention.items():
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        yield _of(f"retention.{key}", _in_file(settings, "retention", key), shown)


def _in_file(settings: Settings, table: str, key: str) -> Value | None:
    file = next((file for file in settings.files if table in file.content), None)
    return Value("", str(file.path), file.line(f"{table}.{key}")) if file else None


def _person_and_host(settings: Settings) -> Iterator[Effective]:
    env = settings.variables
    yield _by_variable("actor", "SPECQL_JOBS_ACTOR", settings.actor, env.get("SPECQL_JOBS_ACTOR", ""))
    yield _by_variable(
        "docker_host", "DOCKER_HOST", settings.docker_host or "unix:///var/run/docker.sock", env.get("DOCKER_HOST", "")
    )
    yield _folder("crash_files", "XDG_STATE_HOME", state_folder(env), env.get("XDG_STATE_HOME", ""))
    yield _folder("completion_cache", "XDG_CACHE_HOME", cache_folder(env), env.get("XDG_CACHE_HOME", ""))


def _by_variable(key: str, variable: str, shown: str, stated: str) -> Effective:
    place = Value("", variable, source=Source.ENVIRONMENT) if stated else None
    return _of(key, place, address.scrub(shown))


def _folder(key: str, variable: str, folder: Path, stated: str) -> Effective:
    """The XDG specification counts absolute paths only."""
    return _by_variable(key, variable, str(folder), stated if stated.startswith("/") else "")
