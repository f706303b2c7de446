"""specql-jobs.toml, the user's config.toml and env files: found, read, checked. Lines are never quoted in errors."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .job import ExecutionType

PROJECT_FILE = "specql-jobs.toml"
USER_FILE = Path("specql-jobs", "config.toml")
#: libpq keywords that a profile may hold. Passwords belong in PGPASSFILE or SPECQL_JOBS_DSN.
PROFILE_PARTS = ("service", "host", "port", "dbname", "user", "sslmode", "sslrootcert")

_FILE_KEYS: dict[str, type] = {
    "dsn": str,
    "profile": str,
    "registry": str,
    "environment": str,
    "policy": str,
    "profiles": dict,
    "runners": dict,
    "retention": dict,
}
_PROFILE_KEYS: dict[str, type] = {
    "dsn": str,
    "protected": bool,
    **{part: int if part == "port" else str for part in PROFILE_PARTS},
}
_RETENTION_KEYS: dict[str, type] = {"completed": str, "failed": str, "cancelled": str, "worker": bool}


class Source(StrEnum):
    """The kinds of places that settings come from."""

    FLAG = "flag"
    PROFILE = "profile"
    ENVIRONMENT = "environment"
    FILE = "file"
    LIBPQ = "libpq"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Value:
    """One setting, and where it came from, in words; in a file there is a line, counted from 1, if it is known."""

    text: str
    origin: str
    line: int = 0
    source: Source = Source.FILE


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One configuration file as read: checked for unknown keys and wrong types."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[str, int]  # "profiles.prod.host" -> its line

    def value(self, key: str) -> Value | None:
        """Return the file's setting of that name, or None."""
        text = self.content.get(key, "")
        return Value(text, str(self.path), self.line(key)) if text else None

    def line(self, key: str) -> int:
        """Return the line of a key such as `profiles.prod.host`, or of the table around it; 0 if it is not found."""
        while key and key not in self.lines:
            key = key.rpartition(".")[0]
        return self.lines.get(key, 0)

    def file_value(self, key: str) -> Value | None:
        """Return a path setting, made absolute from the file's own folder."""
        found = self.value(key)
        return Value(str(self.path.parent / found.text), found.origin, found.line) if found else None


def config_files(env: Mapping[str, str], folder: Path) -> Iterator[ConfigFile]:
    """Yield the project's file, then the user's, where they exist; raise ConfigError for a wrong one."""
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
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path}{_place(str(error), text)}: not valid TOML", hint=f"mend the line in {path}"
        ) from None
    file = ConfigFile(path, content, dict(_key_lines(text)))
    _check_keys(file, "", content, _FILE_KEYS)
    for name, profile in content.get("profiles", {}).items():
        if not isinstance(profile, dict):
            raise ConfigError(
                f"{path}: [profiles.{name}] must be a table", hint=f"write [profiles.{name}] on its own line"
            )
        _check_keys(file, f"profiles.{name}.", profile, _PROFILE_KEYS)
    check_runners(f"{path}: [runners]", content.get("runners", {}))
    _check_keys(file, "retention.", content.get("retention", {}), _RETENTION_KEYS)
    return file


_TABLE = re.compile(r"\[([^\[\]]+)\]")
_KEY = re.compile(r"""((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def _key_lines(text: str) -> Iterator[tuple[str, int]]:
    """Where each table and key stands, for messages: tomllib tells no positions."""
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _TABLE.match(line.strip()):
            table = f"{_plain_key(found[1])}."
            yield table[:-1], number
        elif found := _KEY.match(line.strip()):
            yield f"{table}{_plain_key(found[1])}", number


def _plain_key(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def conninfo(profile: Mapping[str, Any]) -> str:
    """Return a profile's database as a connection string; libpq adds what the profile leaves open."""
    if "dsn" in profile:
        return str(profile["dsn"])
    return " ".join(f"{part}={_quoted(profile[part])}" for part in PROFILE_PARTS if part in profile)


def _quoted(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def check_runners(where: str, stated: Mapping[str, Any]) -> None:
    """Raise ConfigError unless each key is an execution type and each value the name of an entry point."""
    for kind, name in stated.items():
        if kind not in tuple(ExecutionType) or not isinstance(name, str) or not name:
            raise ConfigError(
                f"{where}: {kind} = {name!r} does not name a runner for an execution type",
                hint=f'write  {ExecutionType.SERVERLESS} = "name-of-an-entry-point"; types: {", ".join(ExecutionType)}',
            )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        reason = (error.strerror or "unreadable").lower()
        raise ConfigError(f"{path} cannot be read: {reason}", hint="check the path and its permissions") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", hint="save it as UTF-8") from None


def _place(message: str, text: str) -> str:
    """Only the position is taken over: the parser's words may quote the line, and the line may hold a password."""
    match = re.search(r"at line (\d+), column (\d+)", message)
    return f":{match[1]}:{match[2]}" if match else f":{text.count(chr(10)) + 1}"


def _check_keys(file: ConfigFile, prefix: str, content: Mapping[str, Any], allowed: Mapping[str, type]) -> None:
    for key, value in content.items():
        where = f"{file.path}:{file.line(prefix + key)}"
        if key not in allowed:
            near = get_close_matches(key, allowed, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(allowed)}"
            raise ConfigError(f"{where}: unknown key `{prefix}{key}`", hint=hint)
        wanted = allowed[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{where}: `{prefix}{key}` must be of type {wanted.__name__}")


# ---- env files -------------------------------------------------------------------------------------------------------

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_env_file(path: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file: no expansion, matching outer quotes removed, # starts a comment line.

    Raises ConfigError with file:line; the line itself is never quoted, because it may hold a secret.
    """
    lines = _text(path).splitlines()
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
