"""What a database address may show of itself. Pure text: a DSN is shown by its safe parts or not at all."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

EMBEDDED = "embedded"
UNREADABLE = "a DSN that cannot be read"

_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_SAFE_PART = re.compile(r"[\w.,:%+\[\]/-]*", re.ASCII)
_PAIR = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)\s*")
_PASSWORD_KEYS = ("password", "sslpassword", "passfile")
#: What a password looks like in a text that quotes a DSN, well formed or not.
_TRACES = (
    re.compile(r"(?<=:/)(/?[^\s/:@'\"]*):[^\s@'\"]+@"),
    re.compile(r"\b(password|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&'\"]+)", re.IGNORECASE),
)
MASK = "•••"


def is_embedded(dsn: str) -> bool:
    """Whether the DSN asks for the private PostgreSQL of the installed wheel."""
    return dsn == EMBEDDED or dsn.startswith(f"{EMBEDDED}:")


def passwords(dsn: str) -> tuple[str, ...]:
    """Return every password that the DSN holds, as written and decoded."""
    if is_embedded(dsn):
        return ()
    found = _url_passwords(dsn) if _URL.match(dsn) else [_pairs(dsn).get(key, "") for key in _PASSWORD_KEYS[:2]]
    return tuple(dict.fromkeys(text for raw in found if raw for text in (raw, unquote(raw))))


def describe(dsn: str) -> str:
    """Return `user@host:port/database`, or a phrase when nothing can be shown safely."""
    if is_embedded(dsn):
        return dsn
    if not dsn:
        return "the PG* environment variables"
    parts = _url_parts(dsn) if _URL.match(dsn) else _pair_parts(dsn)
    if not all(_SAFE_PART.fullmatch(part) for part in parts) or not any(parts):
        return UNREADABLE
    user, place, database = parts
    return f"{user}@{place}/{database}" if user else f"{place}/{database}"


def scrub(text: str) -> str:
    """Return `text` with anything that looks like a DSN's password masked."""
    text = _TRACES[0].sub(rf"\1:{MASK}@", text)
    return _TRACES[1].sub(rf"\1={MASK}", text)


def _url_passwords(dsn: str) -> list[str]:
    rest = _URL.sub("", dsn, count=1)
    userinfo = rest.rpartition("@")[0]
    query = dict(parse_qsl(rest.partition("?")[2]))
    return [userinfo.partition(":")[2], *(query.get(key, "") for key in _PASSWORD_KEYS[:2])]


def _url_parts(dsn: str) -> tuple[str, str, str]:
    userinfo, _, place = _URL.sub("", dsn, count=1).rpartition("@")
    host, _, database = place.partition("?")[0].partition("/")
    return userinfo.partition(":")[0], host or "localhost", database


def _pair_parts(dsn: str) -> tuple[str, str, str]:
    found = _pairs(dsn)
    if not found:
        return ("", "", "")
    host = found.get("host") or found.get("hostaddr") or found.get("service") or "localhost"
    return found.get("user", ""), ":".join(filter(None, (host, found.get("port", "")))), found.get("dbname", "")


def _pairs(dsn: str) -> dict[str, str]:
    """The keyword form, or nothing when the text is not wholly of that form."""
    if _PAIR.sub("", dsn).strip():
        return {}
    return {key.lower(): value.strip("'") for key, value in _PAIR.findall(dsn)}
