"""What libpq makes of a connection string: passwords, service files and its own variables filled in, nothing connected.

libpq itself answers, so that this never says something else than a connection would do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import conninfo, pq

from ..config_file import Source, Value
from ..errors import ConfigError

#: The parts of an address that people ask about, in the order in which they are told, each with libpq's variable.
PARTS = {
    "service": "PGSERVICE",
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "passfile": "PGPASSFILE",
}
#: No network address: libpq fills in everything, then stops at it before it opens a socket.
_NOWHERE = "."
_SECTION = re.compile(r"\[([^\]]*)\]")


def complete(named: Value, variables: Mapping[str, str]) -> dict[str, Value]:
    """Return each part of the address with where libpq takes it from; "password" has no text, only its place.

    Raises ConfigError: E211 for what is no connection string, E216 for what libpq cannot complete.
    """
    stated = _stated(named.text)
    parts, has_password = _asked(named.text)
    written = {**_of_service(parts.get("service", ""), variables), **dict.fromkeys(stated, named)}
    found = {name: _placed(name, parts[name], written, variables) for name in PARTS if parts.get(name)}
    if has_password:
        found["password"] = _password_place(written, variables, parts.get("passfile", ""))
    return found


def _asked(dsn: str) -> tuple[dict[str, str], bool]:
    """Every part as libpq completes it, without the password, and whether there is one."""
    attempt = pq.PGconn.connect_start(conninfo.make_conninfo(dsn, hostaddr=_NOWHERE).encode())
    try:
        parts = {option.keyword.decode(): (option.val or b"").decode("utf-8", "replace") for option in attempt.info}
        has_password, message = bool(attempt.password), attempt.error_message.decode("utf-8", "replace").strip()
    finally:
        attempt.finish()
    if not parts.get("user"):
        raise ConfigError(
            f"libpq cannot complete the connection's settings: {message[-200:]}",
            hint="name the service in ~/.pg_service.conf (or the file of PGSERVICEFILE),\n"
            "or state host, user and dbname in the profile",
            code="E216",
            name="connection-incomplete",
        )
    return {name: text for name, text in parts.items() if name != "password"}, has_password


def _stated(dsn: str) -> frozenset[str]:
    try:
        return frozenset(conninfo.conninfo_to_dict(dsn))
    except psycopg.ProgrammingError:  # its words quote the string, password included
        raise ConfigError(
            "the DSN is not a valid Postgres connection string",
            hint="write it as postgresql://user@host:5432/database, or use --profile",
            code="E211",
            name="dsn-invalid",
        ) from None


def _placed(name: str, text: str, written: Mapping[str, Value], variables: Mapping[str, str]) -> Value:
    """In libpq's own order: connection string, service file, variable, what is built in."""
    if name in written:
        return replace(written[name], text=text)
    variable = PARTS[name]
    if variables.get(variable):
        return Value(text, variable, source=Source.LIBPQ)
    return Value(text, "libpq", source=Source.DEFAULT)


def _password_place(written: Mapping[str, Value], variables: Mapping[str, str], passfile: str) -> Value:
    """The same for the password, which has a file of its own at the end instead of a built-in value."""
    if "password" in written:
        return replace(written["password"], text="")
    return Value("", "PGPASSWORD" if variables.get("PGPASSWORD") else passfile, source=Source.LIBPQ)


def _of_service(service: str, variables: Mapping[str, str]) -> dict[str, Value]:
    """Where the parts of a service are written: the user's file, else the system's. Values are not kept."""
    for path in _service_files(variables) if service else ():
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:  # libpq, too, goes on to the next
            continue
        if found := dict(_section(lines, service, path)):
            return found
    return {}


def _service_files(variables: Mapping[str, str]) -> Iterator[Path]:
    yield Path(variables.get("PGSERVICEFILE") or Path(variables.get("HOME") or "/nonexistent", ".pg_service.conf"))
    if folder := variables.get("PGSYSCONFDIR"):
        yield Path(folder, "pg_service.conf")


def _section(lines: list[str], service: str, path: Path) -> Iterator[tuple[str, Value]]:
    inside = False
    for number, line in enumerate(map(str.strip, lines), start=1):
        if header := _SECTION.match(line):
            inside = header[1] == service
        elif inside and "=" in line and not line.startswith("#"):
            yield line.partition("=")[0].strip(), Value("", f"service {service} in {path}", number, Source.LIBPQ)
