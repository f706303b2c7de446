"""Where a command finds its database, registry and names: flags, environment, configuration files, in that order.

The only reader of the process environment, with core/secrets.py.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .config_file import PROJECT_FILE, ConfigFile, Source, Value, check_runners, config_files, conninfo
from .errors import ConfigError, NotFound

#: Any of these says that libpq's own variables are meant to name the server.
LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT", "PGUSER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for this command. `dsn.text` may hold a password: show it through core.dsn.describe only."""

    dsn: Value | None = field(default=None, repr=False)  # text "" means: libpq's own variables
    profile: str = ""
    protected: bool = False
    registry: Value | None = None
    environment: Value | None = None
    policy: Value | None = None
    runners: Mapping[str, str] = field(default_factory=dict)  # execution type -> entry point that executes it here
    retention: Mapping[str, Any] = field(default_factory=dict)  # [retention] as written: see core/retention.py
    docker_host: str = ""  # DOCKER_HOST; "" is the engine's usual socket
    actor: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    profiles: tuple[str, ...] = ()  # every profile that could be named
    files: tuple[ConfigFile, ...] = field(default=(), repr=False)  # those that were read, the nearest first

    def require_dsn(self) -> str:
        """Return the DSN; raise ConfigError E213 when nothing names a database."""
        if self.dsn is None:
            named = f"pass --profile ({', '.join(self.profiles)}) or" if self.profiles else "pass"
            raise ConfigError(
                "no database is named",
                hint=f"{named} --dsn postgresql://user@host/database, set SPECQL_JOBS_DSN, or use --dsn embedded",
                code="E213",
                name="no-database",
            )
        return self.dsn.text


def variables() -> dict[str, str]:
    """Return a copy of the process environment."""
    return dict(os.environ)


def state_folder(env: Mapping[str, str]) -> Path:
    """Return where this user's crash files go: $XDG_STATE_HOME/specql-jobs or ~/.local/state/specql-jobs."""
    return _user_folder(env, "XDG_STATE_HOME", Path(".local", "state"))


def cache_folder(env: Mapping[str, str]) -> Path:
    """Return where names for completion are kept: $XDG_CACHE_HOME/specql-jobs or ~/.cache/specql-jobs."""
    return _user_folder(env, "XDG_CACHE_HOME", Path(".cache"))


def _user_folder(env: Mapping[str, str], variable: str, usual: Path) -> Path:
    """A folder of the XDG specification, which counts absolute paths only."""
    stated = env.get(variable, "")
    root = Path(stated) if stated.startswith("/") else Path(env.get("HOME") or "/nonexistent") / usual
    return root / "specql-jobs"


def load_settings(
    *, dsn: str | None = None, profile: str = "", env: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Return the effective settings; flags win over `env`, the project's file over the user's.

    Raises ConfigError for an unreadable or wrong file, NotFound for an unknown profile.
    """
    env = variables() if env is None else env
    files = tuple(config_files(env, folder or Path.cwd()))
    named = _profile_name(profile, env, files, dsn)
    found, protected = _database(dsn, named, env, files)
    return Settings(
        dsn=found,
        profile=named if found and found.origin.startswith("profile") else "",
        protected=protected,
        registry=_first(_variable(env, "SPECQL_JOBS_REGISTRY"), *(file.file_value("registry") for file in files)),
        environment=_first(_variable(env, "SPECQL_JOBS_ENV"), *(file.value("environment") for file in files)),
        policy=_first(_variable(env, "SPECQL_JOBS_POLICY"), *(file.file_value("policy") for file in files)),
        runners=_runners(env, files),
        retention=next((file.content["retention"] for file in files if "retention" in file.content), {}),
        docker_host=env.get("DOCKER_HOST", ""),
        actor=env.get("SPECQL_JOBS_ACTOR") or _person(env),
        variables=env,
        profiles=_profile_names(files),
        files=files,
    )


def _runners(env: Mapping[str, str], files: tuple[ConfigFile, ...]) -> dict[str, str]:
    """Which entry point executes which type: TYPE=NAME,… in the environment over [runners] of the nearest file."""
    stated = env.get("SPECQL_JOBS_RUNNERS", "")
    if not stated:
        return dict(next((file.content["runners"] for file in files if "runners" in file.content), {}))
    pairs = [part.partition("=") for part in stated.split(",")]
    found = {kind.strip().lower(): name.strip() for kind, _, name in pairs}
    check_runners("SPECQL_JOBS_RUNNERS", found)
    return found


def _person(env: Mapping[str, str]) -> str:
    """Who types: user@host, for the ledger of changes."""
    name = env.get("SUDO_USER") or env.get("LOGNAME") or env.get("USER")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = f"uid {os.getuid()}"
    return f"{name}@{os.uname().nodename}"


def _first(*values: Value | None) -> Value | None:
    return next((value for value in values if value is not None), None)


def _variable(env: Mapping[str, str], name: str) -> Value | None:
    text = env.get(name, "")
    return Value(text, name, source=Source.ENVIRONMENT) if text else None


# ---- the database ----------------------------------------------------------------------------------------------------


def _database(
    dsn: str | None, profile: str, env: Mapping[str, str], files: tuple[ConfigFile, ...]
) -> tuple[Value | None, bool]:
    if dsn is not None:
        return _flag(dsn), False
    if profile:
        return _from_profile(profile, files)
    found = _first(
        _variable(env, "SPECQL_JOBS_DSN"),
        *(file.value("dsn") for file in files),
        _variable(env, "DATABASE_URL"),
        _libpq(env),
    )
    return found, False


def _flag(dsn: str) -> Value:
    if not dsn.strip():
        raise ConfigError("--dsn is empty", hint="leave the flag out, or pass postgresql://user@host/database")
    return Value(dsn, "--dsn", source=Source.FLAG)


def _libpq(env: Mapping[str, str]) -> Value | None:
    used = [name for name in LIBPQ_VARIABLES if env.get(name)]
    return Value("", ", ".join(used), source=Source.LIBPQ) if used else None


def _profile_name(flag: str, env: Mapping[str, str], files: tuple[ConfigFile, ...], dsn: str | None) -> str:
    """The profile that decides the database, or "" when something nearer does."""
    if dsn is not None or flag:
        return flag if dsn is None else ""
    if env.get("SPECQL_JOBS_DSN"):
        return ""
    if env.get("SPECQL_JOBS_PROFILE"):
        return env["SPECQL_JOBS_PROFILE"]
    for file in files:
        if file.value("dsn"):
            return ""
        if stated := file.value("profile"):
            return stated.text
    return ""


def _from_profile(name: str, files: tuple[ConfigFile, ...]) -> tuple[Value, bool]:
    for file in files:
        profile = file.content.get("profiles", {}).get(name)
        if profile is not None:
            origin, line = f"profile {name} in {file.path}", file.line(f"profiles.{name}")
            found = Value(conninfo(profile), origin, line, Source.PROFILE)
            return found, bool(profile.get("protected"))
    raise NotFound(
        f"there is no profile {name!r}; known: {', '.join(_profile_names(files)) or 'none'}",
        code="E304",
        name="profile-unknown",
        hint=f"add [profiles.{name}] to {PROJECT_FILE}",
    )


def _profile_names(files: tuple[ConfigFile, ...]) -> tuple[str, ...]:
    return tuple(sorted({each for file in files for each in file.content.get("profiles", {})}))
