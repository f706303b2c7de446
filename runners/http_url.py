"""URLs of the HTTP runner: one parser, strict before anything is resolved, and a form that is safe to print.

The httpx.URL that is judged is the very object that is sent, so no second parser can read it differently.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import unquote

import httpx

from ..core.contract import Endpoint

LONGEST_URL = 8192  # characters
DEFAULT_PORTS = {"https": 443, "http": 80}

_UNSAFE = re.compile(r"[^\x21-\x7e]|\\")
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlRefused(ValueError):
    """The text is not a URL that may be requested; the message completes the sentence "the URL …"."""


@lru_cache(maxsize=256)
def parse_url(text: str) -> httpx.URL:
    """Return the URL of `text`; raise UrlRefused for anything that two parsers could read differently."""
    if len(text) > LONGEST_URL:
        raise UrlRefused(f"is longer than {LONGEST_URL} characters")
    if _UNSAFE.search(text):
        raise UrlRefused("contains a space, a backslash, a control or a non-ASCII character")
    authority = _AUTHORITY.match(text)
    if not authority or "@" in authority[1] or "%" in authority[1]:
        raise UrlRefused("needs the form https://host/path, with no user name and no '%' in the host")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise UrlRefused("cannot be parsed") from None
    _check(url)
    return url


def _check(url: httpx.URL) -> None:
    if url.scheme not in DEFAULT_PORTS:
        raise UrlRefused(f"has the scheme {url.scheme!r}; only https and http are requested")
    if url.port is not None and not 0 < url.port < 65536:
        raise UrlRefused("has a port outside 1 to 65535")
    host = host_of(url)
    if ":" in host:
        _check_address(IPv6Address, host)
    elif not _NAME.fullmatch(host) or len(host) > 253:
        raise UrlRefused("has no valid host name")
    # glibc turns 127.1, 2130706433 and 0x7f.0.0.1 into addresses: such names never reach the resolver.
    elif _NUMBER.fullmatch(host.rpartition(".")[2]):
        _check_address(IPv4Address, host)


def _check_address(kind: type[IPv4Address | IPv6Address], host: str) -> None:
    try:
        kind(host)
    except AddressValueError:
        raise UrlRefused(f"has the host {host!r}, which is neither a name nor a plain IP address") from None


def host_of(url: httpx.URL) -> str:
    """Return the host in ASCII and lower case, without brackets."""
    return url.raw_host.decode("ascii").lower()


def endpoint_of(url: httpx.URL) -> Endpoint:
    """Return what policy judges of a URL."""
    port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    return Endpoint(url.scheme, host_of(url), port)


def same_origin(one: httpx.URL, other: httpx.URL) -> bool:
    """Whether both have the same scheme, host and port: credentials go no further."""
    return endpoint_of(one) == endpoint_of(other)


def printable(url: httpx.URL) -> str:
    """Return the URL for messages and logs: query values are left out, they often carry keys."""
    return str(url.copy_with(query=None, fragment=None)) + ("?…" if url.query else "")


def has_dot_segment(path: str) -> bool:
    """Whether a path, percent-encoded or not, has a segment that means "here" or "up".

    An encoded slash ends no segment: `..%2Fadmin`, which is how a filled-in value looks, is one name.
    """
    return any(unquote(segment) in (".", "..") for segment in path.partition("?")[0].split("/"))
