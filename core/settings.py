"""Where a command finds its database, registry and names: flags, environment, configuration files, in that order.

The only reader of the process environment, with core/secrets.py.
"""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from .errors import ConfigError, NotFound

PROJECT_FILE = "specql-jobs.toml"
USER_FILE = Path("specql-jobs", "config.toml")
#: Any of these says that libpq's own variables are meant to name the server.
LIBPQ_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGPORT", "PGUSER")
#: libpq keywords that a profile may hold. Passwords belong in PGPASSFILE or SPECQL_JOBS_DSN.
PROFILE_PARTS = ("service", "host", "port", "dbname", "user", "sslmode", "sslrootcert")

_FILE_KEYS: dict[str, type] = {
    "dsn": str,
    "profile": str,
    "registry": str,
    "environment": str,
    "policy": str,
    "profiles": dict,
}
_PROFILE_KEYS: dict[str, type] = {
    "dsn": str,
    "protected": bool,
    **{part: int if part == "port" else str for part in PROFILE_PARTS},
}


@dataclass(frozen=True, slots=True)
class Value:
    """One setting, and where it came from."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file as read: checked for unknown keys and wrong types."""

    path: Path
    content: Mapping[str, Any]

    def value(self, key: str) -> Value | None:
        """Return the file's setting of that name, or None."""
        text = self.content.get(key, "")
        return Value(text, str(self.path)) if text else None

    def file_value(self, key: str) -> Value | None:
        """Return a path setting, made absolute from the file's own folder."""
        found = self.value(key)
        return Value(str(self.path.parent / found.text), found.origin) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for this command. `dsn.text` may hold a password: show it through core.dsn.describe only."""

    dsn: Value | None = None  # text "" means: libpq's own variables
    profile: str = ""
    protected: bool = False
    registry: Value | None = None
    environment: Value | None = None
    policy: Value | None = None
    actor: str = ""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def require_dsn(self) -> str:
        """Return the DSN; raise ConfigError E213 when nothing names a database."""
        if self.dsn is None:
            raise ConfigError(
                "no database is named",
                hint="pass --dsn postgresql://user@host/database, set SPECQL_JOBS_DSN, or use --dsn embedded",
                code="E213",
                name="no-database",
            )
        return self.dsn.text


def variables() -> dict[str, str]:
    """Return a copy of the process environment."""
    return dict(os.environ)


def state_folder(env: Mapping[str, str]) -> Path:
    """Return where this user's crash files go: $XDG_STATE_HOME/specql-jobs or ~/.local/state/specql-jobs."""
    stated = env.get("XDG_STATE_HOME", "")
    root = Path(stated) if stated.startswith("/") else Path(env.get("HOME") or "/nonexistent", ".local", "state")
    return root / "specql-jobs"


def load_settings(
    *, dsn: str | None = None, profile: str = "", env: Mapping[str, str] | None = None, folder: Path | None = None
) -> Settings:
    """Return the effective settings; flags win over `env`, the project's file over the user's.

    Raises ConfigError for an unreadable or wrong file, NotFound for an unknown profile.
    """
    env = variables() if env is None else env
    files = tuple(_files(env, folder or Path.cwd()))
    named = _profile_name(profile, env, files, dsn)
    found, protected = _database(dsn, named, env, files)
    return Settings(
        dsn=found,
        profile=named if found and found.origin.startswith("profile") else "",
        protected=protected,
        registry=_first(_variable(env, "SPECQL_JOBS_REGISTRY"), *(file.file_value("registry") for file in files)),
        environment=_first(_variable(env, "SPECQL_JOBS_ENV"), *(file.value("environment") for file in files)),
        policy=_first(_variable(env, "SPECQL_JOBS_POLICY"), *(file.file_value("policy") for file in files)),
        actor=env.get("SPECQL_JOBS_ACTOR") or _person(env),
        variables=env,
    )


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
    return Value(text, name) if text else None


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
    return Value(dsn, "--dsn")


def _libpq(env: Mapping[str, str]) -> Value | None:
    used = [name for name in LIBPQ_VARIABLES if env.get(name)]
    return Value("", ", ".join(used)) if used else None


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
            return Value(_conninfo(profile), f"profile {name} in {file.path}"), bool(profile.get("protected"))
    known = sorted({each for file in files for each in file.content.get("profiles", {})})
    raise NotFound(
        f"there is no profile {name!r}; known: {', '.join(known) or 'none'}",
        code="E304",
        name="profile-unknown",
        hint=f"add [profiles.{name}] to {PROJECT_FILE}",
    )


def _conninfo(profile: Mapping[str, Any]) -> str:
    if "dsn" in profile:
        return str(profile["dsn"])
    return " ".join(f"{part}={_quoted(profile[part])}" for part in PROFILE_PARTS if part in profile)


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


# ---- configuration files ---------------------------------------------------------------------------------------------


def _files(env: Mapping[str, str], folder: Path) -> Iterator[ConfigFile]:
    """The project's file, then the user's."""
    project = _project_file(folder)
    stated = env.get("XDG_CONFIG_HOME", "")
    home = Path(stated) if stated.startswith("/") else Path(env.get("HOME") or "/nonexistent", ".config")
    for path in (project, home / USER_FILE):
        if path is not None and path.is_file():
            yield read_file(path)


def _project_file(folder: Path) -> Path | None:
    """Search upwards to the repository's root; outside a repository only `folder` itself is asked."""
    places = [folder, *folder.parents]
    root = next((index for index, place in enumerate(places) if (place / ".git").exists()), 0)
    return next((place / PROJECT_FILE for place in places[: root + 1] if (place / PROJECT_FILE).is_file()), None)


def read_file(path: Path) -> ConfigFile:
    """Return a configuration file's content; raise ConfigError with file:line for bad TOML, keys or types."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}{_place(str(error))}: not valid TOML", hint=f"mend the line in {path}") from None
    _check_keys(path, "", content, _FILE_KEYS)
    for name, profile in content.get("profiles", {}).items():
        if not isinstance(profile, dict):
            raise ConfigError(f"{path}: [profiles.{name}] must be a table")
        _check_keys(path, f"profiles.{name}.", profile, _PROFILE_KEYS)
    return ConfigFile(path, content)


def _place(message: str) -> str:
    """Only the position is taken over: the parser's words may quote the line, and the line may hold a password."""
    match = re.search(r"at line (\d+), column (\d+)", message)
    return f":{match[1]}:{match[2]}" if match else ""


def _check_keys(path: Path, prefix: str, content: Mapping[str, Any], allowed: Mapping[str, type]) -> None:
    for key, value in content.items():
        if key not in allowed:
            near = get_close_matches(key, allowed, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(allowed)}"
            raise ConfigError(f"{path}: unknown key `{prefix}{key}`", hint=hint)
        wanted = allowed[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{path}: `{prefix}{key}` must be of type {wanted.__name__}")


# ---- env files -------------------------------------------------------------------------------------------------------

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_env_file(path: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file: no expansion, matching outer quotes removed, # starts a comment line.

    Raises ConfigError with file:line; the line itself is never quoted, because it may hold a secret.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        plain = line.strip()
        if plain and not plain.startswith("#"):
            name, value = _assignment(path, number, plain)
            found[name] = value
    return found


def _assignment(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        raise ConfigError(f"{path}:{number}: not a NAME=VALUE line", hint="one NAME=VALUE a line")
    value = match[2].strip()
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return match[1], value[1:-1] if quoted else value
